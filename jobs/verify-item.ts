import { ConvoyError, kindOf, permanent, transient } from '../runtime/errors.js';
import type { Side } from '../stores/environment.js';
import type { ReadableStore } from '../stores/store.js';
import { type CopyOutcome, checkDescriptor, checkTile, MAX_TILE_BYTES } from './copy-tile.js';
import { MAX_DESCRIPTOR_BYTES } from './descriptor.js';
import { md5Of } from './md5.js';
import { descriptorKey, tileAt, tileKey } from './pyramid.js';
import { StepError, step } from './server-side.js';
import { planCheck } from './verify-plan.js';
import type { CheckedImage, Claim, Image } from './work-queue.js';

export interface VerifyStores {
  readonly destination: ReadableStore;
  /** Opened when first asked for: a round that looks at every tile needs none. */
  readonly source: () => Promise<ReadableStore>;
}

/** The key of a check: of a tile, or of the descriptor for the image as a whole. */
export function checkKey(image: Image, index: number): string {
  if (index === image.tiles) return descriptorKey(image.id);
  return tileKey(image.id, tileAt(image, index), image.format);
}

/**
 * Looks at one item of a claim in lane `checks`. What is not there, or is not what was stored, is a failure with
 * `restart`; what a store refuses to tell is one without. Rejects only when the signal fired.
 */
export async function verifyItem(
  claim: Claim & { readonly check: CheckedImage },
  index: number,
  stores: VerifyStores,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const { image, check } = claim;
  const plan = planCheck(check, image, index);
  const key = checkKey(image, index);
  try {
    switch (plan.kind) {
      case 'skip':
        return { kind: 'skipped', md5: null, ...(plan.blind ? { blind: true } : {}) };
      case 'differs':
        throw new Finding(
          'digest-differs',
          `${key}: the tiles do not have the digest of what was stored for the image`,
        );
      case 'descriptor':
        return await readDescriptorOf(image, key, stores.destination, signal);
      case 'tile':
        return await (check.options.read ? readTile : headTile)(claim, key, plan.compare, stores, signal);
    }
  } catch (error) {
    if (kindOf(error) === 'aborted') throw error;
    if (error instanceof Finding) return wrong(error);
    const { sides, cause } = error instanceof StepError ? error : new StepError('look', [], error);
    const known = cause instanceof ConvoyError ? cause : permanent('a bug in convoy', { code: 'bug', cause });
    const word = known.status === undefined ? (known.code ?? 'unknown') : `http-${known.status}`;
    return { kind: 'failed', sides, reason: sides[0] === 'source' ? `source-${word}` : word, error: known };
  }
}

/** An object that is wrong at the destination; the reason is a constant word. */
class Finding extends Error {
  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

function wrong({ reason, message }: Finding): CopyOutcome {
  const error = permanent(message, { code: reason });
  return { kind: 'failed', sides: ['destination'], reason, error, restart: true };
}

async function headTile(
  _claim: Claim,
  key: string,
  compare: boolean,
  { destination, source }: VerifyStores,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const there = await look('destination', () => destination.head(key, signal));
  if (there === null) throw missing(key);
  if (there.size === 0) throw new Finding('empty', `${key}: the object at the destination is empty`);
  if (compare) {
    const original = await look('source', async () => (await source()).head(key, signal));
    if (original === null) throw new StepError('look', ['source'], sourceMissing(key));
    const sameMd5 = there.md5 === null || original.md5 === null || there.md5 === original.md5;
    if (there.size !== original.size || !sameMd5) throw different(key);
  }
  return { kind: 'done', bytes: 0, md5: there.md5, ...(there.md5 === null ? { blind: true } : {}) };
}

async function readTile(
  { image, attempt, migration }: Claim,
  key: string,
  compare: boolean,
  { destination, source }: VerifyStores,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const there = await readOf(key, MAX_TILE_BYTES, destination, signal);
  findingOf(() => checkTile(key, there.bytes, image.format));
  const md5 = await md5Of(there.bytes);
  if (there.md5 !== null && there.md5 !== md5) {
    // Damaged on the way as often as in the store: only what stays so is the store's.
    const message = `${key}: the bytes do not have the MD5 that the destination tells`;
    if (attempt + 1 >= migration.maxAttempts) throw new Finding('checksum-mismatch', message);
    throw new StepError('read', ['destination'], transient(message, { code: 'checksum-mismatch' }));
  }
  if (compare) {
    const original = await look('source', async () => (await source()).read(key, MAX_TILE_BYTES, signal));
    if (
      !Buffer.from(original.bytes.buffer, original.bytes.byteOffset, original.bytes.length).equals(
        there.bytes,
      )
    )
      throw different(key);
  }
  return { kind: 'done', bytes: there.bytes.length, md5 };
}

async function readDescriptorOf(
  image: Image,
  key: string,
  destination: ReadableStore,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const { bytes } = await readOf(key, MAX_DESCRIPTOR_BYTES, destination, signal);
  findingOf(() => checkDescriptor(key, bytes, image));
  return { kind: 'done', bytes: bytes.length, md5: null };
}

/** The object, which is there and not empty. */
async function readOf(key: string, limit: number, destination: ReadableStore, signal: AbortSignal) {
  const object = await look('destination', () => destination.read(key, limit, signal)).catch(
    (error: unknown) => {
      const code = error instanceof StepError && (error.cause as { readonly code?: string }).code;
      if (code === 'not-found') throw missing(key);
      if (code === 'too-large') throw new Finding('too-large', `${key}: larger than ${limit} bytes`);
      throw error;
    },
  );
  if (object.bytes.length === 0) throw new Finding('empty', `${key}: the object at the destination is empty`);
  return object;
}

function look<T>(side: Side, ask: () => Promise<T>): Promise<T> {
  return step('look', [side], ask);
}

/** What the bytes are refused for is found at the destination. */
function findingOf(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof ConvoyError) throw new Finding(error.code ?? 'different', error.message);
    throw error;
  }
}

const missing = (key: string): Finding =>
  new Finding('missing', `${key}: there is no such object at the destination`);
const different = (key: string): Finding =>
  new Finding('different', `${key}: the destination has other bytes than the source`);
const sourceMissing = (key: string): ConvoyError =>
  permanent(`${key}: there is no such object at the source`, { code: 'missing' });
