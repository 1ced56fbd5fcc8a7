import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { messageOf } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import type { LogOptions } from '../unit-manager.js';

/** How many lines a reason may end with. */
const REASON_LINES = 5;

export interface Journal {
  /** What the unit's processes wrote, not what systemd says about it. */
  lines(name: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string>;
  /** The last few lines since a time (ms since the epoch). Empty if the journal cannot be read. */
  ofUnit(name: string, since: number): Promise<string[]>;
  /** What systemd itself said about the unit since then. */
  aboutUnit(name: string, since: number): Promise<string[]>;
}

/** Reads the journal by journalctl: there is no other way that is documented. `command` is how it is called. */
export function openJournal(command: readonly string[], log: Log): Journal {
  async function* run(args: readonly string[], signal: AbortSignal): AsyncIterable<string> {
    const [program = '', ...prefix] = command;
    const child = spawn(program, [...prefix, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = createInterface({ input: child.stdout });
    const stop = (): void => {
      child.kill();
      child.stdout.destroy();
      lines.close();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      complaint += text;
    });
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        complaint = messageOf(error);
        resolve();
      });
      child.once('close', () => resolve());
    });
    try {
      yield* lines;
      await ended;
      if (complaint !== '' && !signal.aborted) log.warn({ args }, `journalctl: ${complaint.trim()}`);
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
  }

  /** What was written before now is not in the files yet when a process has just ended. */
  async function sync(signal: AbortSignal): Promise<void> {
    for await (const _line of run(['--sync'], signal));
  }

  // Failures come in crowds (a full disk, a missing program); their readers need not.
  let previous: Promise<unknown> = Promise.resolve();
  function last(matches: readonly string[], since: number): Promise<string[]> {
    const read = async (): Promise<string[]> => {
      const signal = new AbortController().signal;
      await sync(signal);
      // Backwards: otherwise --since makes -n the first lines, not the last.
      const from = ['--reverse', '--since', `@${(Math.floor(since) / 1000).toFixed(3)}`];
      const lines: string[] = [];
      const args = ['--quiet', '--output=cat', '-n', String(REASON_LINES), ...from, ...matches];
      for await (const line of run(args, signal)) lines.unshift(line);
      return lines;
    };
    const done = previous.then(read, read);
    previous = done.catch(() => undefined);
    return done;
  }

  return {
    async *lines(name, { lines, follow }, signal) {
      if (!follow) await sync(signal);
      const args = ['--quiet', '--output=cat', '-n', String(lines), `_SYSTEMD_UNIT=${name}`];
      if (!follow && lines === 0) return;
      yield* run(follow ? ['--follow', ...args] : args, signal);
    },
    ofUnit: (name, since) => last([`_SYSTEMD_UNIT=${name}`], since),
    aboutUnit: (name, since) => last(['_PID=1', `UNIT=${name}`], since),
  };
}
