import { type Dispatcher, errors, Pool } from 'undici';
import { aborted, ConvoyError, type ErrorKind, messageOf, permanent, transient } from '../runtime/errors.js';
import { scrub } from './location.js';
import type { HeldHeader, ObjectInfo, ObjectProperties, StoreErrorCode } from './store.js';
import { HELD_HEADERS } from './store.js';

/**
 * One server, asked over HTTP/1.1: what all stores on undici share. No redirect is followed, no body is decoded,
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
  /** The statuses that `use` gets to see; without it 200 alone. Every other is an error. */
  readonly accept?: readonly number[];
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
export type ExplainStatus = (answer: HttpAnswer, body: string) => StatusMeaning;

export interface HttpClientOptions {
  /** Connections kept open at most. */
  readonly connections?: number;
  /** How long one request may take in all, and a stream without a chunk, in ms. */
  readonly timeoutMs?: number;
  readonly explain?: ExplainStatus;
  /** PEM: the authorities to trust instead of the system's. */
  readonly ca?: string;
}

const CONNECTIONS = 128;
const TIMEOUT_MS = 30_000;
/** More of an error page is not read. */
const ERROR_BODY_BYTES = 16_384;

/** `origin`: `https://host:port`. */
export function httpClient(origin: string, options: HttpClientOptions = {}): HttpClient {
  const { connections = CONNECTIONS, timeoutMs = TIMEOUT_MS, explain = () => ({}), ca } = options;
  const pool = new Pool(origin, {
    connections,
    pipelining: 1,
    connect: { timeout: Math.min(10_000, timeoutMs), ...(ca === undefined ? {} : { ca }) },
    // The request's own deadline ends what hangs; these would only round it to whole seconds.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  async function ask(request: HttpRequest, signal: AbortSignal): Promise<Answer> {
    const { method, path, headers, body, what, accept = [200] } = request;
    const response = await pool.request({
      method: method as Dispatcher.HttpMethod,
      path,
      headers: { 'accept-encoding': 'identity', 'user-agent': 'convoy', ...headers },
      body: body as Uint8Array | string | null,
      // undici would close the connection after every HEAD, for servers that send a body there.
      reset: false,
      signal,
    });
    const answer = new Answer(what, response);
    if (accept.includes(answer.status)) return answer;
    const text = method === 'HEAD' ? '' : await answer.beginning(ERROR_BODY_BYTES);
    answer.discard();
    throw statusError(what, answer, explain(answer, text));
  }

  const translated = (request: HttpRequest, deadline: Deadline, error: unknown): ConvoyError => {
    const { what, signal } = request;
    if (error instanceof ConvoyError) return error;
    if (signal?.aborted) return aborted(`${what}: given up`, { cause: error });
    if (deadline.passed)
      return transient(`${what}: no whole answer within ${deadline.timeoutMs} ms`, { code: 'timeout' });
    return connectionError(what, error);
  };

  return {
    async send(request, use) {
      const deadline = new Deadline(request.timeoutMs ?? timeoutMs, request.signal);
      try {
        return await use(await ask(request, deadline.signal));
      } catch (error) {
        throw translated(request, deadline, error);
      } finally {
        deadline.end();
      }
    },
    async stream(request) {
      const deadline = new Deadline(request.timeoutMs ?? timeoutMs, request.signal);
      try {
        const answer = await ask(request, deadline.signal);
        return Object.assign(answer, { body: chunks(request, answer, deadline) });
      } catch (error) {
        deadline.end();
        throw translated(request, deadline, error);
      }
    },
    async close() {
      await pool.destroy();
    },
  };

  async function* chunks(
    request: HttpRequest,
    answer: Answer,
    deadline: Deadline,
  ): AsyncGenerator<Uint8Array> {
    let size = 0;
    try {
      deadline.restart();
      for await (const chunk of answer.response.body as AsyncIterable<Buffer>) {
        deadline.pause();
        size += chunk.length;
        yield chunk;
        deadline.restart();
      }
      if (answer.length !== null && size !== answer.length) throw cutShort(request.what, size, answer.length);
    } catch (error) {
      throw translated(request, deadline, error);
    } finally {
      deadline.end();
      answer.discard();
    }
  }
}

/** A time-out and the caller's signal in one. */
class Deadline {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  passed = false;

  constructor(
    readonly timeoutMs: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    if (outer?.aborted) this.abort();
    outer?.addEventListener('abort', this.abort, { once: true });
    this.restart();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  restart(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.passed = true;
      this.abort();
    }, this.timeoutMs);
  }

  pause(): void {
    clearTimeout(this.timer);
  }

  end(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener('abort', this.abort);
  }

  private readonly abort = (): void => this.controller.abort();
}

class Answer implements HttpAnswer {
  readonly length: number | null;

  constructor(
    private readonly what: string,
    readonly response: Dispatcher.ResponseData,
  ) {
    const text = this.header('content-length');
    this.length = text !== null && /^\d+$/.test(text) ? Number(text) : null;
  }

  get status(): number {
    return this.response.statusCode;
  }

