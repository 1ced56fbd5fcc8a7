import {
  Agent,
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request as requestOver,
  type ServerResponse,
} from 'node:http';
import { Duplex, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What can happen to one exchange between a store and us. Byte counts are of a body. */
export type Fault =
  /** Hands the request on after this time. */
  | { readonly kind: 'delay'; readonly ms: number }
  /**
   * Resets the connection: before the server hears of it, while it hears the request's body, after it has done what
   * was asked, or in the middle of its answer's body.
   */
  | { readonly kind: 'reset'; readonly when: 'at-once' | 'answered' }
  | { readonly kind: 'reset'; readonly when: 'sending' | 'receiving'; readonly after: number }
  /** Ends the answer's body early: by closing, or under a Content-Length that fits what is sent. */
  | { readonly kind: 'truncate'; readonly after: number; readonly length: 'true' | 'fitting' }
  /** Flips one bit of this byte. */
  | { readonly kind: 'corrupt'; readonly of: 'request' | 'answer'; readonly at: number }
  | { readonly kind: 'throttle'; readonly of: 'request' | 'answer'; readonly bytesPerSecond: number }
  /** Answers itself, without asking the server. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Accepts and never answers; or answers, and stops in the middle of the body. */
  | { readonly kind: 'hang'; readonly after: 'nothing' | number }
  /** Never reads the request's body. */
  | { readonly kind: 'deaf' };

/** Which requests a fault befalls; whatever is absent matches all. */
export interface FaultRule {
  readonly fault: Fault;
  readonly method?: string;
  /** Matched against path and query as they were sent. */
  readonly path?: RegExp;
  /** Of the requests that match: the one of this number (from 1), the first so many, each so-manieth. */
  readonly nth?: number;
  readonly first?: number;
  readonly every?: number;
  /** Of the requests that match: this share, drawn by the proxy's seed. */
  readonly share?: number;
}

export interface FaultProxy {
  readonly url: string;
  readonly port: number;
  /** Rules are asked in the order they were added; the first that strikes decides. */
  add(rule: FaultRule): void;
  /** Takes all rules away, and breaks off what still hangs by them. */
  clear(): void;
  /** Requests that came since the last `clear`. */
  readonly requests: number;
  /** Requests struck since the last `clear`. */
  readonly struck: number;
  close(): Promise<void>;
}

export interface FaultProxyOptions {
  readonly seed?: number;
  /** Instead of the Host header the client sent (which signatures are made over). */
  readonly host?: string;
}

/** Stands in front of a server (`http://127.0.0.1:port`) and hands every exchange on as it came, but for its rules. */
export async function startFaultProxy(target: string, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const { hostname, port: targetPort } = new URL(target);
  // A connection of its own for each: an idle one that the server closes would be a fault nobody asked for.
  const agent = new Agent();
  const random = seededRandom(options.seed ?? 1);
  let rules: { readonly rule: FaultRule; matched: number }[] = [];
  let requests = 0;
  let struck = 0;
  const hanging = new Set<IncomingMessage>();

  function faultFor(request: IncomingMessage): Fault | null {
    for (const entry of rules) {
      const { method, path, nth, first, every, share, fault } = entry.rule;
      if (method !== undefined && method !== request.method) continue;
      if (path !== undefined && !path.test(request.url ?? '')) continue;
      const number = ++entry.matched;
      if (nth !== undefined && number !== nth) continue;
      if (first !== undefined && number > first) continue;
      if (every !== undefined && number % every !== 0) continue;
      if (share !== undefined && random() >= share) continue;
      struck++;
      return fault;
    }
    return null;
  }

  async function exchange(request: IncomingMessage, response: ServerResponse, fault: Fault | null) {
    response.sendDate = false;
    if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    if (fault?.kind === 'deaf') return void hanging.add(request.pause());
    if (fault?.kind === 'hang' && fault.after === 'nothing') {
      hanging.add(request.resume());
      return;
    }
    if (fault?.kind === 'reset' && fault.when === 'at-once') return void request.socket.resetAndDestroy();
    if (fault?.kind === 'answer') return answerItself(request, response, fault);
    const answer = await ask(request, fault);
    if (fault?.kind === 'reset' && fault.when === 'answered') {
      answer.resume();
      return void request.socket.resetAndDestroy();
    }
    await handOn(request, answer, response, fault);
  }

  function ask(request: IncomingMessage, fault: Fault | null): Promise<IncomingMessage> {
    const headers = [...request.rawHeaders];
    const host = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
    if (options.host !== undefined && host >= 0) headers[host + 1] = options.host;
    // Node would send chunks, of which there are none: nginx takes no MKCOL with a body.
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
    if (length === undefined && coding === undefined && !['GET', 'HEAD'].includes(request.method ?? ''))
      headers.push('content-length', '0');
    return new Promise((resolve, reject) => {
      const asked = requestOver(
        {
          ...{ agent, hostname, port: targetPort, method: request.method, path: request.url },
          // Names, order and capitals as they came.
          headers: headers as unknown as NonNullable<RequestOptions['headers']>,
        },
        resolve,
      );
      const stages = [request, ...sendingThrough(request, fault), asked];
      // The answer may come, and end, before the whole request was read.
      pipeline(stages as [IncomingMessage, typeof asked]).catch(reject);
    });
  }

  async function handOn(
    request: IncomingMessage,
    answer: IncomingMessage,
    response: ServerResponse,
    fault: Fault | null,
  ): Promise<void> {
    const headers = [...answer.rawHeaders];
    if (fault?.kind === 'truncate' && fault.length === 'fitting')
      for (let i = 0; i < headers.length; i += 2)
        if (headers[i]?.toLowerCase() === 'content-length')
          headers[i + 1] = String(Math.min(fault.after, Number(headers[i + 1])));
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', headers);
    const stages = [answer, ...receivingThrough(request, response, fault), response];
    await pipeline(stages as [IncomingMessage, ServerResponse]);
  }

  function receivingThrough(
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | null,
  ): Duplex[] {
    if (fault?.kind === 'corrupt' && fault.of === 'answer') return [corrupting(fault.at)];
    if (fault?.kind === 'throttle' && fault.of === 'answer') return [throttling(fault.bytesPerSecond)];
    const stop = (after: number, how: () => void): Transform[] => [stoppingAfter(after, how)];
    if (fault?.kind === 'truncate')
      return stop(fault.after, () => void (fault.length === 'true' ? request.socket.end() : response.end()));
    if (fault?.kind === 'reset' && fault.when === 'receiving')
      return stop(fault.after, () => request.socket.resetAndDestroy());
    if (fault?.kind === 'hang' && fault.after !== 'nothing')
      return stop(fault.after, () => void hanging.add(request));
    return [];
  }

  const server = createServer((request, response) => {
    requests++;
    exchange(request, response, faultFor(request)).catch(() => request.socket.destroy());
  });
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // It ends with its opener, and does not keep that one from ending.
  server.unref();
  const { port } = server.address() as { port: number };

  const clear = (): void => {
    rules = [];
    requests = 0;
    struck = 0;
    for (const request of hanging) request.socket.destroy();
    hanging.clear();
  };

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    add: (rule) => void rules.push({ rule, matched: 0 }),
    clear,
    get requests() {
      return requests;
    },
    get struck() {
      return struck;
    },
    async close() {
      clear();
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** 429 or 503, with Retry-After as seconds, or as a date by the answer's own clock. */
export function busy(status: 429 | 503, seconds: number, as: 'seconds' | 'date' = 'seconds'): Fault {
  const now = Date.UTC(2020, 0, 1);
  const date = (time: number): string => new Date(time).toUTCString();
  const headers =
    as === 'seconds'
      ? { 'retry-after': String(seconds) }
      : { date: date(now), 'retry-after': date(now + seconds * 1000) };
  return { kind: 'answer', status, headers, body: 'busy' };
}

/** What stands where a store should, and answers everything with its own page. */
export const HTML: Fault = {
  ...{ kind: 'answer', status: 200, headers: { 'content-type': 'text/html' } },
  body: '<!doctype html><html><head><title>Welcome</title></head><body>Please log in.</body></html>',
};

function sendingThrough(request: IncomingMessage, fault: Fault | null): Duplex[] {
  if (fault?.kind === 'corrupt' && fault.of === 'request') return [corrupting(fault.at)];
  if (fault?.kind === 'throttle' && fault.of === 'request') return [throttling(fault.bytesPerSecond)];
  if (fault?.kind === 'reset' && fault.when === 'sending')
    return [stoppingAfter(fault.after, () => request.socket.resetAndDestroy())];
  return [];
}

/** The request is read first: a client that still sends would take the end for a lost connection. */
async function answerItself(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers = {}, body = '' }: Fault & { kind: 'answer' },
): Promise<void> {
  for await (const _ of request);
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Passes so many bytes, then does the one thing and swallows the rest without ending. */
function stoppingAfter(count: number, stop: () => void): Transform {
  let left = count;
  let stopped = false;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (stopped) return done();
      this.push(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return done();
      stopped = true;
      // What was passed is on its way before the end is.
      setImmediate(stop);
      done();
    },
    flush(done) {
      if (!stopped) done();
    },
  });
}

function corrupting(at: number): Transform {
  let position = 0;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      const index = at - position;
      position += chunk.length;
      if (index < 0 || index >= chunk.length) return done(null, chunk);
      const damaged = Buffer.from(chunk);
      damaged[index]! ^= 1;
      done(null, damaged);
    },
  });
}

function throttling(bytesPerSecond: number): Duplex {
  const SLICES = 20;
  const slice = Math.max(1, Math.floor(bytesPerSecond / SLICES));
  async function* slowed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks)
      for (let at = 0; at < chunk.length; at += slice) {
        await new Promise((resolve) => setTimeout(resolve, 1000 / SLICES));
        yield chunk.subarray(at, at + slice);
      }
  }
  return Duplex.from(slowed);
}

/** A linear congruential generator: numbers in [0, 1), the same for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
