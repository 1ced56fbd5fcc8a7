import { type HttpClientOptions, httpClient } from './http-client.js';
import { explainFolder, httpReading } from './http-reading.js';
import { encodeKey } from './key.js';
import { checkHeldKey, commonLimits } from './limits.js';
import { scrub } from './location.js';
import type { CopySource, ReadableStore, StreamReadableStore } from './store.js';

/** A base that shows nothing of itself says so in many ways: the server is there, and lets us in. */
const IS_THERE = [200, 204, 301, 302, 303, 307, 308, 400, 403, 404, 405, 406, 410, 501];

/** Objects below a base URL, read only. */
export function httpStore(
  url: string,
  options: HttpClientOptions = {},
): ReadableStore & StreamReadableStore & CopySource {
  const { origin, pathname } = new URL(url);
  const base = pathname.replace(/\/+$/, '');
  const name = scrub(url);
  const limits = { ...commonLimits(''), writeBytes: 0 };
  const client = httpClient(origin, { ...options, explain: explainFolder });

  const pathOf = (key: string): string => {
    checkHeldKey(limits, key);
    return `/${encodeKey(key)}`;
  };

  return {
    name,
    traits: { checksWrites: false, reportsMd5: true, keeps: 'content-type', limits },
    async check(signal) {
      const request = { method: 'HEAD', path: `${base}/`, what: `HEAD ${name}/`, accept: IS_THERE, signal };
      await client.send(request, (answer) => answer.discard());
    },
    ...httpReading(client, (method, key, signal) => {
      const path = pathOf(key);
      return { method, path: base + path, what: `${method} ${name}${path}`, signal };
    }),
    async copyAddress(key) {
      return { kind: 'url', url: origin + base + pathOf(key) };
    },
    close: () => client.close(),
  };
}
