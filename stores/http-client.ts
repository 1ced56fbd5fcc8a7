import { type ConvoyError, type ErrorKind, permanent } from '../runtime/errors.js';
import { Deadlines } from './http-deadlines.js';
import { statusError } from './http-errors.js';
import { Exchange } from './http-exchange.js';
import type { HeldHeader, ObjectInfo, ObjectProperties, StoreErrorCode } from './store.js';
import { HELD_HEADERS } from './store.js';
import { wireCarrier } from './wire/carrier.js';

/**
 * One server, asked over HTTP/1.1: what all stores share that speak it themselves. No redirect is followed, no body is decoded,
 * and no request lasts longer than its time-out (a streamed body: from one chunk to the next).
 */
export interface HttpClient {
  /** Ends with `use`, which must have taken or discarded the body; its time counts too. */
  send<T>(request: HttpRequest, use: (answer: HttpAnswer) => Promise<T> | T): Promise<T>;
  /** Resolves with the head of the answer; the body is read later, at the caller's pace. */
  stream(request: HttpRequest): Promise<HttpAnswer & { readonly body: AsyncIterable<Uint8Array> }>;
  close(): Promise<void>;
}

export interface HttpRequest {
  readonly method: string;
  /** Encoded, from `/` on, with the query if there is one. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream needs a `content-length` among the headers. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** For messages: `PUT swift://container/key`. Holds no secret. */
  readonly what: string;
  /** The statuses that `use` gets to see, or a test for them; without it 200 alone. Every other is an error. */
  readonly accept?: readonly number[] | ((answer: HttpAnswer) => boolean);
  /** Instead of the client's own, for what takes its time: a copy within the store, a large part. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | null;
  /** All headers whose name starts with the prefix, by the rest of the name. */
  headersFrom(prefix: string): Record<string, string>;
  /** Content-Length; null where the server did not tell. */
  readonly length: number | null;
  /** The whole body, of the promised length; `tooLarge` beyond `limit` bytes. */
  bytes(limit: number): Promise<Uint8Array>;
  /** Ends the answer without reading it. */
  discard(): void;
}

/** What a status means to a kind of store, beyond what it means in HTTP. */
export interface StatusMeaning {
  readonly kind?: ErrorKind;
  readonly code?: StoreErrorCode | 'throttled' | 'server-error' | 'token-expired';
  /** Follows `HTTP 403` in the message. Holds no secret. */
  readonly detail?: string;
}
/** `body` is the beginning of the answer's body as text, '' for HEAD. */
export type ExplainStatus = (answer: HttpAnswer, body: string, request: HttpRequest) => StatusMeaning;

export interface HttpClientOptions {
  /** Connections kept open at most. */
  readonly connections?: number;
  /** How long one request may take in all, and again for each MiB of its bodies; a stream without a chunk. In ms. */
  readonly timeoutMs?: number;
  readonly explain?: ExplainStatus;
  /** PEM: the authorities to trust instead of the system's. */
  readonly ca?: string;
  /** Who carries the requests, in place of our own. */
  readonly carrier?: Carrier;
}

/** Carries requests to one server or more, and tells the exchange what comes of each. */
export interface Carrier {
  carry(request: CarriedRequest, exchange: Exchange): void;
  close(): Promise<void>;
}

export interface CarriedRequest {
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | AsyncIterable<Uint8Array> | null;
  /** The body of the answer comes at its reader's pace, however long that takes. */
  readonly streams: boolean;
}

const CONNECTIONS = 128;
const TIMEOUT_MS = 30_000;
const ACCEPTED: readonly number[] = [200];
const OURS = { 'accept-encoding': 'identity', 'user-agent': 'convoy' };
/** More of an error page is not read. */
const ERROR_BODY_BYTES = 16_384;
/** A body over this is sent in steps, so that its time-out may be counted anew with each. */
const ONE_GO_BYTES = 1024 ** 2;

/** `origin`: `https://host:port`. */
export function httpClient(origin: string, options: HttpClientOptions = {}): HttpClient {
  const { timeoutMs = TIMEOUT_MS, explain = () => ({}) } = options;
  const deadlines = new Deadlines();
  const carrier = options.carrier ?? carrierTo(origin, options);
  /** The headers asked with last, and with ours: a store asks with the same object again and again. */
  let given: HttpRequest['headers'];
  let all: CarriedRequest['headers'] = OURS;

  function allHeaders(headers: HttpRequest['headers'], length: number | null): CarriedRequest['headers'] {
    if (length !== null) return { ...OURS, 'content-length': String(length), ...headers };
    if (headers !== given) {
      given = headers;
      all = { ...OURS, ...headers };
    }
    return all;
  }

  const exchangeFor = ({ what, timeoutMs: own, signal }: HttpRequest): Exchange =>
    new Exchange(what, own ?? timeoutMs, signal, deadlines);

  function begin({ method, path, headers, body }: HttpRequest, exchange: Exchange, streams: boolean): void {
    if (exchange.failed) return;
    const steps = body instanceof Uint8Array && body.length > ONE_GO_BYTES;
    carrier.carry(
      {
        origin,
        method,
        path,
        headers: allHeaders(headers, steps ? body.length : null),
        body: isStream(body)
          ? exchange.sent(body, Number(headers?.['content-length']))
          : steps
            ? exchange.sentInSteps(body)
            : (body ?? null),
        streams,
      },
      exchange,
    );
  }

  async function refusal(request: HttpRequest, answer: Answer): Promise<ConvoyError> {
    const beginning = await answer.beginning(ERROR_BODY_BYTES);
    return statusError(request.what, answer, explain(answer, beginning, request));
  }

  return {
    async send(request, use) {
      const exchange = exchangeFor(request);
      try {
        begin(request, exchange, false);
        await exchange.head;
        const answer = new Answer(request.what, request.method, exchange);
        if (!accepts(request, answer)) throw await refusal(request, answer);
        return await use(answer);
      } finally {
        exchange.discard();
      }
    },
    async stream(request) {
      const exchange = exchangeFor(request);
      try {
        begin(request, exchange, true);
        await exchange.head;
        const answer = new Answer(request.what, request.method, exchange);
        if (!accepts(request, answer)) throw await refusal(request, answer);
        return Object.assign(answer, { body: exchange.stream() });
      } catch (error) {
        exchange.discard();
        throw error;
      }
    },
    async close() {
      await carrier.close();
    },
  };
}

