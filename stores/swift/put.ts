import { type ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { HttpAnswer, HttpRequest } from '../http-client.js';
import type { SwiftAccount } from './account.js';
import { etagOf } from './answers.js';

export const METADATA_PREFIX = 'x-object-meta-';
/** What `whetherStored` judges. */
export const PUT_STATUSES: readonly number[] = [201, 202, 404];
const CONDITIONAL_STATUSES: readonly number[] = [...PUT_STATUSES, 412];

/** What a body of this many bytes may take longer, in ms: 250 kB a second are the least. */
export function patienceMs(bytes: number): number {
  return Math.ceil(bytes / 250);
}

/**
 * Stores bytes under their MD5: Swift refuses others, and what it answers is what it computed. False if the headers
 * asked that nothing be there (`if-none-match: *`), and something is. `path` is below the account.
 */
export async function putBytes(
  account: SwiftAccount,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const request: HttpRequest = {
    method: 'PUT',
    path,
    headers,
    body,
    what: `PUT swift:/${path}`,
    accept: headers['if-none-match'] === undefined ? PUT_STATUSES : CONDITIONAL_STATUSES,
    timeoutMs: timeoutMs + patienceMs(body.length),
    signal,
  };
  return account.send(request, (answer) => whetherStored(request, answer, headers.etag));
}

/** Whether a PUT was done, by the checksum that Swift answers; false if a condition kept it from it. */
export function whetherStored(
  { what }: Pick<HttpRequest, 'what'>,
  answer: HttpAnswer,
  expected: string | undefined,
): boolean {
  answer.discard();
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

export function containerAbsent(what: string): ConvoyError {
  return permanent(`${what}: the container is absent`, { code: 'container-absent' });
}