  header(name: string): string | null {
    const value = this.response.headers[name];
    return typeof value === 'string' ? value : (value?.[0] ?? null);
  }

  headersFrom(prefix: string): Record<string, string> {
    const found: Record<string, string> = {};
    for (const name of Object.keys(this.response.headers))
      if (name.startsWith(prefix)) found[name.slice(prefix.length)] = this.header(name) ?? '';
    return found;
  }

  async bytes(limit: number): Promise<Uint8Array> {
    if (this.length === null && this.header('transfer-encoding') === null) {
      this.discard();
      throw permanent(`${this.what}: the answer tells no length, a cut could not be seen`, {
        code: 'rejected',
      });
    }
    if (this.length !== null && this.length > limit) throw this.tooLarge(limit);
    const bytes = this.length === null ? await this.chunked(limit) : await this.response.body.bytes();
    if (this.length !== null && bytes.length !== this.length)
      throw cutShort(this.what, bytes.length, this.length);
    return bytes;
  }

  /** A body whose length nobody told: cut off as soon as it is over the limit. */
  private async chunked(limit: number): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of this.response.body as AsyncIterable<Buffer>) {
      parts.push(part);
      size += part.length;
      if (size > limit) throw this.tooLarge(limit);
    }
    return Buffer.concat(parts, size);
  }

  /** The first bytes of an error's body, as text; a body that breaks off is as good as its beginning. */
  async beginning(limit: number): Promise<string> {
    let text = '';
    try {
      for await (const part of this.response.body as AsyncIterable<Buffer>) {
        text += part.toString('utf8');
        if (text.length > limit) break;
      }
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw error;
    }
    return text.slice(0, limit);
  }

  discard(): void {
    this.response.body.on('error', () => undefined);
    this.response.body.destroy();
  }

  private tooLarge(limit: number): ConvoyError {
    this.discard();
    return permanent(`${this.what}: larger than ${limit} bytes`, { code: 'too-large' });
  }
}

function cutShort(what: string, size: number, expected: number): ConvoyError {
  return transient(`${what}: ${size} of ${expected} bytes came`, { code: 'truncated' });
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
  const bytes = Buffer.from(text ?? '', 'base64');
  return bytes.length === 16 ? bytes.toString('hex') : null;
}

/** Last-Modified in ms since 1970. */
export function modifiedOf(answer: HttpAnswer): ObjectInfo['modifiedMs'] {
  const time = Date.parse(answer.header('last-modified') ?? '');
  return Number.isNaN(time) ? null : time;
}

function statusError(what: string, answer: HttpAnswer, meaning: StatusMeaning): ConvoyError {
  const { status } = answer;
  const { kind, code, detail } = { ...plainMeaning(answer), ...meaning };
  const message = `${what}: HTTP ${status}${detail === undefined ? '' : `, ${detail}`}`;
  const retryAfterMs = retryAfterOf(answer);
  return new ConvoyError(kind, message, {
    code,
    status,
    ...(kind === 'transient' && retryAfterMs !== null ? { retryAfterMs } : {}),
  });
}

/** What a status means in HTTP. */
function plainMeaning(answer: HttpAnswer): Required<Pick<StatusMeaning, 'kind' | 'code'>> & StatusMeaning {
  const { status } = answer;
  if (status === 404 || status === 410) return { kind: 'permanent', code: 'not-found' };
  if (status === 401) return { kind: 'permanent', code: 'wrong-credentials' };
  if (status === 403) return { kind: 'permanent', code: 'forbidden' };
  if (status >= 300 && status < 400)
    return {
      kind: 'permanent',
      code: 'rejected',
      detail: `redirected to ${scrub(answer.header('location') ?? 'nowhere')}: redirects are not followed`,
    };
  if (status === 507) return { kind: 'permanent', code: 'disk-full' };
  if (status === 429 || status === 503) return { kind: 'transient', code: 'throttled' };
  if (status === 408 || status >= 500) return { kind: 'transient', code: 'server-error' };
  return { kind: 'permanent', code: 'rejected' };
}

/** Retry-After is seconds or a date; a date is compared with the server's own clock where it tells it. */
function retryAfterOf(answer: HttpAnswer): number | null {
  const text = answer.header('retry-after');
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const due = Date.parse(text);
  const sent = Date.parse(answer.header('date') ?? '');
  return Number.isNaN(due) ? null : Math.max(0, due - (Number.isNaN(sent) ? Date.now() : sent));
}

/** What never came to an answer. A name or certificate that is wrong is the whole store's trouble, not an object's. */
function connectionError(what: string, error: unknown): ConvoyError {
  const code = String((error as { code?: unknown } | null)?.code ?? '');
  const message = `${what}: ${scrub(messageOf(error)) || code}`;
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET')
    return transient(message, { code: 'connection-lost', cause: error });
  if (error instanceof errors.HTTPParserError || code === 'UND_ERR_HEADERS_OVERFLOW')
    return transient(message, { code: 'bad-answer', cause: error });
  return transient(message, { code: 'unreachable', cause: error });
}
