import type { CarriedRequest } from '../http-client.js';
import type { Exchange } from '../http-exchange.js';
import type { Connection } from './connection.js';

const READS: readonly string[] = ['GET', 'HEAD', 'PROPFIND'];

/** A request in line or under way, and what its exchange can do with it. */
export class Asked {
  readonly isHead: boolean;
  readonly writes: boolean;
  /** Where it was written to. */
  connection: Connection | null = null;
  /** By the steady clock. */
  writtenMs = 0;
  /** Others were under way when it was written. */
  behind = false;

  constructor(
    readonly request: CarriedRequest,
    readonly exchange: Exchange,
    /** As latin1. */
    readonly head: string,
    readonly body: Uint8Array | null,
    /** It may not share its connection. */
    readonly alone: boolean,
  ) {
    const { method } = request;
    this.isHead = method === 'HEAD';
    this.writes = !READS.includes(method);
  }

  pause(): void {
    this.connection?.pause();
  }

  resume(): void {
    this.connection?.resume();
  }

  /** The exchange wants no more. */
  abort(): void {
    this.connection?.drop(this);
  }
}
