import { connect, type Socket } from 'node:net';
import { type AnswerHead, readAnswerHead } from './answer-head.js';
import type { Asked } from './asked.js';
import { write } from './outgoing.js';
import { roomFor } from './room.js';

/** Who the connection belongs to. Each is told last of all: the connection may be given a new request right away. */
export interface Keeper {
  /** It has come about. */
  came(connection: Connection): void;
  /** It has nothing under way any more, and can take the next request. */
  free(connection: Connection): void;
  /** It is gone. */
  gone(connection: Connection): void;
  /** It never came about. */
  failed(connection: Connection, reason: Error): void;
  /** An answer as we expected it has begun, so long after its request was written. */
  usual(asked: Asked, afterMs: number): void;
  /** The answer is not one to be read here. The connection is gone. */
  unusual(asked: Asked): void;
  /** These were written behind others, nothing of their answers has come, and nothing will: to be written once more. */
  gaveBack(asked: readonly Asked[]): void;
  /** Bytes came that nobody had asked for. */
  surplus(): void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** In ms. */
  readonly connectTimeoutMs: number;
}

/** A connection that was not used at once is not kept longer than one that was, of a server that says nothing about it. */
const UNUSED_KEEP_MS = 4_000;
/** A body up to this comes to lie in one piece, of which the exchange gets views that adjoin. */
const ONE_PIECE_BYTES = 256 * 1024;
/** What was written behind others waits so long in vain, in ms, before it is written elsewhere. */
const STALLED_MS = 1_000;

/**
 * All connections read into these bytes, which are copied before anything else is read: on Unix, libuv asks where to read to
 * when there is something to read, and tells of it at once.
 */
const incoming = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * A connection to one server, which takes requests while it is free: one, or several together. Their answers come in their order
 * (RFC 9112, 9.3.2), each read to its exact end; a byte that comes while none is awaited ends it. No two requests under way are
 * about one key in an order that matters: who asks awaits the one before the other.
 */
export class Connection {
  /** Not to be used later than this, by the steady clock, if it is free. */
  keepUntilMs = 0;
  readonly closed: Promise<void>;

  private readonly socket: Socket;
  private state: 'connecting' | 'open' | 'gone' = 'connecting';
  /** In the order of their answers. */
  private under: Asked[] = [];
  /** What has come of a head that is not whole. */
  private beginning: Buffer | null = null;
  /** To the first of `under`, once its head has come. */
  private answer: AnswerHead | null = null;
  private left = 0;
  /** Where the body comes to lie; null: too long for one. */
  private piece: Buffer | null = null;
  /** When something was last heard, by the steady clock. */
  private heardMs = 0;
  /** It is over with the answer under way. */
  private isLast = false;
  private referred = true;

