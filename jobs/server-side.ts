import { ConvoyError, kindOf, messageOf, permanent } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Side } from '../stores/environment.js';
import { can, type Store, type StoreErrorCode } from '../stores/store.js';
import { SOME_KEY } from './preflight.js';
import type { ServerSide } from './work-queue.js';

/** Copies tiles from a source into a destination that does it by itself. */
export interface ServerSideCopy {
  /**
   * Resolves when the destination holds the tile, verified against the MD5 the source itself tells; null if the
   * worker has to carry it. Rejects with a `StepError`, or `aborted`.
   */
  copy(
    tile: TileToCopy,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number; readonly md5: string } | null>;
}

export interface TileToCopy {
  readonly key: string;
  /** Attempts already made for it. */
  readonly attempt: number;
  /** Bytes. */
  readonly limit: number;
  /** Throws if these cannot be the first bytes of the tile. */
  check(start: Uint8Array): void;
}

/**
 * Between stores that were asked already, and so have logged in: rejects `permanent`/`copy-refused` if the destination
 * has to copy by itself and cannot from this source, though both have the role. Asks for no more than a token.
 */
export async function insistOnCopies(
  mode: ServerSide,
  { source, destination }: { readonly source: Store; readonly destination: Store },
  signal?: AbortSignal,
): Promise<void> {
  if (mode !== 'always') return;
  const canBoth = can(source, 'copyAddress') && can(destination, 'canCopyFrom');
  if (!canBoth || !destination.canCopyFrom(await source.copyAddress(SOME_KEY, signal)))
    throw cannotCopy(source, destination);
}

/** What failed, and whose trouble it may be, likeliest first. */
export class StepError extends Error {
  constructor(
    readonly step: 'look' | 'read' | 'write' | 'copy',
    readonly sides: readonly Side[],
    override readonly cause: unknown,
  ) {
    super(messageOf(cause));
  }
}

/** Enough for every format's first bytes. */
const START_BYTES = 16;
/** Troubles that carrying the bytes would meet as well. */
const STORE_WIDE: readonly StoreErrorCode[] = ['disk-full', 'wrong-credentials', 'container-absent'];

/**
 * null where nothing is ever copied so: not asked for, or (with `auto`) one of the stores cannot. Whether two that can
 * will do it for each other is the destination's decision; with `auto` its first refusal holds for the whole route,
 * with `always` `insistOnCopies` asks for it first.
 *
 * With `auto` a tile is carried if the source gives no beginning of it or tells no MD5 to verify by, if a copy of it
 * failed once before, and if the destination will have no such copy; carrying either heals it or tells the true reason.
 *
 * Throws `permanent`/`copy-refused` for `always` between stores that cannot.
 */
export function serverSideCopy(
  mode: ServerSide,
  { source, destination, log }: { source: Store; destination: Store; log: Log },
): ServerSideCopy | null {
  if (mode === 'never') return null;
  if (!can(source, 'copyAddress', 'readStart') || !can(destination, 'copyFrom', 'canCopyFrom')) {
    if (mode === 'auto') return null;
    throw cannotCopy(source, destination);
  }
  let carried = false;

  const copyTile = async ({ key, limit, check }: TileToCopy, signal: AbortSignal) => {
    const address = await step('read', ['source'], () => source.copyAddress(key, signal));
    const start = await step('read', ['source'], async () => {
      if (!destination.canCopyFrom(address)) return null;
      const found = await source.readStart(key, START_BYTES, signal);
      if (found === null)
        throw permanent(`${key}: there is no such object`, { code: 'not-found', status: 404 });
      if (found.size > limit) throw permanent(`${key}: larger than ${limit} bytes`, { code: 'too-large' });
      check(found.bytes);
      return found;
    });
    return step('copy', ['destination', 'source'], async () => {
      if (start === null) throw cannotCopy(source, destination);
      const { size, md5, contentType, headers, metadata } = start;
      if (md5 === null)
        throw permanent(`${key}: the source tells no MD5 to verify a copy by`, {
          code: 'no-source-checksum',
        });
      await destination.copyFrom(address, key, { size, md5, contentType, headers, metadata }, signal);
      return { bytes: size, md5 };
    });
  };

  return {
    async copy(tile, signal) {
      if (carried || (mode === 'auto' && tile.attempt > 0)) return null;
      try {
        return await copyTile(tile, signal);
      } catch (error) {
        if (mode === 'always' || !(error instanceof StepError) || !carryingMayHelp(error)) throw error;
        if (codeOf(error.cause) === 'copy-refused' && !carried) {
          carried = true;
          log.info({}, `the tiles are carried, not copied by the destination itself: ${error.message}`);
        } else log.debug({ key: tile.key, code: codeOf(error.cause) }, `carried: ${error.message}`);
        return null;
      }
    },
  };
}

/** Runs one step of a copy; its error gets to know which it was. */
export async function step<T>(
  name: StepError['step'],
  sides: readonly Side[],
  body: () => Promise<T>,
): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw failedStep(name, sides, error);
  }
}

/** What to throw when a step of a copy threw this. */
export function failedStep(name: StepError['step'], sides: readonly Side[], error: unknown): unknown {
  return kindOf(error) === 'aborted' ? error : new StepError(name, sides, error);
}

function carryingMayHelp({ step, cause }: StepError): boolean {
  // Such as a server that gives no part of an object.
  if (step === 'read') return kindOf(cause) === 'permanent' && codeOf(cause) === 'rejected';
  return (
    step === 'copy' && kindOf(cause) === 'permanent' && !STORE_WIDE.some((code) => code === codeOf(cause))
  );
}

function cannotCopy(source: Store, destination: Store): ConvoyError {
  return permanent(`${destination.name} cannot copy from ${source.name} by itself`, { code: 'copy-refused' });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ConvoyError ? error.code : undefined;
}
