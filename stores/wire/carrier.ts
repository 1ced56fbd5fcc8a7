import type { CarriedRequest, Carrier } from '../http-client.js';
import type { Exchange } from '../http-exchange.js';
import { type Address, type Asked, Connection, type Keeper } from './connection.js';
import { requestHead } from './request-head.js';

export interface WireOptions {
  /** Kept open at most. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** Who carries what is not plain; made when first needed. */
  readonly other: () => Carrier;
}

/** So much does an unusual answer weigh against usual ones, and at so much weight are no more awaited here. */
const UNUSUAL_WEIGHT = 16;
const WEIGHT_LIMIT = 8 * UNUSUAL_WEIGHT;
/** Idle connections are looked at this often, in ms. */
const LOOK_MS = 1_000;

/**
 * Carries plain requests over plain HTTP/1.1: GET, HEAD, PUT and DELETE with a body in memory, answered with a head in the
 * simplest grammar and a body of the length told. Whatever is not so goes the `other` way: a request as a whole, and a request
 * whose answer is unusual once more, over a connection that has nothing to do with this one. A server that answers so more
 * often than 1 in 17 times is left to the other for good.
 */
export function wireCarrier(origin: string, options: WireOptions): Carrier {
  const { connections: most, connectTimeoutMs } = options;
  const { host, hostname, port } = new URL(origin);
  const address: Address = {
    ...{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 80), connectTimeoutMs },
  };
  const open = new Set<Connection>();
  /** Those that have just come about or become free, and those at which was looked since: the last one is used first. */
  let fresh: Connection[] = [];
  const idle: Connection[] = [];
  const line: Asked[] = [];
  let connecting = 0;
  let weight = 0;
  let closed = false;
  let turning: NodeJS.Immediate | undefined;
  let looking: NodeJS.Timeout | undefined;
  let other: Carrier | undefined;

  const keeper: Keeper = {
    came(connection) {
      connecting -= 1;
      keeper.free(connection);
    },
    free(connection) {
      fresh.push(connection);
      turning ??= setImmediate(turn);
    },
    gone(connection) {
      open.delete(connection);
      for (const list of [fresh, idle])
        if (list.includes(connection)) list.splice(list.indexOf(connection), 1);
      widen();
      letGo();
    },
    failed(connection, reason) {
      connecting -= 1;
      let next = line.shift();
      while (next?.exchange.isOver === true) next = line.shift();
      next?.exchange.onResponseError(connection, reason);
      keeper.gone(connection);
    },
    usual() {
      if (weight > 0) weight -= 1;
    },
    unusual({ request, exchange }) {
      weight += UNUSUAL_WEIGHT;
      otherWay(request, exchange);
    },
  };

  /**
   * Gives requests to connections, after all that had come was read. One that became free meanwhile has to wait for the
   * next turn: what a server sends beyond its answer is seen by then, and never taken for the next one.
   */
  function turn(): void {
    turning = undefined;
    while (line.length > 0) {
      const connection = takeIdle();
      if (connection === undefined) break;
      connection.refer(true);
      let next = line.shift();
      while (next !== undefined && !connection.ask(next)) next = line.shift();
      if (next === undefined) idle.push(connection);
    }
    if (fresh.length > 0) {
      idle.push(...fresh);
      fresh = [];
      if (line.length > 0) turning = setImmediate(turn);
    }
    letGo();
    if (idle.length > 0) looking ??= setInterval(look, LOOK_MS).unref();
  }

  /** One more connection, if there is somebody to use it. */
  function widen(): void {
    if (closed || open.size >= most || connecting + idle.length + fresh.length >= line.length) return;
    connecting += 1;
    open.add(new Connection(address, keeper));
  }

  /** With no request under way, nothing of this keeps the process alive. */
  function letGo(): void {
    if (line.length === 0 && idle.length === open.size)
      for (const connection of idle) connection.refer(false);
  }

  function look(): void {
    const now = performance.now();
    for (const connection of [...idle]) if (connection.keepUntilMs <= now) connection.end(null);
    if (idle.length > 0) return;
    clearInterval(looking);
    looking = undefined;
  }

  function takeIdle(): Connection | undefined {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.keepUntilMs > performance.now()) return connection;
      connection.end(null);
    }
    return undefined;
  }

  function otherWay(request: CarriedRequest, exchange: Exchange): void {
    if (closed) exchange.onResponseError(null, new Error(CLOSED));
    else {
      other ??= options.other();
      other.carry(request, exchange);
    }
  }

  return {
    carry(request, exchange) {
      const body = bodyOf(request);
      const head =
        body === undefined || closed || weight >= WEIGHT_LIMIT
          ? null
          : requestHead(request, host, body?.length ?? 0);
      if (head === null || body === undefined) return otherWay(request, exchange);
      line.push({ request, exchange, head, body });
      widen();
      if (idle.length > 0) turning ??= setImmediate(turn);
    },
    async close() {
      closed = true;
      clearInterval(looking);
      clearImmediate(turning);
      const ending = [...open];
      for (const connection of ending) connection.end(new Error(CLOSED));
      for (const { exchange } of line.splice(0)) exchange.onResponseError(null, new Error(CLOSED));
      await Promise.all([...ending.map((connection) => connection.closed), other?.close()]);
    },
  };
}

const CLOSED = 'the client is closed';

/** null: none. undefined: it comes bit by bit. */
function bodyOf({ body }: CarriedRequest): Uint8Array | null | undefined {
  if (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)) return undefined;
  if (body === null || body.length === 0) return null;
  return typeof body === 'string' ? Buffer.from(body) : body;
}
