import type { CarriedRequest, Carrier } from '../http-client.js';
import type { Exchange } from '../http-exchange.js';
import { Asked } from './asked.js';
import { type Address, Connection, type Keeper } from './connection.js';
import { Nearness } from './nearness.js';
import { RequestHeads } from './request-head.js';

export interface WireOptions {
  /** Kept open at most. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** Who carries what is not plain; made when first needed. */
  readonly other: () => Carrier;
}

/** So much does an unusual answer weigh against usual ones to the same method, and at so much weight are no more awaited here. */
const UNUSUAL_WEIGHT = 16;
const WEIGHT_LIMIT = 8 * UNUSUAL_WEIGHT;
/** Connections are looked at this often, in ms. */
const LOOK_MS = 1_000;
/**
 * As many requests share a connection to a server that is near, at most. Twice as many spare a worker 3 to 8 % of its CPU time;
 * but the more there are, the more wait behind one that is slow, and the fewer connections a server can deal out to its processes.
 */
const DEPTH = 16;
/** A request with a longer body shares no connection. */
const SHARED_BODY_BYTES = 256 * 1024;

/**
 * Carries plain requests over plain HTTP/1.1: GET, HEAD, PUT, DELETE, MKCOL and PROPFIND with a body in memory, answered with
 * a head in the simplest grammar and a body of the length told. Whatever is not so goes the `other` way: a request as a whole, and
 * a request whose answer is unusual once more, over a connection that has nothing to do with this one. A method to which the
 * server answers so more often than 1 in 17 times is left to the other for good.
 *
 * As many requests are under way as there may be connections. To a server that is near, small ones share a sixteenth as many,
 * evenly. Those that share one are written together, and the next ones when all their answers have come: a server that drops
 * what comes behind a request then leaves answers out, but never answers another request than we take it for. Whatever comes
 * of one, those behind it are written once more elsewhere if nothing of their answers has come, which for these methods changes
 * nothing (RFC 9110, 9.2.2; RFC 4918, 9.1 and 9.3).
 */
export function wireCarrier(origin: string, options: WireOptions): Carrier {
  const { connections: most, connectTimeoutMs } = options;
  const fewest = Math.ceil(most / DEPTH);
  const { host, hostname, port } = new URL(origin);
  const address: Address = {
    ...{ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || 80), connectTimeoutMs },
  };
  const open = new Set<Connection>();
  /** Those that have just come about or become free, and those at which was looked since: the last one is used first. */
  let fresh: Connection[] = [];
  const idle: Connection[] = [];
  const line: Asked[] = [];
  const nearness = new Nearness();
  const heads = new RequestHeads(host);
  let connecting = 0;
  /** By method. */
  const weights = new Map<string, number>();
  let closed = false;
  let turning: NodeJS.Immediate | undefined;
  let looking: NodeJS.Timeout | undefined;
  let other: Carrier | undefined;

  const keeper: Keeper = {
    came(connection) {
      connecting -= 1;
      looking ??= setInterval(look, LOOK_MS).unref();
      keeper.free(connection);
    },
    free(connection) {
      fresh.push(connection);
      soon();
    },
    gone(connection) {
      open.delete(connection);
      for (const list of [fresh, idle])
        if (list.includes(connection)) list.splice(list.indexOf(connection), 1);
      if (line.length > 0) soon();
      widen();
      letGo();
    },
    failed(connection, reason) {
      connecting -= 1;
      let next = line.shift();
      while (next?.exchange.isOver === true) next = line.shift();
      next?.exchange.onResponseError(null, reason);
      keeper.gone(connection);
    },
    usual({ request: { method }, isHead, behind }, afterMs) {
      const weight = weights.get(method);
      if (weight !== undefined && weight > 0) weights.set(method, weight - 1);
      nearness.answered(isHead, afterMs, behind);
      if (line.length > 0) soon();
    },
    unusual({ request, exchange }) {
      weights.set(request.method, (weights.get(request.method) ?? 0) + UNUSUAL_WEIGHT);
      otherWay(request, exchange);
    },
    gaveBack(asked) {
      nearness.wasted(asked.length);
      line.unshift(...asked);
      soon();
    },
    surplus: () => nearness.distrust(),
  };

  function soon(): void {
    turning ??= setImmediate(turn);
  }

  const shares = ({ alone, isHead }: Asked): boolean => !alone && nearness.allows(isHead);

  /**
   * Gives requests to connections, after all that had come was read. One that became free meanwhile has to wait for the
   * next turn: what a server sends beyond its answer is seen by then, and never taken for the next one.
   */
  function turn(): void {
    turning = undefined;
    if (line.length > 0) give();
    if (fresh.length > 0) {
      idle.push(...fresh);
      fresh = [];
      if (line.length > 0) soon();
    }
    letGo();
  }

  function give(): void {
    const nowMs = performance.now();
    let under = 0;
    for (const { depth } of open) under += depth;
    const even = Math.min(DEPTH, Math.ceil((under + line.length) / fewest));
    while (line.length > 0 && under < most) {
      const connection = takeIdle(nowMs);
      if (connection === undefined) break;
      connection.refer(true);
      fill(connection, Math.min(even, most - under), nowMs);
      under += connection.depth;
      if (connection.depth > 0) connection.flush();
      else idle.push(connection);
    }
    widen();
  }

  /** One request, or several that may share it. */
  function fill(connection: Connection, count: number, nowMs: number): void {
    let first: Asked | undefined;
    for (let next = line[0]; next !== undefined; next = line[0]) {
      if (first !== undefined) {
        if (connection.depth >= count || !shares(first) || !shares(next)) return;
        if (next.writes !== first.writes) return;
      }
      line.shift();
      if (connection.ask(next, nowMs)) first ??= next;
    }
  }

  /** One more connection, if there is somebody to use it. */
  function widen(): void {
    const [first] = line;
    if (closed || first === undefined || open.size >= (shares(first) ? fewest : most)) return;
    if (connecting + idle.length + fresh.length >= line.length) return;
    connecting += 1;
    open.add(new Connection(address, keeper));
  }

  /** With no request under way, nothing of this keeps the process alive. */
  function letGo(): void {
    if (line.length === 0 && idle.length === open.size)
      for (const connection of idle) connection.refer(false);
  }

  function look(): void {
    const nowMs = performance.now();
    for (const connection of [...idle]) if (connection.keepUntilMs <= nowMs) connection.end(null);
    for (const connection of [...open]) connection.look(nowMs);
    if (open.size > 0) return;
    clearInterval(looking);
    looking = undefined;
  }

  function takeIdle(nowMs: number): Connection | undefined {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.keepUntilMs > nowMs) return connection;
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
      const isLeft = closed || (weights.get(request.method) ?? 0) >= WEIGHT_LIMIT;
      const head = body === undefined || isLeft ? null : heads.of(request, body?.length ?? 0);
      if (head === null || body === undefined) return otherWay(request, exchange);
      const alone = request.streams || (body !== null && body.length > SHARED_BODY_BYTES);
      line.push(new Asked(request, exchange, head, body, alone));
      widen();
      if (open.size > connecting) soon();
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
