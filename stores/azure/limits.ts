import { permanent } from '../../runtime/errors.js';
import { checkHeldKey, commonLimits, refuseUnheld } from '../limits.js';
import type { ObjectProperties, StoreLimits } from '../store.js';

/*
 * https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
 * https://learn.microsoft.com/azure/storage/blobs/scalability-targets
 */

/** Of one Put Blob. */
const WRITE_BYTES = 5_000 * 1024 ** 2;
const MAX_SEGMENTS = 254;
/** Names and values of an object's metadata together. */
const METADATA_BYTES = 8_192;
const CONTAINER = /^(?:\$root|\$web|\$logs|(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*)$/;

/** What the blob service holds below a prefix. Metadata names are C# identifiers. */
export function azureLimits(prefix: string): StoreLimits {
  return { ...commonLimits(prefix), writeBytes: WRITE_BYTES, metadataName: /^[a-z_][a-z0-9_]*$/ };
}

export function isContainerName(name: string): boolean {
  return CONTAINER.test(name);
}

/** Refuses a name that the service would refuse or might change: dots at the end of parts get lost. */
export function refuseName(limits: StoreLimits, prefix: string, key: string): void {
  checkHeldKey(limits, key);
  const parts = key.split('/');
  const above = prefix === '' ? 0 : prefix.split('/').length;
  if (parts.length + above > MAX_SEGMENTS)
    throw permanent(
      `the name ${JSON.stringify(key.slice(0, 200))} has more than ${MAX_SEGMENTS - above} parts, the most the store holds below this location`,
      { code: 'name-refused' },
    );
  if (parts.some((part) => part.endsWith('.')))
    throw permanent(
      `the name ${JSON.stringify(key.slice(0, 200))} has a part that ends with a dot, which the service may drop`,
      { code: 'name-refused' },
    );
}

/** Refuses what cannot be written: the name, the size in bytes, the metadata. */
export function refuseObject(
  limits: StoreLimits,
  prefix: string,
  key: string,
  size: number,
  properties: ObjectProperties,
): void {
  refuseName(limits, prefix, key);
  refuseUnheld(limits, key, size, properties);
  let bytes = 0;
  for (const [name, value] of Object.entries(properties.metadata)) bytes += name.length + value.length;
  if (bytes > METADATA_BYTES)
    throw permanent(`${key}: ${bytes} bytes of metadata, the store takes ${METADATA_BYTES}`, {
      code: 'metadata-refused',
    });
}
