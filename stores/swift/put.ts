import { type ConvoyError, permanent, transient } from '../../runtime/errors.js';
import {
  type HttpAnswer,
  type HttpRequest,
  modifiedOf,
  propertiesOf,
  propertyHeaders,
} from '../http-client.js';
import type { ObjectInfo, ObjectProperties } from '../store.js';
import type { SwiftAccount } from './account.js';
import { etagOf, md5Of } from './answers.js';

const METADATA_PREFIX = 'x-object-meta-';

export function infoOf(answer: HttpAnswer, size: number): ObjectInfo {
  return {
    ...propertiesOf(answer, METADATA_PREFIX),
    size,
    md5: md5Of(answer),
    modifiedMs: modifiedOf(answer),
  };
}

/** The request headers of a PUT; `etag` is what Swift is to compute. */
export function putHeaders(properties: ObjectProperties, etag: string): Record<string, string> {
  const headers = propertyHeaders(properties, METADATA_PREFIX);
  headers.etag = etag;
  return headers;
}

/** What `whetherStored` judges. */
export const PUT_STATUSES: readonly number[] = [201, 202, 404];
const CONDITIONAL_STATUSES: readonly number[] = [...PUT_STATUSES, 412];

/**
 * Stores bytes under their MD5: Swift refuses others, and what it answers is what it computed. False if the headers
 * asked that nothing be there (`if-none-match: *`), and something is. `path` is below the account.
 */
export async function putBytes(
  account: SwiftAccount,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const request: HttpRequest = {
    method: 'PUT',
    path,
    headers,
    body,
    what: `PUT swift:/${path}`,
    accept: headers['if-none-match'] === undefined ? PUT_STATUSES : CONDITIONAL_STATUSES,
    signal,
  };
  return account.send(request, (answer) => whetherStored(request, answer, headers.etag));
}

/** Whether a PUT was done, by the checksum that Swift answers; false if a condition kept it from it. */
export async function whetherStored(
  { what }: Pick<HttpRequest, 'what'>,
  answer: HttpAnswer,
  expected: string | undefined,
): Promise<boolean> {
  await readToEnd(answer);
  switch (answer.status) {
    case 412:
      return false;
    case 404:
      throw containerAbsent(what);
    case 202:
      throw transient(`${what}: HTTP 202, an object of a later time is there`, { code: 'server-error' });
    default: {
      const etag = etagOf(answer);
      if (etag === expected) return true;
      throw permanent(`${what}: the store holds MD5 ${etag}, not ${expected}`, { code: 'checksum-mismatch' });
    }
  }
}

const WORDS_BYTES = 16_384;

/** A few words that nobody needs, read so that the connection can be kept: those that come after the head. */
export async function readToEnd(answer: HttpAnswer): Promise<void> {
  if (answer.length !== null && answer.length > 0 && answer.length <= WORDS_BYTES)
    await answer.bytes(WORDS_BYTES);
  else answer.discard();
}

export function containerAbsent(what: string): ConvoyError {
  return permanent(`${what}: the container is absent`, { code: 'container-absent' });
}
