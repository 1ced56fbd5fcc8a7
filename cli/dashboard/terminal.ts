import { EventEmitter } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { givenUp, keysOf } from './terminal-keys.js';
import type { ViewEvents } from './view.js';

/** How long Escape waits for the rest of a sequence: over a slow line one key comes in several packets. */
const ESCAPE_MS = 200;
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const;

/** Whoever paints on the terminal. Each may come at any time, and again. */
export interface Painter {
  /** Takes the screen and shows all of it again. */
  enter(): void;
  /** Gives the screen back as it was. */
  leave(): void;
  /** For good. */
  close(): void;
}

/**
 * The terminal of this process: keys as they are typed, its size, and that it is given back whatever ends or stops the
 * process. blessed writes through it, and never touches standard input or output itself. A terminal that is gone is told
 * as Ctrl-C. Ctrl-Z stops the process as it stops any other.
 */
export class Terminal extends EventEmitter {
  /** What blessed asks of an output. */
  readonly isTTY = true;
  writable = true;
  readonly #events: ViewEvents;
  readonly #painter: Painter;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #waiting: NodeJS.Timeout | undefined;
  #stopped: NodeJS.Timeout | undefined;

  constructor(events: ViewEvents, painter: Painter) {
    super();
    this.#events = events;
    this.#painter = painter;
    process.stdout.on('error', this.#gone).on('resize', this.#resized);
    process.stdin.on('error', this.#gone).on('end', this.#gone).on('data', this.#typed);
    process.on('exit', this.#end).on('uncaughtExceptionMonitor', this.#end).on('SIGCONT', this.#continued);
    for (const signal of SIGNALS) process.on(signal, this.#signalled);
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  write(text: string): boolean {
    return this.writable && process.stdout.write(text);
  }

  /** Keys as they are typed, unechoed. Where the line was cut there is nothing to set. */
  raw(on: boolean): void {
    try {
      process.stdin.setRawMode(on);
    } catch {}
  }

  /** Errors of a terminal that is gone are passed over from then on, too. */
  release(): void {
    clearTimeout(this.#waiting);
    clearTimeout(this.#stopped);
    process.stdout.off('resize', this.#resized);
    process.stdin.off('end', this.#gone).off('data', this.#typed).pause();
    process.off('exit', this.#end).off('uncaughtExceptionMonitor', this.#end).off('SIGCONT', this.#continued);
    for (const signal of SIGNALS) process.off(signal, this.#signalled);
    this.writable = false;
  }

  readonly #typed = (chunk: Buffer): void => {
    clearTimeout(this.#waiting);
    const { keys, rest } = keysOf(this.#rest + this.#decoder.write(chunk));
    this.#rest = rest;
    if (rest !== '') this.#waiting = setTimeout(this.#noMore, ESCAPE_MS);
    for (const key of keys) {
      if (key.name === 'ctrl-z') this.#stop();
      else this.#events.onKey(key);
    }
  };

  readonly #noMore = (): void => {
    const keys = givenUp(this.#rest);
    this.#rest = '';
    for (const key of keys) this.#events.onKey(key);
  };

  readonly #resized = (): void => {
    this.emit('resize');
    this.#events.onResize();
  };

  readonly #gone = (): void => {
    if (!this.writable) return;
    this.writable = false;
    this.#events.onKey({ name: 'ctrl-c', text: '' });
  };

  readonly #end = (): void => this.#painter.close();

  /** Whoever else listens decides; if nobody does, the process ends as it would have, on a restored terminal. */
  readonly #signalled = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    this.#painter.close();
    process.kill(process.pid, signal);
  };

  /** The whole group, as the terminal itself would. A group that no shell watches over is not stopped: it goes on soon. */
  #stop(): void {
    this.#painter.leave();
    this.raw(false);
    process.kill(0, 'SIGTSTP');
    this.#stopped = setTimeout(this.#continued, ESCAPE_MS);
  }

  /** The shell may have set the line in the meantime, whatever Node remembers of it. */
  readonly #continued = (): void => {
    clearTimeout(this.#stopped);
    this.raw(false);
    this.raw(true);
    this.#painter.enter();
  };
}
