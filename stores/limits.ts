import { permanent } from '../runtime/errors.js';
import { checkKey } from './key.js';
import type { ObjectProperties, StoreLimits } from './store.js';

/** What most stores hold: an adapter changes what differs. `prefix` is the location's, without a slash at its end. */
export function commonLimits(prefix: string): StoreLimits {
  return {
    keyBytes: 1024 - (prefix === '' ? 0 : Buffer.byteLength(prefix) + 1),
    partBytes: null,
    writeBytes: 5 * 1024 ** 3,
    metadataName: /^[a-z0-9][a-z0-9._-]*$/,
  };
}

/**
 * Refuses what the store cannot hold, `permanent` with `name-refused`, `too-large` or `metadata-refused`: to be
 * called before anything is sent. `size` in bytes.
 */
export function refuseUnheld(
  limits: StoreLimits,
  key: string,
  size: number,
  properties: ObjectProperties,
): void {
  checkHeldKey(limits, key);
  if (size > limits.writeBytes)
    throw permanent(`${key}: ${size} bytes, the store takes ${limits.writeBytes}`, { code: 'too-large' });
  for (const [name, value] of Object.entries(properties.metadata)) {
    if (!limits.metadataName.test(name))
      throw permanent(`${key}: the store cannot hold the metadata name ${JSON.stringify(name)}`, {
        code: 'metadata-refused',
      });
    refuseUncarried(key, `the metadata ${name}`, value);
  }
  for (const [name, value] of Object.entries(properties.headers)) refuseUncarried(key, name, value);
  if (properties.contentType !== null) refuseUncarried(key, 'content-type', properties.contentType);
}

/** Other characters may be sent in one encoding and signed in another: then the credentials seem to be wrong. */
function refuseUncarried(key: string, what: string, value: string): void {
  if (/^[\x20-\x7e]*$/.test(value) && value === value.trim()) return;
  throw permanent(`${key}: ${what} has a value that no HTTP header can carry: printable ASCII only`, {
    code: 'metadata-refused',
  });
}

/** Of one UTF-16 unit in UTF-8. */
const MOST_BYTES = 3;

/** A key that the store could have: everything else is `name-refused`, for reading too. */
export function checkHeldKey(limits: StoreLimits, key: string): void {
  checkKey(key);
  const { keyBytes, partBytes } = limits;
  // However it is encoded.
  if (key.length * MOST_BYTES <= Math.min(keyBytes, partBytes ?? keyBytes)) return;
  if (Buffer.byteLength(key) > keyBytes)
    throw refusedName(key, `is longer than ${keyBytes} bytes, the most the store holds below this location`);
  if (partBytes !== null && key.split('/').some((part) => Buffer.byteLength(part) > partBytes))
    throw refusedName(key, `has a part of more than ${partBytes} bytes, the most the store holds`);
}

function refusedName(key: string, why: string): Error {
  return permanent(`the name ${JSON.stringify(key.slice(0, 200))} ${why}`, { code: 'name-refused' });
}
