import { permanent, transient } from '../../runtime/errors.js';
import { type HttpAnswer, modifiedOf, propertiesOf, propertyHeaders } from '../http-client.js';
import { refuseUnheld } from '../limits.js';
import type { ObjectInfo, ObjectProperties, StoreLimits } from '../store.js';

const META = 'x-amz-meta-';
/** Of all user metadata of an object, names and values ("Working with object metadata" of the S3 User Guide). */
const METADATA_BYTES = 2048;

/** Refuses what S3 cannot hold, before a byte is sent. */
export function refuseUnheldByS3(
  limits: StoreLimits,
  key: string,
  size: number,
  properties: ObjectProperties,
): void {
  refuseUnheld(limits, key, size, properties);
  let bytes = 0;
  for (const [name, value] of Object.entries(properties.metadata)) bytes += name.length + value.length;
  if (bytes > METADATA_BYTES)
    throw permanent(`${key}: ${bytes} bytes of metadata, S3 takes ${METADATA_BYTES}`, {
      code: 'metadata-refused',
    });
}

export function s3Headers(properties: ObjectProperties): Record<string, string> {
  return propertyHeaders(properties, META);
}

/** MD5 as Content-MD5 has it. */
export function contentMd5(md5: string): string {
  return Buffer.from(md5, 'hex').toString('base64');
}

export function infoOf(answer: HttpAnswer, size: number): ObjectInfo {
  return {
    size,
    md5: md5OfEtag(answer),
    modifiedMs: modifiedOf(answer),
    ...propertiesOf(answer, META),
  };
}

/**
 * The ETag of what was stored; where it is an MD5, it must be that of the bytes sent. Null for a write that another,
 * newer one of the same key overtook: Swift then tells none. What neither tells one nor numbers the request as S3 does comes from
 * another server.
 */
export function proofOf(what: () => string, answer: HttpAnswer, md5: string): string | null {
  const etag = answer.header('etag');
  if (etag === null && answer.header('x-amz-request-id') === null)
    throw transient(`${what()}: taken without an ETag: is something between us and the store?`, {
      code: 'bad-answer',
    });
  const stored = md5OfEtag(answer);
  if (stored !== null && stored !== md5)
    throw permanent(`${what()}: bytes of MD5 ${stored} were stored, ${md5} were sent`, {
      code: 'checksum-mismatch',
    });
  return etag;
}

/**
 * The MD5 of an object's content, 32 hex digits, out of its ETag: that of an object stored in one piece and neither
 * with a key of KMS nor with the customer's own ("Common response headers" of the S3 API Reference). Else null: the
 * ETag looks like an MD5 there too, and is none.
 */
function md5OfEtag(answer: HttpAnswer): string | null {
  const hex = /^"?([0-9a-f]{32})"?$/i.exec(answer.header('etag') ?? '')?.[1];
  if (hex === undefined) return null;
  if (answer.header('x-amz-server-side-encryption')?.startsWith('aws:kms') === true) return null;
  if (answer.header('x-amz-server-side-encryption-customer-algorithm') !== null) return null;
  return hex.toLowerCase();
}
