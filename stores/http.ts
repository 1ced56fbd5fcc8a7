import { type Dispatcher, errors, Pool } from 'undici';
import { aborted, ConvoyError, messageOf, permanent, transient } from '../runtime/errors.js';
import { checkKey, encodeKey } from './key.js';
import { scrub } from './location.js';
import type { ObjectInfo, ReadableStore, StoredObject } from './store.js';

export interface HttpOptions {
  /** Connections kept open at most. */
  readonly connections: number;
  /** How long one request may take in all, in ms. */
  readonly timeoutMs: number;
}

export const HTTP_DEFAULTS: HttpOptions = { connections: 128, timeoutMs: 30_000 };

type Response = Dispatcher.ResponseData;

/**
 * Objects below a base URL, read only. An object is what the server answers with status 200 and a length, or in
 * chunks: a redirect is refused (its target belongs into the location), and so is a body in another encoding, as
 * its bytes would not be the object's.
 */
export function httpStore(url: string, options: Partial<HttpOptions> = {}): ReadableStore {
  const { connections, timeoutMs } = { ...HTTP_DEFAULTS, ...options };
  const base = new URL(url);
  const basePath = base.pathname.replace(/\/+$/, '');
  const name = scrub(url);
  const pool = new Pool(base.origin, {
    connections,
    pipelining: 1,
    connect: { timeout: Math.min(10_000, timeoutMs) },
    // The request's own deadline ends what hangs; these would only round it to whole seconds.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  async function ask<T>(
    method: 'GET' | 'HEAD',
    key: string,
    signal: AbortSignal | undefined,
    use: (response: Response, what: string) => Promise<T>,
  ): Promise<T> {
    checkKey(key);
    const encoded = encodeKey(key);
    const what = `${method} ${name}/${encoded}`;
    const deadline = new AbortController();
    const abort = (): void => deadline.abort();
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const timer = setTimeout(abort, timeoutMs);
    try {
      const response = await pool.request({
        method,
        path: `${basePath}/${encoded}`,
        headers: { 'accept-encoding': 'identity', 'user-agent': 'convoy' },
        signal: deadline.signal,
      });
      if (response.statusCode !== 200) {
        discard(response);
        throw statusError(what, response);
      }
      return await use(response, what);
    } catch (error) {
      if (error instanceof ConvoyError) throw error;
      if (signal?.aborted) throw aborted(`${what}: given up`, { cause: error });
      if (deadline.signal.aborted)
        throw transient(`${what}: no whole answer within ${timeoutMs} ms`, { code: 'timeout' });
      throw connectionError(what, error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  return {
    name,
    traits: { checksWrites: false, reportsMd5: true },
    async head(key, signal) {
      try {
        return await ask('HEAD', key, signal, async (response, what) => {
          discard(response);
          const size = lengthOf(response);
          if (size === null) throw permanent(`${what}: no Content-Length`, { code: 'rejected' });
          return infoOf(response, size);
        });
      } catch (error) {
        if (error instanceof ConvoyError && error.code === 'not-found') return null;
        throw error;
      }
    },
    read: (key, limit, signal) =>
      ask('GET', key, signal, (response, what) => readBody(what, response, limit)),
    async close() {
      await pool.destroy();
    },
  };
}

async function readBody(what: string, response: Response, limit: number): Promise<StoredObject> {
  const expected = lengthOf(response);
  const refuse = (error: ConvoyError): ConvoyError => {
    discard(response);
    return error;
  };
  const encoding = header(response, 'content-encoding');
  if (encoding !== null && encoding !== 'identity')
    throw refuse(
      permanent(`${what}: sent in encoding ${encoding}, asked for identity`, { code: 'rejected' }),
    );
  if (expected === null && header(response, 'transfer-encoding') === null)
    throw refuse(
      permanent(`${what}: the answer tells no length, a cut could not be seen`, { code: 'rejected' }),
    );
  const tooLarge = (): ConvoyError =>
    refuse(permanent(`${what}: larger than ${limit} bytes`, { code: 'too-large' }));
  if (expected !== null && expected > limit) throw tooLarge();

  const bytes = expected === null ? await readChunks(response, limit, tooLarge) : await response.body.bytes();
  if (expected !== null && bytes.length !== expected)
    throw transient(`${what}: ${bytes.length} of ${expected} bytes came`, { code: 'truncated' });
  return { ...infoOf(response, bytes.length), bytes };
}

/** A body whose length nobody told: cut off as soon as it is over the limit. */
async function readChunks(
  response: Response,
  limit: number,
  tooLarge: () => ConvoyError,
): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit) throw tooLarge();
  }
  return Buffer.concat(chunks, size);
}

/** Ends the answer without reading it; its error is not of interest any more. */
function discard(response: Response): void {
  response.body.on('error', () => undefined);
  response.body.destroy();
}

function header(response: Response, name: string): string | null {
  const value = response.headers[name];
  return typeof value === 'string' ? value : (value?.[0] ?? null);
}

function lengthOf(response: Response): number | null {
  const text = header(response, 'content-length');
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

function infoOf(response: Response, size: number): ObjectInfo {
  const md5 = Buffer.from(header(response, 'content-md5') ?? '', 'base64');
  return {
    size,
    md5: md5.length === 16 ? md5.toString('hex') : null,
    contentType: header(response, 'content-type'),
  };
}

function statusError(what: string, response: Response): ConvoyError {
  const status = response.statusCode;
  const message = `${what}: HTTP ${status}`;
  if (status === 404 || status === 410) return permanent(message, { code: 'not-found', status });
  if (status === 401) return permanent(message, { code: 'wrong-credentials', status });
  if (status === 403) return permanent(message, { code: 'forbidden', status });
  if (status >= 300 && status < 400) {
    const target = header(response, 'location') ?? 'nowhere';
    return permanent(`${message}, redirected to ${scrub(target)}: redirects are not followed`, {
      code: 'rejected',
      status,
    });
  }
  if (status === 408 || status === 429 || status >= 500) {
    const retryAfterMs = retryAfterOf(response);
    return transient(message, {
      code: status === 429 || status === 503 ? 'throttled' : 'server-error',
      status,
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    });
  }
  return permanent(message, { code: 'rejected', status });
}

/** Retry-After is seconds or a date; a date is compared with the server's own clock where it tells it. */
function retryAfterOf(response: Response): number | null {
  const text = header(response, 'retry-after');
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const due = Date.parse(text);
  const sent = Date.parse(header(response, 'date') ?? '');
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