function accepts({ accept = ACCEPTED }: HttpRequest, answer: HttpAnswer): boolean {
  return typeof accept === 'function' ? accept(answer) : accept.includes(answer.status);
}

/** Over plain HTTP our own, with undici beside it; over TLS undici alone, which takes its time to load. */
function carrierTo(
  origin: string,
  { connections = CONNECTIONS, timeoutMs = TIMEOUT_MS, ca }: HttpClientOptions,
): Carrier {
  // An exchange whose own time-out is over by then has said so.
  const connectTimeoutMs = Math.min(10_000, timeoutMs + 100);
  const other = (): Carrier =>
    lateCarrier(async () => {
      const { undiciCarrier } = await import('./undici-carrier.js');
      return undiciCarrier(origin, { connections, connectTimeoutMs, ca: ca ?? null });
    });
  return origin.startsWith('http:') ? wireCarrier(origin, { connections, connectTimeoutMs, other }) : other();
}

/** Made when there is something to carry. */
function lateCarrier(make: () => Promise<Carrier>): Carrier {
  let making: Promise<Carrier> | undefined;
  let made: Carrier | undefined;
  return {
    carry(request, exchange) {
      if (made !== undefined) {
        made.carry(request, exchange);
        return;
      }
      making ??= make();
      making.then(
        (carrier) => {
          made = carrier;
          carrier.carry(request, exchange);
        },
        (error: Error) => exchange.onResponseError(null, error),
      );
    },
    async close() {
      await (await making)?.close();
    },
  };
}

function isStream(body: HttpRequest['body']): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && Symbol.asyncIterator in body;
}

class Answer implements HttpAnswer {
  constructor(
    private readonly what: string,
    private readonly method: string,
    private readonly exchange: Exchange,
  ) {}

  get length(): number | null {
    const text = this.header('content-length');
    return text !== null && /^\d+$/.test(text) ? Number(text) : null;
  }

  get status(): number {
    return this.exchange.status;
  }

  header(name: string): string | null {
    const value = this.exchange.headers[name];
    return typeof value === 'string' ? value : (value?.[0] ?? null);
  }

  headersFrom(prefix: string): Record<string, string> {
    const found: Record<string, string> = {};
    for (const name of Object.keys(this.exchange.headers))
      if (name.startsWith(prefix)) found[name.slice(prefix.length)] = this.header(name) ?? '';
    return found;
  }

  async bytes(limit: number): Promise<Uint8Array> {
    const { length } = this;
    if (length === null && this.header('transfer-encoding') === null)
      throw permanent(`${this.what}: the answer tells no length, a cut could not be seen`, {
        code: 'rejected',
      });
    if (length !== null && length > limit) throw this.tooLarge(limit);
    const bytes = await this.exchange.bytes(limit);
    if (bytes === null) throw this.tooLarge(limit);
    return bytes;
  }

  /** The first bytes of an error's body, as text. */
  async beginning(limit: number): Promise<string> {
    if (this.method === 'HEAD') return '';
    return (await this.exchange.beginning(limit)).toString('utf8', 0, limit);
  }

  discard(): void {
    this.exchange.discard();
  }

  private tooLarge(limit: number): ConvoyError {
    return permanent(`${this.what}: larger than ${limit} bytes`, { code: 'too-large' });
  }
}

/** Content type and held headers of an answer, the metadata by the store's prefix; null: it has none. */
export function propertiesOf(answer: HttpAnswer, metadataPrefix: string): ObjectProperties {
  const headers: Partial<Record<HeldHeader, string>> = {};
  for (const name of HELD_HEADERS) {
    const value = answer.header(name);
    if (value !== null) headers[name] = value;
  }
  return {
    contentType: answer.header('content-type'),
    headers,
    metadata: answer.headersFrom(metadataPrefix),
  };
}

/** The request headers that carry properties to a store. */
export function propertyHeaders(
  properties: ObjectProperties,
  metadataPrefix: string,
): Record<string, string> {
  const headers: Record<string, string> = { ...properties.headers };
  if (properties.contentType !== null) headers['content-type'] = properties.contentType;
  for (const [name, value] of Object.entries(properties.metadata)) headers[metadataPrefix + name] = value;
  return headers;
}

/** MD5 as 32 hex digits from base64 (Content-MD5); null if it is none. */
export function md5FromBase64(text: string | null): string | null {
  if (text === null) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 16 ? bytes.toString('hex') : null;
}

/** Last-Modified in ms since 1970. */
export function modifiedOf(answer: HttpAnswer): ObjectInfo['modifiedMs'] {
  const text = answer.header('last-modified');
  if (text !== parsed.text) {
    const time = text === null ? Number.NaN : Date.parse(text);
    parsed = { text, time: Number.isNaN(time) ? null : time };
  }
  return parsed.time;
}

/** The last one: the tiles of an image were written within seconds. */
let parsed: { readonly text: string | null; readonly time: number | null } = { text: null, time: null };
