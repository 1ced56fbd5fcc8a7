import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { messageOf, permanent } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import type { LogOptions } from '../../units/unit-log.js';

/** How many lines a reason may end with. */
const REASON_LINES = 5;
/** So many entries are read for them: systemd's own lines stand among those of the unit. */
const ENTRIES = 20;

interface Entry {
  /** Bytes where it is no valid text. */
  readonly MESSAGE?: string | readonly number[] | null;
  readonly _PID?: string;
  readonly __CURSOR?: string;
}

export interface Journal {
  /**
   * The unit's log: with `output` cat what its processes wrote, else what systemd says about it too. Rejects with
   * `permanent`, code `refused`, for a time that journalctl cannot read.
   */
  lines(name: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string>;
  /** The last few lines since a time (ms since the epoch). Empty if the journal cannot be read. */
  ofUnit(name: string, since: number): Promise<string[]>;
  /** What systemd itself said about the unit since then. */
  aboutUnit(name: string, since: number): Promise<string[]>;
}

/** Reads the journal by journalctl: there is no other way that is documented. `command` is how it is called. */
export function openJournal(command: readonly string[], log: Log): Journal {
  async function* run(
    args: readonly string[],
    signal: AbortSignal,
    onRefused?: (complaint: string) => never,
  ): AsyncIterable<string> {
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
    const ended = new Promise<boolean>((resolve) => {
      child.once('error', (error) => {
        complaint = messageOf(error);
        resolve(false);
      });
      child.once('close', (code) => resolve(code === 0));
    });
    try {
      yield* lines;
      const isDone = await ended;
      if (complaint === '' || signal.aborted) return;
      if (!isDone) onRefused?.(complaint.trim());
      log.warn({ args }, `journalctl: ${complaint.trim()}`);
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
  function last(
    matches: readonly string[],
    since: number,
    isWanted: (entry: Entry) => boolean,
  ): Promise<string[]> {
    const read = async (): Promise<string[]> => {
      const signal = new AbortController().signal;
      await sync(signal);
      // Backwards: otherwise --since makes -n the first lines, not the last.
      const from = ['--reverse', '--since', `@${(Math.floor(since) / 1000).toFixed(3)}`];
      const entries: Entry[] = [];
      const form = ['--output=json', '--output-fields=MESSAGE,_PID', '-n', String(ENTRIES)];
      for await (const line of run(['--quiet', ...form, ...from, ...matches], signal))
        entries.unshift(JSON.parse(line) as Entry);
      return entries.filter(isWanted).flatMap(messageLines).slice(-REASON_LINES);
    };
    const done = previous.then(read, read);
    previous = done.catch(() => undefined);
    return done;
  }

  return {
    async *lines(name, { lines, follow, output, since }, signal) {
      if (!follow && lines === 0) return;
      if (!follow) await sync(signal);
      const refuse = (complaint: string): never => {
        throw permanent(complaint, { code: 'refused' });
      };
      const read = (...args: string[]) =>
        run(
          ['--quiet', ...(output === 'cat' ? [`_SYSTEMD_UNIT=${name}`] : [`--unit=${name}`]), ...args],
          signal,
          since === null ? undefined : refuse,
        );
      let from = ['-n', String(lines ?? 'all'), ...(since === null ? [] : [`--since=${since}`])];
      if (since !== null && lines !== null && lines > 0) {
        // With --since, -n counts from the first line on: so the place where the last ones begin is asked for.
        let cursor: string | undefined;
        for await (const line of read('--reverse', '--output=json', '--output-fields=_PID', ...from))
          cursor = (JSON.parse(line) as Entry).__CURSOR;
        if (cursor === undefined && !follow) return;
        from = cursor === undefined ? ['-n', '0'] : ['-n', 'all', `--cursor=${cursor}`];
      }
      yield* read(`--output=${output ?? 'short'}`, ...from, ...(follow ? ['--follow'] : []));
    },
    // A process that could not even begin says so with UNIT=, and is gone before the journal knows whose it was.
    ofUnit: (name, since) =>
      last([`_SYSTEMD_UNIT=${name}`, '+', `UNIT=${name}`], since, ({ _PID }) => _PID !== '1'),
    aboutUnit: (name, since) => last(['_PID=1', `UNIT=${name}`], since, () => true),
  };
}

function messageLines({ MESSAGE }: Entry): string[] {
  const text = typeof MESSAGE === 'string' ? MESSAGE : Buffer.from(MESSAGE ?? []).toString('utf8');
  return text.split('\n').filter((line) => line !== '');
}
