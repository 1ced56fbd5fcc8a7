import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../runtime/clock.js';
import { permanent } from '../../runtime/errors.js';
import type { LogOptions } from '../../units/unit-log.js';

/** At a start, a log larger than this becomes `.1`, and the `.1` before it goes. */
const ROTATE_BYTES = 8 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const POLL_MS = 200;
const NEWLINE = 10;

export function logPath(runDir: string, unit: string): string {
  return join(runDir, 'log', `${unit}.log`);
}

/** A file descriptor to append to, for the caller to close. Processes write to it without our help. */
export function openUnitLog(runDir: string, unit: string): number {
  mkdirSync(join(runDir, 'log'), { recursive: true, mode: 0o700 });
  return openSync(logPath(runDir, unit), 'a', 0o600);
}

export function rotateUnitLog(runDir: string, unit: string): void {
  const path = logPath(runDir, unit);
  if (existsSync(path) && statSync(path).size > ROTATE_BYTES) renameSync(path, `${path}.1`);
}

export function removeUnitLog(runDir: string, unit: string): void {
  for (const path of [logPath(runDir, unit), `${logPath(runDir, unit)}.1`]) rmSync(path, { force: true });
}

/**
 * The last lines of a unit's log; then with `follow` what comes, rotations included, until the signal fires. Units
 * write to the file themselves: nobody knows when a line came, or of which process.
 */
export async function* readUnitLog(
  runDir: string,
  unit: string,
  options: LogOptions,
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<string> {
  const { output, since } = options;
  if (since !== null)
    throw permanent('the supervisor keeps no times of lines: ask for a number of lines instead of a time', {
      code: 'refused',
    });
  if (output !== null && output !== 'cat' && output !== 'json')
    throw permanent(`the supervisor knows the outputs cat and json, not ${output}`, { code: 'refused' });
  for await (const line of plainLines(runDir, unit, options, clock, signal))
    yield output === 'json' ? JSON.stringify({ MESSAGE: line, _SYSTEMD_UNIT: unit }) : line;
}

async function* plainLines(
  runDir: string,
  unit: string,
  options: Pick<LogOptions, 'lines' | 'follow'>,
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<string> {
  const path = logPath(runDir, unit);
  const count = options.lines ?? Number.POSITIVE_INFINITY;
  const tail = lastLines(path, count);
  const missing = count - tail.lines.length;
  if (missing > 0) yield* lastLines(`${path}.1`, missing).lines;
  yield* tail.lines;
  if (!options.follow) {
    if (tail.open !== '') yield tail.open;
    return;
  }
  const follower = new Follower(path, tail.end);
  try {
    while (!signal.aborted) {
      yield* follower.more();
      await clock.sleep(POLL_MS, signal).catch(() => undefined);
    }
  } finally {
    follower.close();
  }
}

/** How long a unit's log is (bytes). */
export function unitLogSize(runDir: string, unit: string): number {
  const path = logPath(runDir, unit);
  return existsSync(path) ? statSync(path).size : 0;
}

/** The last lines of a unit's log, of what came after its first `from` bytes. */
export function lastUnitLines(runDir: string, unit: string, count: number, from: number): string[] {
  const { lines, open } = lastLines(logPath(runDir, unit), count, from);
  return [...lines, ...(open === '' ? [] : [open])].slice(-count);
}

/** The last whole lines of a file, if it exists; `open` is what follows the last newline, `end` where that begins. */
function lastLines(path: string, count: number, from = 0): { lines: string[]; end: number; open: string } {
  if (!existsSync(path)) return { lines: [], end: 0, open: '' };
  const file = openSync(path, 'r');
  try {
    let start = fstatSync(file).size;
    let bytes = Buffer.alloc(0);
    while (start > from && countLines(bytes) <= count) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, start - from));
      start -= chunk.length;
      readSync(file, chunk, 0, chunk.length, start);
      bytes = Buffer.concat([chunk, bytes]);
    }
    const whole = bytes.lastIndexOf(NEWLINE) + 1;
    const lines = bytes.subarray(0, whole).toString().split('\n').slice(0, -1);
    const first = Math.max(0, lines.length - count);
    return { lines: lines.slice(first), end: start + whole, open: bytes.subarray(whole).toString() };
  } finally {
    closeSync(file);
  }
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** Reads on from an offset; when the file was replaced by a new one, finishes the old one first. */
class Follower {
  private file: number | null = null;
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly path: string,
    private offset: number,
  ) {}

  *more(): Iterable<string> {
    for (;;) {
      if (this.file === null && existsSync(this.path)) this.file = openSync(this.path, 'r');
      if (this.file === null) return;
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const read = readSync(this.file, chunk, 0, CHUNK_BYTES, this.offset);
      if (read > 0) {
        this.offset += read;
        this.rest = Buffer.concat([this.rest, chunk.subarray(0, read)]);
        yield* this.lines();
      } else if (this.replaced(this.file)) {
        this.close();
        this.offset = 0;
      } else return;
    }
  }

  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  private *lines(): Iterable<string> {
    for (let end = this.rest.indexOf(NEWLINE); end >= 0; end = this.rest.indexOf(NEWLINE)) {
      yield this.rest.subarray(0, end).toString();
      this.rest = this.rest.subarray(end + 1);
    }
  }

  private replaced(file: number): boolean {
    return existsSync(this.path) && statSync(this.path).ino !== fstatSync(file).ino;
  }
}
