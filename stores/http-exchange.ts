import type { IncomingHttpHeaders } from 'node:http';
import { aborted, ConvoyError, transient } from '../runtime/errors.js';
import type { Place } from './bag.js';
import type { Deadlines, Due } from './http-deadlines.js';
import { connectionError } from './http-errors.js';
import { type Abortable, type Watch, watchOf } from './http-signals.js';

/** What the connection lets us do with an answer under way. */
interface Connection {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

type Told = IncomingHttpHeaders | (() => IncomingHttpHeaders);

/** A body this large, coming or going, has its time-out anew with each further MiB. */
const STEP_BYTES = 1024 ** 2;
/** So much of a streamed body is kept before the server has to wait. */
const BUFFER_BYTES = 256 * 1024;

/**
 * One request and its answer, as the connection tells of them. It fails once: by the connection, by the caller's
 * signal or by the time-out, also while it still waits for a connection. It is over when the answer has come whole,
 * when it has failed, or when nobody wants the rest (`discard`).
 */
export class Exchange {
  status = 0;
  /** Resolves when status and headers are there. */
  readonly head: Promise<void>;
  /** By the steady clock; none while nothing is awaited of the server. */
  dueMs = Number.POSITIVE_INFINITY;

  private told: Told = {};
  private readonly watch: Watch | undefined;
  /** While it is under way. */
  private due: Place<Due> | undefined;
  private watched: Place<Abortable> | undefined;
  private connection: Connection | undefined;
  private chunks: Buffer[] = [];
  private kept = 0;
  private sinceStep = 0;
  private paused = false;
  private whole = false;
  private over = false;
  private failure: ConvoyError | undefined;
  private wake: (() => void) | undefined;
  private headCame!: () => void;
  private headFailed!: (error: Error) => void;

  constructor(
    private readonly what: string,
    private readonly timeoutMs: number,
    signal: AbortSignal | undefined,
    private readonly deadlines: Deadlines,
  ) {
    this.head = new Promise((resolve, reject) => {
      this.headCame = resolve;
      this.headFailed = reject;
    });
    this.watch = signal === undefined ? undefined : watchOf(signal);
    if (this.watch?.hasFired()) {
      this.giveUp();
      return;
    }
    this.restart();
    this.due = deadlines.add(this);
    this.watched = this.watch?.join(this);
  }

  /** Of the answer, once its head is there. */
  get headers(): IncomingHttpHeaders {
    if (typeof this.told === 'function') this.told = this.told();
    return this.told;
  }

  get isOver(): boolean {
    return this.over;
  }

  get failed(): boolean {
    return this.failure !== undefined;
  }

  onRequestStart(connection: Connection): void {
    this.connection = connection;
    if (this.over) {
      this.connection = undefined;
      connection.abort(this.failure ?? new Error('nobody waits any more'));
    } else this.insist();
  }

  /** `headers`: or how to read them, if somebody wants to know. */
  onResponseStart(_: Connection, status: number, headers: Told): void {
    if (status < 200) return;
    this.status = status;
    this.told = headers;
    this.headCame();
  }

  onResponseData(connection: Connection, chunk: Buffer): void {
    this.chunks.push(chunk);
    this.kept += chunk.length;
    if (this.whole) this.moved(chunk.length);
    else if (this.kept > BUFFER_BYTES) {
      this.paused = true;
      connection.pause();
    }
    this.wake?.();
  }

  onResponseEnd(): void {
    this.whole = true;
    this.end();
  }

  onResponseError(_: Connection | null, error: Error): void {
    this.fail(error instanceof ConvoyError ? error : connectionError(this.what, error));
  }

  /** The whole body, at once if it is there; null as soon as it is over `limit` bytes, which ends the exchange. */
  bytes(limit: number): Promise<Buffer | null> | Buffer | null {
    return this.over ? this.upTo(limit) : this.gathered(limit).then(() => this.upTo(limit));
  }

  /** What came of the body up to about `limit` bytes, which ends the exchange; nothing, if it broke off. */
  async beginning(limit: number): Promise<Buffer> {
    await this.gathered(limit);
    if (this.failure?.kind === 'aborted') throw this.failure;
    const start = this.taken();
    this.discard();
    return start;
  }

