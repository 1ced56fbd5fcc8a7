import { createHash } from 'node:crypto';
import { ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { ObjectProperties, PartialWrite } from '../store.js';
import { parseXml, textAt } from '../xml.js';
import type { S3Client } from './client.js';
import { insistOnResult } from './errors.js';
import { contentMd5, proofOf, s3Headers } from './properties.js';

/** An upload in parts. Each part carries its MD5, so that the store itself refuses damage. */
export async function beginParts(
  client: S3Client,
  key: string,
  size: number,
  properties: ObjectProperties,
  signal: AbortSignal | undefined,
): Promise<PartialWrite> {
  const begun = await client.ask({
    ...{ method: 'POST', key, query: [['uploads', '']], signal },
    headers: s3Headers(properties),
  });
  const what = client.what('POST', key);
  const uploadId = textAt(parseXml(what, begun.text), 'InitiateMultipartUploadResult', 'UploadId');
  if (uploadId === null || uploadId === '')
    throw transient(`${what}: the answer names no upload`, { code: 'bad-answer' });
  const upload = ['uploadId', uploadId] as const;
  const parts = new Map<number, { readonly size: number; readonly etag: string }>();

  return {
    async writePart(index, bytes, md5, partSignal) {
      const etag = await client.send(
        {
          ...{ method: 'PUT', key, query: [['partNumber', String(index + 1)], upload], body: bytes },
          headers: { 'content-md5': contentMd5(md5) },
          signal: partSignal,
        },
        (answer) => {
          answer.discard();
          return proofOf(() => client.what('PUT', key), answer, md5);
        },
      );
      if (etag === null)
        throw transient(`${client.what('PUT', key)}: part ${index} was taken without an ETag`, {
          code: 'bad-answer',
        });
      parts.set(index, { size: bytes.length, etag });
    },

    async complete(_md5, completeSignal) {
      const all = whole(client.what('POST', key), parts, size);
      const body = all
        .map(
          ({ etag }, index) =>
            `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
        )
        .join('');
      const request = {
        ...{ method: 'POST', key, query: [upload], timeoutMs: client.slowMs, signal: completeSignal },
        headers: { 'content-type': 'application/xml' },
        body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${body}</CompleteMultipartUpload>`,
      };
      try {
        const { answer, text } = await client.ask(request);
        insistOnResult(what, answer, text, 'CompleteMultipartUploadResult', client.context);
      } catch (error) {
        if (!isGone(error) || !(await isStored(client, key, size, all, completeSignal))) throw error;
      }
    },

    async abandon(abandonSignal) {
      try {
        await client.send(
          { method: 'DELETE', key, query: [upload], accept: [204], signal: abandonSignal },
          (answer) => answer.discard(),
        );
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
  };
}

interface Part {
  readonly size: number;
  readonly etag: string;
}

/** The parts in order. S3 would leave out what is missing, and say nothing. */
function whole(what: string, parts: ReadonlyMap<number, Part>, size: number): readonly Part[] {
  const all = [...parts].sort(([a], [b]) => a - b);
  const written = all.reduce((sum, [, part]) => sum + part.size, 0);
  if (written !== size || all.some(([index], place) => index !== place))
    throw permanent(`${what}: ${all.length} parts of ${written} bytes were written, ${size} are expected`, {
      code: 'rejected',
    });
  return all.map(([, part]) => part);
}

/** The upload is over: done by a request whose answer was lost, or given up. */
function isGone(error: unknown): boolean {
  return error instanceof ConvoyError && error.code === 'not-found';
}

/** Whether the object is there as these parts make it. */
async function isStored(
  client: S3Client,
  key: string,
  size: number,
  parts: readonly Part[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    return await client.send({ method: 'HEAD', key, signal }, (answer) => {
      answer.discard();
      return answer.length === size && answer.header('etag')?.replaceAll('"', '') === etagOf(parts);
    });
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** The ETag S3 gives an object of parts: the MD5 of their MD5s, and their number. */
function etagOf(parts: readonly Part[]): string {
  const hash = createHash('md5');
  for (const { etag } of parts) hash.update(Buffer.from(etag.replaceAll('"', ''), 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
