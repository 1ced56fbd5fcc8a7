import { createHash } from 'node:crypto';
import { ConvoyError, permanent, transient } from '../runtime/errors.js';
import {
  type ExplainStatus,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
  md5FromBase64,
  modifiedOf,
} from './http-client.js';
import { decodePath } from './key.js';
import {
  NO_PROPERTIES,
  type ObjectInfo,
  type ReadableStore,
  type StoredObject,
  type StreamReadableStore,
} from './store.js';

type Reading = Pick<ReadableStore, 'head' | 'read'> &
  StreamReadableStore & {
    /** What `head` tells and the first `count` bytes, in one request; null if there is no such object. */
    readStart(key: string, count: number, signal?: AbortSignal): Promise<StoredObject | null>;
  };

type Asked = Pick<HttpRequest, 'method' | 'path' | 'headers' | 'what' | 'signal'>;

/**
 * Reading plain web objects. An object is what the server answers with status 200 and a length, or in chunks: a
 * redirect is refused (its target belongs into the location), and so is a body in another encoding, as its bytes
 * would not be the object's. `request` checks the key, and says where and with what headers to ask.
 */
export function httpReading(
  client: HttpClient,
  request: (method: 'GET' | 'HEAD', key: string, signal: AbortSignal | undefined) => Asked,
): Reading {
  const reading: Reading = {
    async head(key, signal) {
      const told = await orNull(
        client.send(request('HEAD', key, signal), (answer) => ({
          ...{ length: answer.length, info: infoOf(answer, answer.length ?? 0) },
        })),
      );
      if (told === null || told.length !== null) return told?.info ?? null;
      // Apache tells of an empty object in its answer to GET only.
      const asked = request('GET', key, signal);
      return orNull(client.send(asked, (answer) => infoOf(answer, lengthOf(answer, asked.what))));
    },
    async read(key, limit, signal) {
      const asked = request('GET', key, signal);
      return client.send(asked, async (answer) => {
        refuseEncoding(answer, asked.what);
        const bytes = await answer.bytes(limit);
        const { size, md5, contentType, headers, metadata, modifiedMs } = infoOf(answer, bytes.length);
        // One by one: what is spread and then has something more is of another shape to V8 each time.
        return { size, md5, contentType, headers, metadata, modifiedMs, bytes };
      });
    },
    async readStream(key, offset, signal) {
      const asked = request('GET', key, signal);
      if (offset === 0) {
        const { body, ...info } = await opened(client, asked, (answer) =>
          infoOf(answer, lengthOf(answer, asked.what)),
        );
        return { ...info, body };
      }
      // Content-MD5 of a range may be the range's own: what is told of the object comes from HEAD.
      const info = await reading.head(key, signal);
      if (info === null) throw permanent(`${asked.what}: HTTP 404`, { code: 'not-found', status: 404 });
      if (offset >= info.size) return { ...info, body: nothing() };
      const { body } = await opened(client, ranged(asked, `${offset}-`, [200, 206]), (answer) => {
        const [first, last, size] = rangeOf(answer);
        if (answer.status === 200 || first !== offset || last !== size - 1)
          throw permanent(`${asked.what}: the server cannot send it from byte ${offset} on`, {
            code: 'rejected',
          });
        if (size !== info.size)
          throw transient(`${asked.what}: it has just become another object`, { code: 'truncated' });
        return {};
      });
      return { ...info, body };
    },
    async readStart(key, count, signal) {
      const asked = request('GET', key, signal);
      const started = await orNull(
        opened(client, ranged(asked, `0-${count - 1}`, [200, 206, 416]), (answer) => ({ answer })),
      );
      if (started === null) return null;
      const { answer, body } = started;
      // An empty object has no first byte, to some servers.
      if (answer.status === 416) {
        answer.discard();
        const info = await reading.head(key, signal);
        if (info !== null && info.size > 0)
          throw permanent(`${asked.what}: the server sends no ranges of it`, { code: 'rejected' });
        return info === null ? null : { ...info, bytes: new Uint8Array() };
      }
      const bytes = await firstBytes(body, count);
      const size = answer.status === 206 ? (rangeOf(answer)[2] ?? Number.NaN) : answer.length;
      if (size === null ? bytes.length === count : Number.isNaN(size)) throw tellsNoLength(asked.what);
      const info = infoOf(answer, size ?? bytes.length);
      return { ...info, md5: md5OfWhole(info, bytes), bytes };
    },
  };
  return reading;
}

/** A key that is a folder to the server, which sends its users to `key/`: there is no such object. */
export const explainFolder: ExplainStatus = (answer, _, { path }) => {
  const target = (answer.header('location') ?? '').replace(/^[a-z]+:\/\/[^/]*/i, '');
  if (answer.status < 300 || answer.status >= 400 || decodePath(target) !== decodePath(`${path}/`)) return {};
  return { code: 'not-found', detail: 'a folder' };
};

async function orNull<T>(asking: Promise<T>): Promise<T | null> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof ConvoyError && error.code === 'not-found') return null;
    throw error;
  }
}

/** Opens a stream whose head `look` accepts; what it throws ends the answer. */
async function opened<T extends object>(
  client: HttpClient,
  request: HttpRequest,
  look: (answer: HttpAnswer) => T,
): Promise<T & { readonly body: AsyncIterable<Uint8Array> }> {
  const answer = await client.stream(request);
  try {
    refuseEncoding(answer, request.what);
    return { ...look(answer), body: answer.body };
  } catch (error) {
    answer.discard();
    throw error;
  }
}

function ranged(asked: Asked, range: string, accept: readonly number[]): HttpRequest {
  return { ...asked, headers: { ...asked.headers, range: `bytes=${range}` }, accept };
}

/** First and last byte and the whole size, of a 206; NaN where the server does not tell. */
function rangeOf(answer: HttpAnswer): readonly [number, number, number] {
  const [, first, last, size] =
    /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.header('content-range')?.trim() ?? '') ?? [];
  return [Number(first), Number(last), Number(size)];
}

async function firstBytes(body: AsyncIterable<Uint8Array>, count: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= count) break;
  }
  return Buffer.concat(chunks, Math.min(size, count));
}

/** The MD5 sent with a range is the range's own, to some servers: such a one tells nothing of the object. */
function md5OfWhole({ md5, size }: ObjectInfo, start: Uint8Array): string | null {
  if (md5 === null || start.length === size) return md5;
  return createHash('md5').update(start).digest('hex') === md5 ? null : md5;
}

function lengthOf(answer: HttpAnswer, what: string): number {
  if (answer.length === null) throw tellsNoLength(what);
  return answer.length;
}

function tellsNoLength(what: string): ConvoyError {
  return permanent(`${what}: the answer tells no length`, { code: 'rejected' });
}

function refuseEncoding(answer: HttpAnswer, what: string): void {
  const encoding = answer.header('content-encoding');
  if (encoding === null || encoding === 'identity') return;
  throw permanent(`${what}: sent in encoding ${encoding}, asked for identity`, { code: 'rejected' });
}

function infoOf(answer: HttpAnswer, size: number): ObjectInfo {
  const { headers, metadata } = NO_PROPERTIES;
  const md5 = md5FromBase64(answer.header('content-md5'));
  const contentType = answer.header('content-type');
  return { size, md5, contentType, headers, metadata, modifiedMs: modifiedOf(answer) };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
