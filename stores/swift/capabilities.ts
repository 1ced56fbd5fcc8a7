import { permanent } from '../../runtime/errors.js';
import { commonLimits, refuseUnheld } from '../limits.js';
import type { ObjectProperties, StoreLimits } from '../store.js';

/** What a cluster holds, as it tells at /info, below one location. */
export interface SwiftCapabilities {
  readonly limits: StoreLimits;
  /** Of one metadata value, in bytes. */
  readonly metadataValueBytes: number;
  readonly metadataCount: number;
  /** Of all metadata names and values of an object. */
  readonly metadataBytes: number;
  /** Of a large object. */
  readonly segments: number;
  readonly segmentBytes: number;
}

const MiB = 1024 ** 2;

/** From the parsed answer; what it does not tell is as Swift has it by default. `prefix`: the location's. */
export function capabilitiesOf(info: unknown, prefix: string): SwiftCapabilities {
  const common = commonLimits(prefix);
  const swift = (name: string, usual: number): number => told(info, 'swift', name) ?? usual;
  return {
    limits: {
      ...common,
      keyBytes: common.keyBytes + swift('max_object_name_length', 1024) - 1024,
      writeBytes: swift('max_file_size', common.writeBytes),
      // `_` comes back as `-`: to Swift they are one.
      metadataName: new RegExp(`^[a-z0-9][a-z0-9.-]{0,${swift('max_meta_name_length', 128) - 1}}$`),
    },
    metadataValueBytes: swift('max_meta_value_length', 256),
    metadataCount: swift('max_meta_count', 90),
    metadataBytes: swift('max_meta_overall_size', 4096),
    segments: told(info, 'slo', 'max_manifest_segments') ?? 1000,
    segmentBytes: told(info, 'slo', 'min_segment_size') ?? 1,
  };
}

function told(info: unknown, section: string, name: string): number | null {
  const value = (info as Record<string, Record<string, unknown> | undefined> | null)?.[section]?.[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;
}

/** As `refuseUnheld`, and Swift's limits of how much metadata an object may have. */
export function refuseUnheldBySwift(
  capabilities: SwiftCapabilities,
  key: string,
  size: number,
  properties: ObjectProperties,
): void {
  refuseUnheld(capabilities.limits, key, size, properties);
  const { metadataValueBytes, metadataCount, metadataBytes } = capabilities;
  const entries = Object.entries(properties.metadata);
  let bytes = 0;
  for (const [name, value] of entries) {
    bytes += name.length + value.length;
    if (value.length > metadataValueBytes)
      throw refused(
        key,
        `the metadata ${name} has ${value.length} bytes, the store holds ${metadataValueBytes}`,
      );
  }
  if (entries.length > metadataCount)
    throw refused(key, `${entries.length} metadata names, the store holds ${metadataCount}`);
  if (bytes > metadataBytes)
    throw refused(key, `${bytes} bytes of metadata in all, the store holds ${metadataBytes}`);
}

function refused(key: string, why: string): Error {
  return permanent(`${key}: ${why}`, { code: 'metadata-refused' });
}

/** Bytes of each part of a large object: at `least`, or as many whole MiB as the manifest's length demands. */
export function partBytesOf(
  { segments, segmentBytes, limits }: SwiftCapabilities,
  size: number,
  least: number,
): number {
  const needed = Math.ceil(size / segments / MiB) * MiB;
  return Math.min(Math.max(least, segmentBytes, needed), limits.writeBytes);
}
