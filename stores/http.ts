import { ConvoyError, permanent } from '../runtime/errors.js';
import {
  type HttpAnswer,
  type HttpClientOptions,
  httpClient,
  md5FromBase64,
  modifiedOf,
} from './http-client.js';
import { encodeKey } from './key.js';
import { checkHeldKey, commonLimits } from './limits.js';
import { scrub } from './location.js';
import type { ObjectInfo, ReadableStore, StreamReadableStore } from './store.js';

/**
 * Objects below a base URL, read only. An object is what the server answers with status 200 and a length, or in
 * chunks: a redirect is refused (its target belongs into the location), and so is a body in another encoding, as
 * its bytes would not be the object's.
 */
export function httpStore(url: string, options: HttpClientOptions = {}): ReadableStore & StreamReadableStore {
  const base = new URL(url);
  const basePath = base.pathname.replace(/\/+$/, '');
  const name = scrub(url);
  const limits = { ...commonLimits(''), writeBytes: 0 };
  const client = httpClient(base.origin, options);

  const request = (method: 'GET' | 'HEAD', key: string, signal: AbortSignal | undefined) => {
    checkHeldKey(limits, key);
    const encoded = encodeKey(key);
    return { method, path: `${basePath}/${encoded}`, what: `${method} ${name}/${encoded}`, signal };
  };

  return {
    name,
    traits: { checksWrites: false, reportsMd5: true, keeps: 'content-type', limits },
    async check(signal) {
      const path = `${basePath}/`;
      // A base that lists nothing answers 404 or 403: the server is there.
      const accept = Array.from({ length: 300 }, (_, index) => 200 + index).filter(
        (status) => status !== 401,
      );
      await client.send({ method: 'HEAD', path, what: `HEAD ${name}/`, accept, signal }, (answer) =>
        answer.discard(),
      );
    },
    async head(key, signal) {
      const asked = request('HEAD', key, signal);
      try {
        return await client.send(asked, (answer) => {
          answer.discard();
          if (answer.length === null)
            throw permanent(`${asked.what}: no Content-Length`, { code: 'rejected' });
          return infoOf(answer, answer.length);
        });
      } catch (error) {
        if (error instanceof ConvoyError && error.code === 'not-found') return null;
        throw error;
      }
    },
    async read(key, limit, signal) {
      const asked = request('GET', key, signal);
      return client.send(asked, async (answer) => {
        refuseEncoding(answer, asked.what);
        const bytes = await answer.bytes(limit);
        return { ...infoOf(answer, bytes.length), bytes };
      });
    },
    async readStream(key, offset, signal) {
      const asked = request('GET', key, signal);
      const ranged = offset === 0 ? {} : { headers: { range: `bytes=${offset}-` }, accept: [206] };
      const answer = await client.stream({ ...asked, ...ranged });
      refuseEncoding(answer, asked.what);
      if (answer.length === null) {
        answer.discard();
        throw permanent(`${asked.what}: the answer tells no length`, { code: 'rejected' });
      }
      return { ...infoOf(answer, offset + answer.length), body: answer.body };
    },
    close: () => client.close(),
  };
}

function refuseEncoding(answer: HttpAnswer, what: string): void {
  const encoding = answer.header('content-encoding');
  if (encoding === null || encoding === 'identity') return;
  answer.discard();
  throw permanent(`${what}: sent in encoding ${encoding}, asked for identity`, { code: 'rejected' });
}

function infoOf(answer: HttpAnswer, size: number): ObjectInfo {
  return {
    size,
    md5: md5FromBase64(answer.header('content-md5')),
    contentType: answer.header('content-type'),
    modifiedMs: modifiedOf(answer),
    headers: {},
    metadata: {},
  };
}
