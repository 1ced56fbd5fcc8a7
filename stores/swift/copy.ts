import { ConvoyError, permanent } from '../../runtime/errors.js';
import type { HttpRequest } from '../http-client.js';
import type { CopyAddress, WriteProperties } from '../store.js';
import type { SwiftAccount } from './account.js';
import { isHeld, objectUnder, type RemoveSegments, segmentsOf } from './large-objects.js';
import { accountInCluster } from './names.js';
import { PUT_STATUSES, putHeaders, readToEnd, whetherStored } from './put.js';

/** What a copy within the cluster may take longer for each of its bytes: 10 MB a second are the least. */
const COPY_BYTES_PER_MS = 10_000;
const REFUSALS: readonly number[] = [403, 405, 413, 501];

/**
 * Swift's COPY, asked of the destination. It is done on the condition that the source's ETag is the expected MD5, so
 * that other bytes are never begun with; then the destination's object servers compute theirs from what they wrote,
 * which is what the PUT answers; and a HEAD shows the size. `x-fresh-metadata`: the properties are those of
 * `expected`, none of the source's (a date to be deleted at, for one). `path` is below the account.
 */
export async function copyWithin(
  account: SwiftAccount,
  removeSegments: RemoveSegments,
  address: CopyAddress,
  path: string,
  expected: WriteProperties & { readonly size: number },
  timeoutMs: number,
  signal: AbortSignal | undefined,
  expectContainer: () => Promise<void>,
): Promise<void> {
  const ours = await account.storageUrl(signal);
  const from = address.kind === 'swift' ? accountInCluster(address.storageUrl, ours) : null;
  const what = `COPY to swift:/${path}`;
  if (address.kind !== 'swift' || from === null)
    throw permanent(`${what}: the source is not in this cluster`, { code: 'copy-refused' });

  const held = await objectUnder(account, path, signal);
  if (held !== null && isHeld(held, expected, expected.size)) return removeSegments([], signal);
  const replaced = held?.isLarge ? await segmentsOf(account, path, signal) : [];
  const headers = {
    ...putHeaders(expected, expected.md5),
    'x-copy-from': address.path,
    'x-copy-from-account': from,
    'x-fresh-metadata': 'true',
    'if-match': `"${expected.md5}"`,
    'content-length': '0',
  };
  const request: HttpRequest = {
    ...{ method: 'PUT', path, headers, what, accept: [...PUT_STATUSES, 412], signal },
    timeoutMs: timeoutMs + expected.size / COPY_BYTES_PER_MS,
  };
  await account
    .send(request, async (answer) => {
      if (answer.status === 404) {
        await readToEnd(answer);
        await expectContainer();
        throw permanent(`${what}: HTTP 404, there is no such source`, { code: 'not-found', status: 404 });
      }
      if (!(await whetherStored(request, answer, expected.md5)))
        throw permanent(`${what}: the source has not the MD5 ${expected.md5}`, { code: 'checksum-mismatch' });
    })
    .catch(explainRefusal);
  await expectSize(account, path, expected, signal);
  await removeSegments(replaced, signal);
}

/** A source that this account may not read, or that is too large for one copy, can still be carried. */
function explainRefusal(error: unknown): never {
  if (error instanceof ConvoyError && error.status !== undefined && REFUSALS.includes(error.status))
    throw permanent(error.message, { code: 'copy-refused', status: error.status });
  throw error;
}

async function expectSize(
  account: SwiftAccount,
  path: string,
  { md5, size }: { readonly md5: string; readonly size: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const held = (await objectUnder(account, path, signal))?.info;
  if (held?.md5 !== md5 || held.size !== size)
    throw permanent(
      `swift:/${path}: ${held?.size} bytes of MD5 ${held?.md5} after a copy, expected ${size} of ${md5}`,
      { code: 'checksum-mismatch' },
    );
}
