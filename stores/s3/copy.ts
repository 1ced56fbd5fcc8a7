import { createHash } from 'node:crypto';
import { ConvoyError, permanent } from '../../runtime/errors.js';
import type { HttpAnswer } from '../http-client.js';
import type {
  CopyAddress,
  ReadableStore,
  StreamedObject,
  StreamReadableStore,
  WriteProperties,
} from '../store.js';
import type { S3Client } from './client.js';
import { insistOnResult } from './errors.js';
import { s3Headers } from './properties.js';

const AWS_ENDPOINT = /^https:\/\/s3\.[a-z0-9-]+\.amazonaws\.com$/;

/** The same server, or both AWS's: S3 copies between its regions. */
export function canCopyFrom(endpoint: string, address: CopyAddress): boolean {
  if (address.kind !== 's3') return false;
  return (
    address.endpoint === endpoint || (AWS_ENDPOINT.test(endpoint) && AWS_ENDPOINT.test(address.endpoint))
  );
}

export interface CopyRequest {
  /** `/bucket/key` of the source, encoded. */
  readonly path: string;
  readonly key: string;
  readonly expected: WriteProperties & { readonly size: number };
  readonly signal: AbortSignal | undefined;
}

/**
 * CopyObject, of a source that still has the expected MD5 for its ETag, with the properties given here. Then what was
 * stored is looked at: its ETag is computed by S3 from what it holds. Where it is no MD5 (a key of KMS), the bytes
 * are read back.
 */
export async function copyObject(
  client: S3Client,
  store: ReadableStore & StreamReadableStore,
  { path, key, expected, signal }: CopyRequest,
): Promise<void> {
  const what = client.what('COPY', key);
  const { answer, text } = await asked(client, path, key, expected, signal);
  insistOnResult(what, answer, text, 'CopyObjectResult', client.context);
  const stored = await store.head(key, signal);
  const md5 = stored?.md5 ?? (await hashed(await store.readStream(key, 0, signal)));
  if (md5 !== expected.md5 || stored?.size !== expected.size)
    throw permanent(
      `${what}: the copy has ${stored?.size ?? 'no'} bytes of MD5 ${md5}, not ${expected.size} of ${expected.md5}`,
      { code: 'checksum-mismatch' },
    );
}

async function asked(
  client: S3Client,
  path: string,
  key: string,
  expected: CopyRequest['expected'],
  signal: AbortSignal | undefined,
): Promise<{ readonly answer: HttpAnswer; readonly text: string }> {
  try {
    return await client.ask({
      ...{ method: 'PUT', key, signal, timeoutMs: client.slowMs },
      headers: {
        ...s3Headers(expected),
        'x-amz-copy-source': path,
        'x-amz-copy-source-if-match': `"${expected.md5}"`,
        'x-amz-metadata-directive': 'REPLACE',
      },
    });
  } catch (error) {
    if (!(error instanceof ConvoyError)) throw error;
    const { status, code } = error;
    if (status === 412)
      throw permanent(`${error.message}: the source is no longer the object of that MD5`, {
        ...{ code: 'checksum-mismatch', status },
      });
    if (code === 'forbidden' || status === 501)
      throw permanent(`${error.message}: the destination's key must be allowed to read the source`, {
        ...{ code: 'copy-refused', status: status ?? 403 },
      });
    throw error;
  }
}

async function hashed({ body }: StreamedObject): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}
