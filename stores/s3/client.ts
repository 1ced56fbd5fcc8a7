import type { Clock } from '../../runtime/clock.js';
import { type Carrier, type HttpAnswer, type HttpRequest, httpClient } from '../http-client.js';
import { type ErrorContext, explainS3 } from './errors.js';
import type { S3Settings } from './settings.js';
import { canonicalQuery, encodePath, sha256, signer, UNSIGNED_PAYLOAD } from './sign.js';

const EMPTY_SHA256 = sha256('');
/** More than any answer in XML holds: a thousand names of 1,024 bytes, each byte encoded in three. */
const ANSWER_BYTES = 16 * 1024 ** 2;

const TIMEOUT_MS = 30_000;
/** 5 GiB, the most of one copy, are given ten minutes. */
const SLOWER = 20;

export interface S3Request {
  readonly method: string;
  /** Below the location; null: the bucket itself. */
  readonly key: string | null;
  readonly query?: readonly (readonly [name: string, value: string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly accept?: readonly number[];
  readonly timeoutMs?: number;
  readonly signal: AbortSignal | undefined;
}

/** One bucket, asked with signed requests. */
export interface S3Client {
  readonly name: string;
  /** What messages of errors name. */
  readonly context: ErrorContext;
  /** The time-out of what S3 works at before it answers: a copy, a large object out of its parts. */
  readonly slowMs: number;
  /** `/bucket/key`, encoded: how a copy names its source. */
  pathOf(key: string): string;
  /** For messages. */
  what(method: string, key: string | null): string;
  send<T>(request: S3Request, use: (answer: HttpAnswer) => Promise<T> | T): Promise<T>;
  /** The whole answer as text. */
  ask(request: S3Request): Promise<{ readonly answer: HttpAnswer; readonly text: string }>;
  stream(request: S3Request): Promise<HttpAnswer & { readonly body: AsyncIterable<Uint8Array> }>;
  close(): Promise<void>;
}

export interface S3ClientOptions {
  readonly bucket: string;
  /** The location's, without a slash at its end. */
  readonly prefix: string;
  readonly clock: Clock;
  /** PEM of the authorities to trust. */
  readonly ca: string | null;
  readonly timeoutMs?: number;
  readonly carrier?: Carrier;
}

export function s3Client(settings: S3Settings, options: S3ClientOptions): S3Client {
  const { origin, bucketPath, region, credentials } = settings;
  const { bucket, prefix, clock, ca, timeoutMs = TIMEOUT_MS, carrier } = options;
  const folder = prefix === '' ? '' : `${encodePath(prefix)}/`;
  const name = `s3://${bucket}${prefix === '' ? '' : `/${encodePath(prefix)}`}`;
  const { host } = new URL(origin);
  const sign = signer(credentials, region, 's3');
  const secure = origin.startsWith('https:');
  const client = httpClient(origin, {
    explain: explainS3(settings),
    ...(ca === null ? {} : { ca }),
    timeoutMs,
    ...(carrier === undefined ? {} : { carrier }),
  });

  const called = (method: string, encodedKey: string | null): string =>
    encodedKey === null ? `${method} s3://${bucket}` : `${method} ${name}/${encodedKey}`;

  /**
   * TLS keeps a body whole, and Content-MD5, which is signed, binds it: over https it is not hashed once more. Over
   * http it is, as nothing else would keep the same MD5 from being made to fit (10 us for a tile of 16 kB).
   */
  const payloadHash = (body: Uint8Array | string | undefined): string =>
    body === undefined ? EMPTY_SHA256 : secure ? UNSIGNED_PAYLOAD : sha256(body);

  function signed({ method, key, query, headers, body, ...rest }: S3Request): HttpRequest {
    const encodedKey = key === null ? null : encodePath(key);
    const path = encodedKey === null ? bucketPath || '/' : `${bucketPath}/${folder}${encodedKey}`;
    const search = query === undefined ? '' : canonicalQuery(query);
    const hash = payloadHash(body);
    const sent: Record<string, string> = { ...headers, 'x-amz-content-sha256': hash };
    const added = sign(
      { method, path, query: search, headers: { ...sent, host }, payloadHash: hash },
      clock.now(),
    );
    return {
      method,
      path: search === '' ? path : `${path}?${search}`,
      headers: Object.assign(sent, added),
      what: called(method, encodedKey),
      ...(body === undefined ? {} : { body }),
      ...rest,
    };
  }

  const send: S3Client['send'] = async (request, use) => client.send(signed(request), use);
  return {
    ...{ name, context: settings, slowMs: timeoutMs * SLOWER, send },
    what: (method, key) => called(method, key === null ? null : encodePath(key)),
    pathOf: (key) => `/${bucket}/${folder}${encodePath(key)}`,
    ask: (request) =>
      send(request, async (answer) => {
        const text = Buffer.from(await answer.bytes(ANSWER_BYTES)).toString('utf8');
        return { answer, text };
      }),
    stream: async (request) => client.stream(signed(request)),
    close: () => client.close(),
  };
}