  constructor(
    { host, port, connectTimeoutMs }: Address,
    private readonly keeper: Keeper,
  ) {
    const socket = connect({
      ...{ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
      onread: { buffer: incoming, callback: (count) => this.hear(count) },
    });
    this.socket = socket;
    const patience = setTimeout(() => this.end(timedOut(connectTimeoutMs)), connectTimeoutMs);
    socket.once('connect', () => {
      clearTimeout(patience);
      this.state = 'open';
      this.keepUntilMs = performance.now() + UNUSED_KEEP_MS;
      keeper.came(this);
    });
    socket.on('error', (error) => this.end(error));
    socket.on('end', () => this.end(lost()));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        clearTimeout(patience);
        this.end(lost());
        resolve();
      });
    });
  }

  /** As many requests as are under way. */
  get depth(): number {
    return this.under.length;
  }

  /** To be written with the next `flush`. false: the exchange did not want to start any more, and nothing has changed. */
  ask(asked: Asked, nowMs: number): boolean {
    asked.exchange.onRequestStart(asked);
    if (asked.exchange.isOver) return false;
    asked.connection = this;
    asked.writtenMs = nowMs;
    asked.behind = this.under.length > 0;
    if (!asked.behind) this.heardMs = nowMs;
    this.under.push(asked);
    return true;
  }

  /** Writes what was asked. */
  flush(): void {
    if (this.state === 'open') write(this.socket, this.under);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Nobody waits for its answer any more: it is passed over when it comes, if anybody waits for one here. */
  drop(asked: Asked): void {
    if (this.state === 'gone' || !this.under.includes(asked)) return;
    if (this.under.every(({ exchange }) => exchange.isOver)) this.end(null);
  }

  /** Whether it keeps the process alive. */
  refer(does: boolean): void {
    if (this.referred === does) return;
    this.referred = does;
    if (does) this.socket.ref();
    else this.socket.unref();
  }

  /** Lets go of what waits in vain behind another. */
  look(nowMs: number): void {
    const [first] = this.under;
    if (first === undefined || nowMs - this.heardMs < STALLED_MS) return;
    if (first.behind && !this.hasBegun()) this.end(lost());
    else if (this.under.length > 1) this.giveBackBehind();
  }

  /**
   * Ends it, and with the reason the first request under way; null: there is none, or it knows. One that was written behind
   * others and has heard nothing yet may have been lost for their sake, and is given back like all that are behind it.
   */
  end(reason: Error | null): void {
    const { state, under } = this;
    if (state === 'gone') return;
    const [first] = under;
    const isLost = first !== undefined && (this.hasBegun() || !first.behind);
    this.state = 'gone';
    this.under = [];
    if (under.length > 1) this.socket.resetAndDestroy();
    else this.socket.destroy();
    if (isLost && reason !== null) first.exchange.onResponseError(first, reason);
    this.giveBack(isLost ? under.slice(1) : under);
    if (state === 'connecting') this.keeper.failed(this, reason ?? lost());
    else this.keeper.gone(this);
  }

  private hasBegun(): boolean {
    return this.answer !== null || this.beginning !== null;
  }

  private giveBack(behind: readonly Asked[]): void {
    for (const asked of behind) asked.connection = null;
    const wanted = behind.filter(({ exchange }) => !exchange.isOver);
    if (wanted.length > 0) this.keeper.gaveBack(wanted);
  }

  /** The first one goes on by itself. */
  private giveBackBehind(): void {
    this.isLast = true;
    this.giveBack(this.under.splice(1));
    if (this.under[0]?.exchange.isOver === true) this.end(null);
  }

  /** false: nothing more is to be read now. */
  private hear(count: number): boolean {
    const nowMs = performance.now();
    this.heardMs = nowMs;
    let [at, to, bytes] = [0, count, incoming];
    if (this.beginning !== null) {
      bytes = Buffer.concat([this.beginning, incoming.subarray(0, count)]);
      to = bytes.length;
      this.beginning = null;
    }
    while (at < to && this.state === 'open') {
      const asked = this.under[0];
      if (asked === undefined) {
        this.keeper.surplus();
        this.end(null);
        break;
      }
      if (this.answer === null) {
        const head = readAnswerHead(bytes, at, to, asked.isHead);
        if (head === null) {
          this.beginning = Buffer.from(bytes.subarray(at, to));
          break;
        }
        // It may be about how they were written together, not about this one.
        if (head !== 'unusual' && asked.behind && head.status >= 400 && head.keepMs === 0) {
          this.end(lost());
          break;
        }
        if (head === 'unusual') {
          this.under.shift();
          this.end(null);
          this.keeper.unusual(asked);
          break;
        }
        at = head.end;
        this.begin(asked, head, nowMs);
      }
      const taken = Math.min(this.left, to - at);
      if (taken > 0) this.take(asked, bytes, at, taken);
      at += taken;
      if (this.left === 0 && this.under[0] === asked) this.finish(asked, at < to, nowMs);
    }
    return this.state === 'open' && !this.socket.isPaused();
  }

  private begin(asked: Asked, head: AnswerHead, nowMs: number): void {
    const isLong = head.length > ONE_PIECE_BYTES;
    this.answer = head;
    this.left = head.length;
    this.piece = isLong ? null : roomFor(head.length);
    this.keeper.usual(asked, nowMs - asked.writtenMs);
    if (!asked.exchange.isOver) asked.exchange.onResponseStart(asked, head.status, () => head.headers());
    if (isLong && this.under.length > 1) this.giveBackBehind();
  }

  private take(asked: Asked, bytes: Buffer, from: number, count: number): void {
    const { piece } = this;
    const { exchange } = asked;
    this.left -= count;
    if (exchange.isOver) return;
    if (piece === null) exchange.onResponseData(asked, Buffer.from(bytes.subarray(from, from + count)));
    else {
      const start = piece.length - this.left - count;
      bytes.copy(piece, start, from, from + count);
      exchange.onResponseData(asked, count === piece.length ? piece : piece.subarray(start, start + count));
    }
  }

  /** The answer is there to its last byte; `more`: and bytes after it. */
  private finish(asked: Asked, more: boolean, nowMs: number): void {
    const keepMs = this.answer?.keepMs ?? 0;
    this.under.shift();
    this.answer = null;
    this.piece = null;
    asked.connection = null;
    const isFree = this.under.length === 0;
    // An answer to a request that is still being written: what is left of it must not be taken for the next.
    const isSpoilt = isFree && (more || this.socket.writableLength > 0);
    if (isFree && more && !this.isLast) this.keeper.surplus();
    if (!asked.exchange.isOver) asked.exchange.onResponseEnd();
    if (this.isLast || isSpoilt || keepMs === 0) this.end(null);
    else if (isFree) {
      this.keepUntilMs = nowMs + keepMs;
      this.keeper.free(this);
    } else if (this.under.every(({ exchange }) => exchange.isOver)) this.end(null);
  }
}

function lost(): Error {
  return Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' });
}

function timedOut(ms: number): Error {
  return Object.assign(new Error(`no connection within ${ms} ms`), { code: 'ETIMEDOUT' });
}
