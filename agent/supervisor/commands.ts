import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../../runtime/errors.js';
import { type Command, expandArguments } from '../command.js';
import { parseEnvironmentFile } from '../environment-file.js';
import type { Ended } from '../restart.js';
import type { Output, ServiceSettings } from '../service-settings.js';
import { type Account, asAccount, findProgram } from './account.js';
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

/** Copies the unit's credentials to where only its user reads them. `null` when that went well. */
export function placeCredentials(
  runDir: string,
  unit: string,
  settings: ServiceSettings,
  account: Account | null,
): CannotRun | null {
  const dir = credentialsDir(runDir, unit);
  removeCredentials(runDir, unit);
  if (settings.credentials.length === 0) return null;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const owner = account?.differs ? account : null;
  // Another user has to get through these folders, and can list neither.
  if (owner !== null) for (const above of [runDir, dirname(dir)]) chmodSync(above, 0o711);
  if (owner !== null) chownSync(dir, owner.uid, owner.gid);
  for (const { id, path } of settings.credentials) {
    try {
      copyFileSync(path, join(dir, id));
      chmodSync(join(dir, id), 0o400);
      if (owner !== null) chownSync(join(dir, id), owner.uid, owner.gid);
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
 * A command's environment, later ones winning: PATH, LANG and the ground's mark of the supervisor, who User= is, what
 * came with the start, PassEnvironment=, Environment=, EnvironmentFile=, and what tells a process about its own run.
 */
export function environmentOf(
  settings: ServiceSettings,
  own: NodeJS.ProcessEnv,
  account: Account | null,
  given: Environment,
  aboutRun: Environment,
): Environment | CannotRun {
  const user = account?.user ?? null;
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
    ...(user === null ? {} : { HOME: user.home, LOGNAME: user.name, USER: user.name, SHELL: user.shell }),
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
  readonly account: Account | null;
}

/** Starts a command in a session of its own, its output straight into files, so that it needs nobody to go on. */
export async function startCommand(command: Command, place: Place): Promise<Running | CannotRun> {
  const cwd = workingDirectory(place);
  if (typeof cwd !== 'string') return cwd;
  const opened: number[] = [];
  try {
    const stdout = openOutput(place.settings.stdout, 'ignore', place, opened);
    const stderr = openOutput(place.settings.stderr, stdout, place, opened);
    const args = expandArguments(command, place.environment);
    const account = command.fullPrivileges ? null : place.account;
    const becomes = account?.differs ? account : null;
    if (becomes !== null && findProgram(command.program, place.environment.PATH ?? '') === null)
      return cannot('exec', `cannot run ${command.program}: no such program`);
    const program = becomes === null ? command.program : 'setpriv';
    const words = becomes === null ? args : asAccount(becomes, command.program, args);
    const child = spawn(program, words, {
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

function workingDirectory({ settings, account }: Place): string | CannotRun {
  const { path: written, optional } = settings.workingDirectory;
  const path = written === '~' && account?.user ? account.user.home : written;
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
