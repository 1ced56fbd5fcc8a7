import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { type ConvoyError, permanent, transient } from '../runtime/errors.js';
import type { Endpoint } from './endpoint.js';
import {
  argumentsFor,
  argumentsForBastion,
  type Bastion,
  forwardCommand,
  quoted,
  type SshSettings,
  type SshTarget,
} from './ssh-line.js';

/** The system's OpenSSH, with its agent and its known hosts. */
export interface Ssh {
  /**
   * Runs a command, or a shell if there is none, on the terminal or pipes of this program. Answers its exit code; 255
   * is ssh's own, which has said why on stderr.
   */
  run(target: SshTarget, command: string): Promise<number>;
  /** A stream from the bastion to where the API answers; of several sockets the first that is there. */
  stream(bastion: Bastion, endpoint: Endpoint, sockets: readonly string[]): Duplex;
}

/** A dead connection is noticed after three of these. */
const ALIVE = ['-o', 'ServerAliveInterval=15'];
const FAILED = 255;
const NO_PROGRAM = 127;

export function openSsh(settings: SshSettings, debug: ((line: string) => void) | undefined): Ssh {
  const { knownHosts } = settings;
  const told = (args: readonly string[]): readonly string[] => {
    // ssh writes the file but makes no folder for it.
    if (knownHosts !== undefined && !knownHosts.startsWith('~'))
      mkdirSync(dirname(knownHosts), { recursive: true, mode: 0o700 });
    debug?.(`ssh ${args.map(quoted).join(' ')}`);
    return args;
  };

  return {
    run(target, command) {
      const args = [...argumentsFor(target, settings), ...(command === '' ? [] : ['--', command])];
      const child = spawn('ssh', told(args), { stdio: 'inherit' });
      return new Promise((resolve, reject) => {
        child.once('error', (error) => reject(noSsh(error)));
        child.once('close', (code, signal) =>
          resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
        );
      });
    },
    stream(bastion, endpoint, sockets) {
      const forward = endpoint.kind === 'tcp' ? ['-W', `[${endpoint.host}]:${endpoint.port}`] : ['-T'];
      const command = endpoint.kind === 'tcp' ? [] : ['--', forwardCommand(sockets)];
      const args = [...argumentsForBastion(bastion, settings, [...ALIVE, ...forward]), ...command];
      const child = spawn('ssh', told(args), { stdio: ['pipe', 'pipe', 'inherit'] });
      return new ProcessStream(child, bastion.host);
    },
  };
}

function noSsh(cause: NodeJS.ErrnoException): ConvoyError {
  if (cause.code === 'ENOENT')
    return permanent('the program ssh is not installed here: install the OpenSSH client', { code: 'no-ssh' });
  return permanent('the program ssh cannot be started', { code: 'no-ssh', cause });
}

/** What a program reads and writes. It is ended with the stream; its own end, if it failed, is the stream's error. */
class ProcessStream extends Duplex {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(child: ChildProcessByStdio<Writable, Readable, null>, host: string) {
    super();
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    // That it reads no more is told by its end, with the reason.
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => this.destroy(noSsh(error)));
    child.once('close', (code) => {
      if (code === 0) this.push(null);
      else this.destroy(endOf(code, host));
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#child.stdin.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill();
    done(error);
  }
}

function endOf(code: number | null, host: string): ConvoyError {
  if (code === NO_PROGRAM)
    return permanent(`${host} has no convoyctl to pass the API on with`, { code: 'no-forward' });
  const what =
    code === FAILED ? `ssh does not reach the API through ${host}` : `${host} does not pass the API on`;
  return transient(`${what}: the reason is above`, { code: 'unreachable' });
}
