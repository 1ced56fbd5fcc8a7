import { createHash } from 'node:crypto';
import { ConvoyError, kindOf, permanent, transient } from '../runtime/errors.js';
import type { Side } from '../stores/environment.js';
import type { ReadableStore, WritableStore } from '../stores/store.js';
import { formatMagic, MAX_DESCRIPTOR_BYTES, readDescriptor } from './descriptor.js';
import { descriptorKey, tileAt, tileKey } from './pyramid.js';
import { type ServerSideCopy, StepError, step } from './server-side.js';
import type { Claim } from './work-queue.js';

/** A tile over this is not a tile. */
const MAX_TILE_BYTES = 64 * 1024 * 1024;

/** What became of one item of a claim. `md5`: of the bytes that are at the destination; null adds nothing to the digest. */
export type CopyOutcome =
  | {
      readonly kind: 'done';
      /** Carried, or copied by the destination itself. */
      readonly bytes: number;
      readonly md5: string | null;
      readonly blind?: true;
    }
  /** `blind`, only in lane `checks`: what the destination holds is not known to the last tile. */
  | { readonly kind: 'skipped'; readonly md5: string | null; readonly blind?: true }
  | {
      readonly kind: 'failed';
      /** Whose trouble it may be, likeliest first: a copy that the destination makes itself reads the source too. */
      readonly sides: readonly Side[];
      readonly reason: string;
      readonly error: ConvoyError;
      /** Only in lane `checks`: the image has to be copied again. */
      readonly restart?: true;
    };

export interface CopyStores {
  readonly source: ReadableStore;
  readonly destination: WritableStore;
  /** null: every byte is carried. */
  readonly serverSide: ServerSideCopy | null;
}

/**
 * Copies one item of a claim: a tile, or in lane `descriptors` the image's descriptor, byte for byte under the
 * same key. Done means: a whole body of the promised length, that begins like the format it claims, has the MD5
 * the source tells if it tells one, and is durable at the destination. Rejects only when the signal fired.
 */
export async function copyItem(
  claim: Claim,
  index: number,
  stores: CopyStores,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  try {
    const item = itemOf(claim, index);
    const copied =
      claim.lane === 'tiles' && stores.serverSide !== null
        ? await stores.serverSide.copy({ ...item, attempt: claim.attempt }, signal)
        : null;
    return { kind: 'done', ...(copied ?? (await carry(item, stores, signal))) };
  } catch (error) {
    if (kindOf(error) === 'aborted') throw error;
    const {
      step: name,
      sides,
      cause,
    } = error instanceof StepError ? error : new StepError('read', [], error);
    const known = cause instanceof ConvoyError ? cause : permanent('a bug in convoy', { code: 'bug', cause });
    return { kind: 'failed', sides, reason: reasonOf(known, name), error: known };
  }
}

async function carry(
  { key, limit, check }: Item,
  { source, destination }: CopyStores,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly md5: string }> {
  const { object, md5 } = await step('read', ['source'], async () => {
    const object = await source.read(key, limit, signal);
    const md5 = createHash('md5').update(object.bytes).digest('hex');
    if (object.md5 !== null && object.md5 !== md5)
      throw transient(`${key}: the bytes do not have the MD5 the source tells`, {
        code: 'checksum-mismatch',
      });
    check(object.bytes);
    return { object, md5 };
  });
  const { bytes, contentType, headers, metadata } = object;
  await step('write', ['destination'], () =>
    destination.write(key, bytes, { contentType, headers, metadata, md5 }, signal),
  );
  return { bytes: bytes.length, md5 };
}

/** The constant word a failure is stored with: `http-404`, `write-disk-full`, `copy-refused` ... */
function reasonOf(error: ConvoyError, step: StepError['step']): string {
  if (error.code === 'copy-refused' || error.code === 'no-source-checksum') return error.code;
  const word = error.status === undefined ? (error.code ?? 'unknown') : `http-${error.status}`;
  return step === 'read' ? word : `${step}-${word}`;
}

interface Item {
  readonly key: string;
  /** Bytes. */
  readonly limit: number;
  /** Throws if these cannot be the bytes of the item. */
  check(bytes: Uint8Array): void;
}

function itemOf(claim: Claim, index: number): Item {
  const { image } = claim;
  if (claim.lane === 'tiles') {
    const key = tileKey(image.id, tileAt(image, index), image.format);
    return { key, limit: MAX_TILE_BYTES, check: (bytes) => checkTile(key, bytes, image.format) };
  }
  const key = descriptorKey(image.id);
  return { key, limit: MAX_DESCRIPTOR_BYTES, check: (bytes) => checkDescriptor(key, bytes, claim) };
}

function checkTile(key: string, bytes: Uint8Array, format: string): void {
  const magic = formatMagic(format);
  if (magic === undefined || magic.some((byte, i) => bytes[i] !== byte))
    throw permanent(`${key}: the body does not begin like a ${format}`, { code: 'not-an-image' });
}

/** The tiles were numbered by the descriptor the plan saw: another one would belong to another image. */
function checkDescriptor(key: string, bytes: Uint8Array, { image }: Claim): void {
  const reading = readDescriptor(bytes);
  if ('refusal' in reading)
    throw permanent(`${key}: ${reading.refusal.detail}`, { code: reading.refusal.reason });
  const now = reading.geometry;
  const same = (['width', 'height', 'tileSize', 'overlap', 'format'] as const).every(
    (part) => now[part] === image[part],
  );
  if (!same) throw permanent(`${key}: not the descriptor that was planned`, { code: 'descriptor-changed' });
}
