import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../runtime/errors.js';
import { type Command, expandArguments } from '../command.js';
import { parseEnvironmentFile } from '../environment-file.js';
import type { Ended } from '../restart.js';
import type { Output, ServiceSettings } from '../service-settings.js';
import { type Identity, identify } from './processes.js';
import { openUnitLog } from './unit-log.js';

/** A command that runs. `ended` never rejects. */
export interface Running {
  readonly identity: Identity;
  readonly ended: Promise<Ended>;
}

/** Why a command could not be run at all. The codes are those systemd reports. */
export type CannotRun = Extract<Ended, { readonly kind: 'resources' }>;

const STATUS = { chdir: 200, exec: 203, stdout: 209, credentials: 243, environment: null } as const;
type Environment = Readonly<Record<string, string>>;

export function credentialsDir(runDir: string, unit: string): string {
  return join(runDir, 'credentials', unit);
}

/** Copies the unit's credentials to where only this user reads them. `null` when that went well. */
export function placeCredentials(runDir: string, unit: string, settings: ServiceSettings): CannotRun | null {
  const dir = credentialsDir(runDir, unit);
  removeCredentials(runDir, unit);
  if (settings.credentials.length === 0) return null;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const { id, path } of settings.credentials) {
    try {
      copyFileSync(path, join(dir, id));
      chmodSync(join(dir, id), 0o400);
    } catch (error) {
      return cannot('credentials', `LoadCredential=${id}: ${messageOf(error)}`);
    }
  }
  return null;
}

export function removeCredentials(runDir: string, unit: string): void {
  rmSync(credentialsDir(runDir, unit), { recursive: true, force: true });
}

/**
 * A command's environment, later ones winning: PATH, LANG and the ground's mark of the supervisor, what came with
 * the start, PassEnvironment=, Environment=, EnvironmentFile=, and what tells a process about its own run.
 */
export function environmentOf(
  settings: ServiceSettings,
  own: NodeJS.ProcessEnv,
  given: Environment,
  aboutRun: Environment,
): Environment | CannotRun {
  const files: Record<string, string> = {};
  for (const { path, optional } of settings.environmentFiles) {
    try {
      Object.assign(files, parseEnvironmentFile(readFileSync(path, 'utf8')));
    } catch (error) {
      if (!optional) return cannot('environment', `EnvironmentFile=${path}: ${messageOf(error)}`);
    }
  }
  return {
    ...pick(own, ['PATH', 'LANG', 'CONVOY_GROUND']),
    ...given,
    ...pick(own, settings.passEnvironment),
    ...settings.environment,
    ...files,
    ...aboutRun,
  };
}

function pick(own: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = own[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export interface Place {
  readonly runDir: string;
  readonly unit: string;
  readonly settings: ServiceSettings;
  readonly environment: Environment;
}

/** Starts a command in a session of its own, its output straight into files, so that it needs nobody to go on. */
export async function startCommand(command: Command, place: Place): Promise<Running | CannotRun> {
  const cwd = workingDirectory(place.settings);
  if (typeof cwd !== 'string') return cwd;
  const opened: number[] = [];
  try {
    const stdout = openOutput(place.settings.stdout, 'ignore', place, opened);
    const stderr = openOutput(place.settings.stderr, stdout, place, opened);
    const child = spawn(command.program, expandArguments(command, place.environment), {
      detached: true,
      cwd,
      env: place.environment,
      stdio: ['ignore', stdout, stderr],
      ...(command.argv0 === null ? {} : { argv0: command.argv0 }),
    });
    const ended = new Promise<Ended>((resolve) => {
      child.once('exit', (code, signal) =>
        resolve(signal === null ? { kind: 'exit', code: code ?? 0 } : { kind: 'signal', signal }),
      );
    });
    const failed = new Promise<Error>((resolve) => child.once('error', resolve));
    const identity = child.pid === undefined ? null : identify(child.pid);
    if (identity === null) return cannot('exec', `cannot run ${command.program}: ${messageOf(await failed)}`);
    return { identity, ended };
  } catch (error) {
    return cannot('stdout', messageOf(error));
  } finally {
    for (const file of opened) closeSync(file);
  }
}

function workingDirectory({ workingDirectory: { path, optional } }: ServiceSettings): string | CannotRun {
  try {
    if (statSync(path).isDirectory()) return path;
  } catch {
    // The sentence below says it.
  }
  return optional ? '/' : cannot('chdir', `WorkingDirectory=${path} is no folder`);
}

function openOutput(
  output: Output,
  inherited: number | 'ignore',
  { runDir, unit }: Place,
  opened: number[],
): number | 'ignore' {
  switch (output.kind) {
    case 'null':
      return 'ignore';
    case 'inherit':
      return inherited;
    case 'journal':
      opened.push(openUnitLog(runDir, unit));
      break;
    case 'append':
      opened.push(openSync(output.path, 'a', 0o644));
      break;
    case 'file':
      // Created if need be and written from its beginning, but not emptied: 'w' would do that.
      closeSync(openSync(output.path, 'a', 0o644));
      opened.push(openSync(output.path, 'r+'));
      break;
  }
  return opened.at(-1) as number;
}

function cannot(status: keyof typeof STATUS, what: string): CannotRun {
  return { kind: 'resources', status: STATUS[status], what };
}
