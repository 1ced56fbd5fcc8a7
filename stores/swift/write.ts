import { hash } from 'node:crypto';
import type { WriteProperties } from '../store.js';
import type { SwiftAccount } from './account.js';
import { isHeld, objectUnder, type RemoveSegments, segmentsOf } from './large-objects.js';
import { putBytes, putHeaders } from './put.js';

/** Of a larger body it pays to look before it is sent. */
const LOOK_FIRST_BYTES = 256 * 1024;

/**
 * Writes small objects, of which almost every one is new: one request says so, and Swift refuses it where something
 * is. Then a HEAD tells what: the very same (an answer was lost, or a migration runs again) is left as it is, and of
 * a large object the segments go when the new object is there. `path` is below the account.
 */
export function smallWriter(account: SwiftAccount, removeSegments: RemoveSegments) {
  /** Whether the last write met an object: then the next looks first, instead of sending its bytes twice. */
  let overwriting = false;

  return async (
    path: string,
    bytes: Uint8Array,
    properties: WriteProperties,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const headers = putHeaders(properties, properties.md5);
    const alone = { ...headers, 'if-none-match': '*' };
    const looksFirst = overwriting || bytes.length > LOOK_FIRST_BYTES;
    if (!looksFirst && (await putBytes(account, path, bytes, alone, signal))) return;
    const held = await objectUnder(account, path, signal);
    overwriting = held !== null;
    if (
      held !== null &&
      isHeld(held, properties, bytes.length) &&
      hash('md5', bytes, 'hex') === properties.md5
    )
      return removeSegments([], signal);
    const replaced = held?.isLarge ? await segmentsOf(account, path, signal) : [];
    await putBytes(account, path, bytes, headers, signal);
    await removeSegments(replaced, signal);
  };
}
