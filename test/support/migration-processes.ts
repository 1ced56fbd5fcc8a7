import type { ChildProcess } from 'node:child_process';
import type { Ground } from '../../agent/ground.js';
import { program } from './programs.js';

/** One of the product's programs as a process on a ground. */
export interface Running {
  /** Of its log, without `.log`. */
  readonly name: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** SIGKILL, resolves when it is gone. */
  kill(): Promise<void>;
}

let started = 0;

export type JobProgram = 'populate' | 'import-blobs' | 'upload-dzis' | 'verify';

/** Starts zh-<job>; its log is `<ground>/<name>.log`. */
export function startJob(
  ground: Ground,
  job: JobProgram,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Running {
  const name = `zh-${job}-${++started}`;
  const child = ground.spawn(name, process.execPath, [program(`jobs/${job}-main.js`), ...args], {
    PATH: process.env.PATH,
    ...env,
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? -1));
  });
  return {
    name,
    child,
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
