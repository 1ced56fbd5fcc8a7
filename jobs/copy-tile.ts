import { aborted, ConvoyError, kindOf, permanent, transient } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Side } from '../stores/environment.js';
import type { ObjectInfo, ReadableStore, WritableStore } from '../stores/store.js';
import { formatMagic, MAX_DESCRIPTOR_BYTES, readDescriptor } from './descriptor.js';
import { md5Of } from './md5.js';
import { descriptorKey, tileAt, tileKey } from './pyramid.js';
import { failedStep, type ServerSideCopy, StepError, step } from './server-side.js';
import type { Claim, ImageGeometry } from './work-queue.js';

/** A tile over this is not a tile. */
export const MAX_TILE_BYTES = 64 * 1024 * 1024;

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

/** Of an item that was not written, because the lease of its claim had run out by the worker's own reckoning. */
const LEASE_OVER = 'lease-over';

export function isLeaseOver(error: unknown): boolean {
  return error instanceof ConvoyError && error.code === LEASE_OVER;
}

export function leaseOver(): ConvoyError {
  return aborted('the lease has run out', { code: LEASE_OVER });
}

export interface CopyStores {
  readonly source: ReadableStore;
  readonly destination: WritableStore;
  /** null: every byte is carried. */
  readonly serverSide: ServerSideCopy | null;
  readonly log: Log;
}

/**
 * Copies one item of a claim: a tile, or in lane `descriptors` the image's descriptor, byte for byte under the
 * same key. Done means: a whole body of the promised length, that begins like the format it claims, has the MD5
 * the source tells if it tells one, and is durable at the destination. With `lookFirst` a tile that is there already,
 * by length and MD5 of both stores, is skipped.
 *
 * Writes nothing once `leased` says no. Rejects only then (`isLeaseOver`), and when the signal fired.
 */
export async function copyItem(
  claim: Claim,
  index: number,
  stores: CopyStores,
  signal: AbortSignal,
  leased: () => boolean,
): Promise<CopyOutcome> {
  try {
    const key = keyOf(claim, index);
    if (claim.lane === 'tiles') {
      const found = claim.lookFirst ? await look(key, stores, signal) : null;
      if (found !== null) return { kind: 'skipped', md5: found };
      const copied = await copyServerSide(claim, key, stores, signal, leased);
      if (copied !== null) return { kind: 'done', ...copied };
    }
    return await carry(claim, key, stores, signal, leased);
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

/** The MD5 of a tile that is at the destination as the source has it, else null. */
async function look(
  key: string,
  { source, destination, log }: CopyStores,
  signal: AbortSignal,
): Promise<string | null> {
  const there = await lookAt('destination', destination);
  if (there === null || there.md5 === null) return null;
  const original = await lookAt('source', source);
  if (original === null || original.md5 === null) return null;
  if (there.size === original.size && there.md5 === original.md5) return there.md5;
  log.info({ key }, 'the destination has other bytes under this key: they are replaced');
  return null;

  /** What a store will not tell is found out by carrying the tile. */
  function lookAt(side: Side, store: ReadableStore): Promise<ObjectInfo | null> {
    return step('look', [side], () => store.head(key, signal)).catch((error: unknown) => {
      if (error instanceof StepError && kindOf(error.cause) === 'permanent') return null;
      throw error;
    });
  }
}

/** null: it has to be carried. */
function copyServerSide(
  claim: Claim,
  key: string,
  { serverSide }: CopyStores,
  signal: AbortSignal,
  leased: () => boolean,
): ReturnType<ServerSideCopy['copy']> | null {
  if (serverSide === null) return null;
  const { attempt, image } = claim;
  const check = (start: Uint8Array): void => {
    checkTile(key, start, image.format);
    if (!leased()) throw leaseOver();
  };
  return serverSide.copy({ key, attempt, limit: MAX_TILE_BYTES, check }, signal);
}

async function carry(
  claim: Claim,
  key: string,
  { source, destination }: CopyStores,
  signal: AbortSignal,
  leased: () => boolean,
): Promise<CopyOutcome> {
  const isTile = claim.lane === 'tiles';
  let writing = false;
  try {
    const object = await source.read(key, isTile ? MAX_TILE_BYTES : MAX_DESCRIPTOR_BYTES, signal);
    const { bytes, contentType, headers, metadata } = object;
    const md5 = await md5Of(bytes);
    if (object.md5 !== null && object.md5 !== md5)
      throw transient(`${key}: the bytes do not have the MD5 the source tells`, {
        code: 'checksum-mismatch',
      });
    if (isTile) checkTile(key, bytes, claim.image.format);
    else checkDescriptor(key, bytes, claim.image);
    if (!leased()) throw leaseOver();
    writing = true;
    await destination.write(key, bytes, { contentType, headers, metadata, md5 }, signal);
    return { kind: 'done', bytes: bytes.length, md5 };
  } catch (error) {
    throw writing ? failedStep('write', ['destination'], error) : failedStep('read', ['source'], error);
  }
}

/** The constant word a failure is stored with: `http-404`, `write-disk-full`, `copy-refused` ... */
function reasonOf(error: ConvoyError, step: StepError['step']): string {
  if (error.code === 'copy-refused' || error.code === 'no-source-checksum') return error.code;
  const word = error.status === undefined ? (error.code ?? 'unknown') : `http-${error.status}`;
  return step === 'read' ? word : `${step}-${word}`;
}

function keyOf({ lane, image }: Claim, index: number): string {
  return lane === 'tiles' ? tileKey(image.id, tileAt(image, index), image.format) : descriptorKey(image.id);
}

/** Throws `not-an-image` if no tile of the format begins so. */
export function checkTile(key: string, bytes: Uint8Array, format: string): void {
  const magic = formatMagic(format);
  if (magic === undefined || magic.some((byte, i) => bytes[i] !== byte))
    throw permanent(`${key}: the body does not begin like a ${format}`, { code: 'not-an-image' });
}

/** The tiles were numbered by the descriptor the plan saw: throws if this one would belong to another image. */
export function checkDescriptor(key: string, bytes: Uint8Array, image: ImageGeometry): void {
  const reading = readDescriptor(bytes);
  if ('refusal' in reading)
    throw permanent(`${key}: ${reading.refusal.detail}`, { code: reading.refusal.reason });
  const now = reading.geometry;
  const same = (['width', 'height', 'tileSize', 'overlap', 'format'] as const).every(
    (part) => now[part] === image[part],
  );
  if (!same) throw permanent(`${key}: not the descriptor that was planned`, { code: 'descriptor-changed' });
}