  /** The body as it comes; the time-out runs while a chunk is waited for, and up to the first `next`. */
  async *stream(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunk = this.chunks.shift();
        if (chunk === undefined) {
          if (this.failure !== undefined) throw this.failure;
          if (this.over) return;
          this.restart();
          this.flow();
          await this.change();
        } else {
          this.dueMs = Number.POSITIVE_INFINITY;
          this.kept -= chunk.length;
          yield chunk;
        }
      }
    } finally {
      this.discard();
    }
  }

  /**
   * A body of `size` bytes to be sent, chunk after chunk: the time-out runs while the server takes one, not while we
   * wait for it. The last chunk goes when it is known that none follows, as a whole body is a written object.
   */
  async *sent(body: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
    const otherLength = (count: string) =>
      transient(`${this.what}: ${count} of the ${size} bytes to be sent came`, { code: 'truncated' });
    this.dueMs = Number.POSITIVE_INFINITY;
    let held: Uint8Array | undefined;
    let count = 0;
    for await (const chunk of body) {
      count += chunk.length;
      if (count > size) throw otherLength('more than all');
      if (held !== undefined) {
        this.restart();
        yield held;
        this.dueMs = Number.POSITIVE_INFINITY;
      }
      held = chunk;
    }
    if (count < size) throw otherLength(String(count));
    this.restart();
    if (held !== undefined) yield held;
    this.restart();
  }

  /** A large body to be sent, in steps of which each has the time-out. */
  async *sentInSteps(body: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.length; at += STEP_BYTES) {
      this.restart();
      yield body.subarray(at, at + STEP_BYTES);
    }
    this.restart();
  }

  /** Ends the exchange where it stands; a connection with more to come is closed. */
  discard(): void {
    this.chunks = [];
    if (!this.over) this.end()?.abort(new Error('nobody wants the rest'));
  }

  private insist(): void {
    try {
      this.watch?.insist();
    } catch (error) {
      this.onResponseError(null, error as Error);
    }
  }

  private async gathered(limit: number): Promise<void> {
    this.whole = true;
    this.flow();
    while (!this.over && this.kept <= limit) await this.change();
  }

  private upTo(limit: number): Buffer | null {
    if (this.failure !== undefined) throw this.failure;
    if (this.kept <= limit) return this.taken();
    this.discard();
    return null;
  }

  private taken(): Buffer {
    const { chunks } = this;
    this.chunks = [];
    return joined(chunks, this.kept);
  }

  private fail(failure: ConvoyError): void {
    if (this.over) return;
    this.failure = failure;
    this.chunks = [];
    this.headFailed(failure);
    this.end()?.abort(failure);
  }

  /** Lets go of the connection, which may serve another exchange from now on. */
  private end(): Connection | undefined {
    const { connection } = this;
    this.connection = undefined;
    this.over = true;
    this.unwatch();
    this.wake?.();
    return connection;
  }

  private unwatch(): void {
    if (this.due !== undefined) this.deadlines.delete(this.due);
    if (this.watched !== undefined) this.watch?.leave(this.watched);
    this.due = undefined;
    this.watched = undefined;
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private flow(): void {
    if (!this.paused) return;
    this.paused = false;
    this.connection?.resume();
  }

  private moved(count: number): void {
    this.sinceStep += count;
    if (this.sinceStep < STEP_BYTES) return;
    this.sinceStep = 0;
    this.restart();
  }

  private restart(): void {
    this.dueMs = performance.now() + this.timeoutMs;
    if (this.due !== undefined) this.deadlines.by(this.dueMs);
  }

  expire(): void {
    this.fail(transient(`${this.what}: no whole answer within ${this.timeoutMs} ms`, { code: 'timeout' }));
  }

  giveUp(): void {
    this.fail(aborted(`${this.what}: given up`));
  }
}

/** Without copying, if they lie side by side already: the wire puts a body into one piece. */
function joined(chunks: readonly Buffer[], size: number): Buffer {
  const [first] = chunks;
  if (first === undefined || first.length === size) return first ?? Buffer.alloc(0);
  let end = first.byteOffset;
  for (const chunk of chunks) {
    if (chunk.buffer !== first.buffer || chunk.byteOffset !== end) return Buffer.concat(chunks);
    end += chunk.length;
  }
  return Buffer.from(first.buffer, first.byteOffset, size);
}
