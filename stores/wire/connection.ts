import { connect, type Socket } from 'node:net';
import type { CarriedRequest } from '../http-client.js';
import type { Exchange } from '../http-exchange.js';
import { type AnswerHead, readAnswerHead } from './answer-head.js';

/** A request in line, or under way. */
export interface Asked {
  readonly request: CarriedRequest;
  readonly exchange: Exchange;
  /** As latin1. */
  readonly head: string;
  readonly body: Uint8Array | null;
}

/** Who the connection belongs to. Each is told last of all: the connection may be given a new request right away. */
export interface Keeper {
  /** It has come about. */
  came(connection: Connection): void;
  /** It can take the next request. */
  free(connection: Connection): void;
  /** It is gone. */
  gone(connection: Connection): void;
  /** It never came about. */
  failed(connection: Connection, reason: Error): void;
  /** An answer as we expected it has begun. */
  usual(): void;
  /** The answer is not one to be read here. The connection is gone. */
  unusual(asked: Asked): void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** In ms. */
  readonly connectTimeoutMs: number;
}

/** A connection that was not used at once is not kept longer than one that was, of a server that says nothing about it. */
const UNUSED_KEEP_MS = 4_000;
/** A body up to this comes to lie in one piece, made in its size, of which the exchange gets views that adjoin. */
const ONE_PIECE_BYTES = 256 * 1024;

/**
 * All connections read into these bytes, which are copied before anything else is read: on Unix, libuv asks where to read to
 * when there is something to read, and tells of it at once.
 */
const incoming = Buffer.allocUnsafeSlow(64 * 1024);

/** A connection to one server: one request after another, each when the answer before it has come to its exact end. */
export class Connection {
  /** Not to be used later than this, by the steady clock, if it is free. */
  keepUntilMs = 0;
  readonly closed: Promise<void>;

  private readonly socket: Socket;
  private state: 'connecting' | 'open' | 'gone' = 'connecting';
  private asked: Asked | null = null;
  private written = false;
  /** What has come of a head that is not whole. */
  private beginning: Buffer | null = null;
  /** Once the head of the answer has come. */
  private answer: AnswerHead | null = null;
  private left = 0;
  /** Where the body comes to lie; null: too long for one. */
  private piece: Buffer | null = null;
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

  /** false: the exchange did not want to start any more, and the connection is as free as before. */
  ask(asked: Asked): boolean {
    this.asked = asked;
    this.written = false;
    asked.exchange.onRequestStart(this);
    if (this.asked === null) return false;
    this.written = true;
    const { socket } = this;
    if (asked.body === null) socket.write(asked.head, 'latin1');
    else {
      socket.cork();
      socket.write(asked.head, 'latin1');
      socket.write(asked.body);
      socket.uncork();
    }
    return true;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** The exchange wants no more. */
  abort(): void {
    if (this.written) this.end(null);
    else this.asked = null;
  }

  /** Whether it keeps the process alive. */
  refer(does: boolean): void {
    if (this.referred === does) return;
    this.referred = does;
    if (does) this.socket.ref();
    else this.socket.unref();
  }

  /** Ends it, and with the reason the exchange under way; null: there is none, or it knows. */
  end(reason: Error | null): void {
    const { state, asked } = this;
    if (state === 'gone') return;
    this.state = 'gone';
    this.asked = null;
    this.socket.destroy();
    if (reason !== null) asked?.exchange.onResponseError(this, reason);
    if (state === 'connecting') this.keeper.failed(this, reason ?? lost());
    else this.keeper.gone(this);
  }

  /** false: nothing more is to be read now. */
  private hear(count: number): boolean {
    const { asked } = this;
    if (asked === null || !this.written) {
      this.end(null);
      return false;
    }
    let [from, to, bytes] = [0, count, incoming];
    if (this.answer === null) {
      if (this.beginning !== null) {
        bytes = Buffer.concat([this.beginning, incoming.subarray(0, count)]);
        to = bytes.length;
      }
      const head = readAnswerHead(bytes, to, asked.request.method === 'HEAD');
      if (head === null) {
        this.beginning = Buffer.from(bytes.subarray(0, to));
        return true;
      }
      if (head === 'unusual') {
        this.end(null);
        this.keeper.unusual(asked);
        return false;
      }
      this.begin(asked, head);
      from = head.end;
    }
    const taken = Math.min(this.left, to - from);
    if (taken > 0) this.take(asked.exchange, bytes, from, taken);
    if (this.asked !== asked) return false;
    if (this.left === 0) this.finish(asked.exchange, from + taken === to);
    return this.state === 'open' && !this.socket.isPaused();
  }

  private begin({ exchange }: Asked, head: AnswerHead): void {
    this.beginning = null;
    this.answer = head;
    this.left = head.length;
    this.piece = head.length > ONE_PIECE_BYTES ? null : Buffer.allocUnsafeSlow(head.length);
    this.keeper.usual();
    exchange.onResponseStart(this, head.status, head.headers);
  }

  private take(exchange: Exchange, bytes: Buffer, from: number, count: number): void {
    const { piece } = this;
    this.left -= count;
    if (piece === null) exchange.onResponseData(this, Buffer.from(bytes.subarray(from, from + count)));
    else {
      const start = piece.length - this.left - count;
      bytes.copy(piece, start, from, from + count);
      exchange.onResponseData(this, count === piece.length ? piece : piece.subarray(start, start + count));
    }
  }

  /** The answer is there to its last byte; `nothingElse`: nor was there a byte after it. */
  private finish(exchange: Exchange, nothingElse: boolean): void {
    const keepMs = this.answer?.keepMs ?? 0;
    this.asked = null;
    this.answer = null;
    this.piece = null;
    // An answer to a request that is still being written: what is left of it must not be taken for the next.
    const stays = nothingElse && keepMs > 0 && this.socket.writableLength === 0;
    exchange.onResponseEnd();
    if (stays) {
      this.keepUntilMs = performance.now() + keepMs;
      this.keeper.free(this);
    } else this.end(null);
  }
}

function lost(): Error {
  return Object.assign(new Error('the server closed the connection'), { code: 'ECONNRESET' });
}

function timedOut(ms: number): Error {
  return Object.assign(new Error(`no connection within ${ms} ms`), { code: 'ETIMEDOUT' });
}
