import { ConvoyError, kindOf } from '../runtime/errors.js';
import { estimateBytes, REDIS_BASE_BYTES, redisBytesOf } from './estimate.js';
import { createIdSet } from './id-set.js';
import type { ImageList, ListedImage } from './image-list.js';
import { inOrder } from './in-order.js';
import type { Patience } from './insist.js';
import { tileAt, tileCount, tileKey } from './pyramid.js';
import { type PatientSource, patiently, readImage } from './read-image.js';
import { type SampledTile, seededRandom, tileSampler } from './tile-sample.js';

export interface DryRunOptions extends Patience, PatientSource {
  readonly list: ImageList;
  /** Most tiles in one range. */
  readonly rangeSize: number;
  /** Tiles per second to tell the time for. */
  readonly rates: readonly number[];
}

/** What a migration would take. `-o json` prints it as it is. */
export interface DryRun {
  readonly list: string;
  /** Ids listed = filtered + images + duplicates + refused. */
  readonly listed: number;
  readonly filtered: number;
  readonly images: number;
  readonly duplicates: number;
  /** By reason. */
  readonly refused: Readonly<Record<string, number>>;
  readonly tiles: number;
  readonly ranges: number;
  readonly rangeSize: number;
  readonly bytes: {
    readonly descriptors: number;
    /** Extrapolated from the sample; null if no tile could be looked at. `plusMinus`: at 95 % confidence. */
    readonly tiles: number | null;
    readonly plusMinus: number | null;
  };
  readonly sample: {
    readonly tiles: number;
    /** Not there. */
    readonly missing: number;
    /** Could not be asked for. */
    readonly unread: number;
  };
  /** When all is settled, without failures. */
  readonly redisBytes: number;
  readonly times: readonly { readonly tilesPerSecond: number; readonly seconds: number }[];
}

const AT_ONCE = 64;
const AHEAD = 50_000;
const MOST = 500;
/** Tiles whose size is asked for. */
const SAMPLE = 1_000;
/** The same list of the same source has the same sample. */
const SEED = 20_141_204;
const TELL_MS = 5_000;

/** Reads all descriptors and a sample of tiles' sizes; writes nothing anywhere. Rejects `aborted` when told to stop. */
export async function dryRun(options: DryRunOptions, signal: AbortSignal): Promise<DryRun> {
  const { list, rangeSize, rates, clock, log } = options;
  const count = { listed: 0, filtered: 0, images: 0, duplicates: 0 };
  const refused = new Map<string, number>();
  let [tiles, ranges, descriptors, redis] = [0, 0, 0, REDIS_BASE_BYTES];
  const seen = createIdSet();
  const sampler = tileSampler(SAMPLE, seededRandom(SEED));
  let told = clock.steady();

  async function* wanted(until: AbortSignal): AsyncGenerator<readonly ListedImage[]> {
    for await (const { listed, images } of list.pages(until)) {
      const fresh = images.filter(({ id }) => seen.add(id));
      count.listed += listed;
      count.filtered += listed - images.length;
      count.duplicates += images.length - fresh.length;
      yield fresh;
    }
  }

  const look = async ({ id, refusal }: ListedImage, until: AbortSignal) =>
    refusal === null ? readImage(options, id, until) : { id, refusal };

  const window = { atOnce: AT_ONCE, ahead: AHEAD, most: MOST };
  for await (const batch of inOrder(wanted, look, window, signal)) {
    for (const reading of batch) {
      if ('refusal' in reading) {
        const { reason } = reading.refusal;
        refused.set(reason, (refused.get(reason) ?? 0) + 1);
        continue;
      }
      const of = tileCount(reading.geometry);
      count.images++;
      tiles += of;
      ranges += Math.ceil(of / rangeSize);
      descriptors += reading.bytes;
      redis += redisBytesOf(reading.id);
      sampler.offer(reading, of);
    }
    if (clock.steady() - told < TELL_MS) continue;
    told = clock.steady();
    log.info({ ...count, tiles }, 'reading descriptors');
  }

  const sizes = await sizesOf(options, sampler.sample(), signal);
  const read = sizes.filter((size) => size !== 'unread');
  const estimate =
    tiles === 0
      ? { bytes: 0, plusMinus: 0 }
      : estimateBytes(
          read.map((size) => size ?? 0),
          tiles,
        );
  return {
    ...{ list: list.name, ...count, refused: Object.fromEntries(refused), tiles, ranges, rangeSize },
    bytes: { descriptors, tiles: estimate?.bytes ?? null, plusMinus: estimate?.plusMinus ?? null },
    sample: {
      tiles: sizes.length,
      missing: read.filter((size) => size === null).length,
      unread: sizes.length - read.length,
    },
    redisBytes: redis,
    times: rates.map((tilesPerSecond) => ({ tilesPerSecond, seconds: Math.ceil(tiles / tilesPerSecond) })),
  };
}

/** null for a tile that is not there. */
type TileSize = number | null | 'unread';

async function sizesOf(
  options: DryRunOptions,
  sample: readonly SampledTile[],
  signal: AbortSignal,
): Promise<readonly TileSize[]> {
  async function* pages(): AsyncGenerator<readonly SampledTile[]> {
    yield sample;
  }
  async function look({ id, geometry, index }: SampledTile, until: AbortSignal): Promise<TileSize> {
    const key = tileKey(id, tileAt(geometry, index), geometry.format);
    try {
      const info = await patiently(options, until, () => options.source.head(key, until));
      return info?.size ?? null;
    } catch (error) {
      if (!(error instanceof ConvoyError) || kindOf(error) === 'aborted') throw error;
      return 'unread';
    }
  }
  const sizes: TileSize[] = [];
  for await (const some of inOrder(pages, look, { atOnce: AT_ONCE, ahead: SAMPLE, most: SAMPLE }, signal))
    sizes.push(...some);
  return sizes;
}
