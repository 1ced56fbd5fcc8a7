import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { type Figure, inWords, median, ratios } from '../support/figures.js';
import { type ImportRun, importRun } from '../support/import-run.js';
import { cpuUse } from '../support/processes.js';
import type { Usage } from '../support/run-to-end.js';
import { RUNS } from '../support/section.js';
import { undisturbed } from '../support/steal.js';
import { keysOf, type RealTiles } from '../support/tiles.js';
import type { Place } from './places.js';
import { rclone } from './rclone.js';

const TRANSFERS = [8, 16, 32, 64, 128];
/** Images after which start and warming up are over. */
const FIRST = 2;

export type Bench = Pick<ImportRun, 'ground' | 'queue' | 'redisUrl'>;

type Images = RealTiles['images'];

/** A way from one store to another. */
export interface Way {
  readonly name: string;
  readonly source: Place;
  /** A place of its own, whose container is not there yet. */
  readonly destination: () => Promise<Place>;
  /** Whose CPU time tells whether the store is the limit. */
  readonly store: { readonly name: string; readonly pids: () => readonly number[] };
  /** Copied in each run: what these need beyond the first `FIRST` of them is compared. */
  readonly images: Images;
  /** Copied to find rclone's best setting. */
  readonly fewer: Images;
  /** Tiles per second to rclone's; null: for orientation. */
  readonly rateAtLeast: number | null;
  /** CPU seconds to rclone's. */
  readonly cpuAtMost: number;
}

interface Whole extends Usage {
  readonly tiles: number;
  /** CPU time of the store meanwhile. */
  readonly storeSeconds: number;
}

interface Run {
  /** Of the further tiles of a longer run: per second, and CPU seconds per 10,000. */
  readonly rate: number;
  readonly cpu: number;
  /** The longer run, from the program's start to its end. */
  readonly whole: Whole;
}

export interface Compared {
  readonly figures: readonly Figure[];
  readonly note: string;
}

/** Finds rclone's best number of transfers, then lets both copy the same in turns. */
export async function compare(bench: Bench, way: Way): Promise<Compared> {
  const { name, source, store, images, fewer } = way;

  async function into(copied: Images, copy: (to: Place) => Promise<Usage>): Promise<Whole> {
    const to = await way.destination();
    await createContainer(to);
    const before = secondsOf(store.pids());
    const usage = await copy(to);
    const whole = { ...usage, tiles: keysOf(copied).length, storeSeconds: secondsOf(store.pids()) - before };
    console.log(
      `  ${whole.tiles} tiles: ${inWords(rateOf(whole))} /s, CPU ${inWords(whole.cpuSeconds)} s, ${store.name} ${inWords(whole.storeSeconds)} s of ${inWords(whole.seconds)}`,
    );
    return whole;
  }
  const theirs = (transfers: number, copied: Images): Promise<Whole> =>
    into(copied, (to) => rclone(bench.ground, source.remote, to.remote, keysOf(copied), transfers));
  const ours = (copied: Images): Promise<Whole> =>
    into(copied, (to) => copyOurselves(bench, source, to, copied));

  async function further(copy: (copied: Images) => Promise<Whole>): Promise<Run> {
    const first = await copy(images.slice(0, FIRST));
    const whole = await copy(images);
    const tiles = whole.tiles - first.tiles;
    return {
      rate: tiles / (whole.seconds - first.seconds),
      cpu: ((whole.cpuSeconds - first.cpuSeconds) / tiles) * 10_000,
      whole,
    };
  }

  let best = { transfers: 0, rate: 0 };
  for (const transfers of TRANSFERS) {
    console.log(`${name}: rclone, ${transfers} transfers`);
    const rate = rateOf(await theirs(transfers, fewer));
    if (rate > best.rate) best = { transfers, rate };
  }
  const runs: { readonly ours: Run; readonly theirs: Run }[] = [];
  for (let run = 0; run < RUNS; run++) {
    console.log(`${name}: Convoy, then rclone with ${best.transfers} transfers`);
    runs.push(
      await undisturbed(async () => ({
        ours: await further(ours),
        theirs: await further((copied) => theirs(best.transfers, copied)),
      })),
    );
  }
  return told(way, best.transfers, runs);
}

function told(way: Way, transfers: number, runs: readonly { ours: Run; theirs: Run }[]): Compared {
  const { name, store, images, rateAtLeast, cpuAtMost } = way;
  const [us, them] = [runs.map(({ ours }) => ours), runs.map(({ theirs }) => theirs)];
  const both = (of: (run: Run) => number): readonly [number[], number[]] => [us.map(of), them.map(of)];
  const beside = (of: (run: Run) => number, unit: string, ofWhole: (run: Run) => number): string => {
    const [[ours, theirs], [ourWhole, theirWhole]] = [both(of), both(ofWhole)];
    return `${inWords(median(ours))} to ${inWords(median(theirs))} ${unit}; with start and end ${inWords(median(ratios(ourWhole, theirWhole)))} x (${inWords(median(ourWhole))} to ${inWords(median(theirWhole))})`;
  };
  const storeOf = (side: readonly Run[]): string => {
    const perTile = median(side.map(({ whole }) => (whole.storeSeconds / whole.tiles) * 1000));
    const cores = median(side.map(({ whole }) => whole.storeSeconds / whole.seconds));
    return `${inWords(perTile)} ms a tile and ${inWords(cores)} cores`;
  };
  return {
    figures: [
      {
        ...{ what: `${name}: tiles/s to rclone's`, unit: 'x', values: ratios(...both(({ rate }) => rate)) },
        target: rateAtLeast === null ? null : { atLeast: rateAtLeast },
        beside: beside(
          ({ rate }) => rate,
          '/s',
          ({ whole }) => rateOf(whole),
        ),
      },
      {
        ...{ what: `${name}: client CPU to rclone's`, unit: 'x', values: ratios(...both(({ cpu }) => cpu)) },
        target: { atMost: cpuAtMost },
        beside: beside(
          ({ cpu }) => cpu,
          's per 10,000 tiles',
          ({ whole }) => (whole.cpuSeconds / whole.tiles) * 10_000,
        ),
      },
    ],
    note: `${name}: ${keysOf(images).length} tiles a run, less a run of ${keysOf(images.slice(0, FIRST)).length}; rclone was quickest with ${transfers} transfers (of ${TRANSFERS.join(', ')}). ${store.name} needed ${storeOf(us)} under Convoy, ${storeOf(them)} under rclone.`,
  };
}

/** Of one side of a migration alone: both may be of one kind. */
function forSide(side: 'SOURCE' | 'DESTINATION', { env }: Place): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${side}_${name}`, value]));
}

/** By the built zh-import-blobs, with its default settings. */
export function copyOurselves(bench: Bench, from: Place, to: Place, images: Images): Promise<Usage> {
  const env = { ...forSide('SOURCE', from), ...forSide('DESTINATION', to) };
  return importRun({ ...bench, images, env, source: from.location, destination: to.location });
}

export async function createContainer(place: Place): Promise<void> {
  const store = await openDestination(place.location, { log: silentLog, env: forSide('DESTINATION', place) });
  await store.createContainer();
  await store.close();
}

function secondsOf(pids: readonly number[]): number {
  return [...cpuUse(pids).byName.values()].reduce((sum, seconds) => sum + seconds, 0);
}

function rateOf({ tiles, seconds }: Whole): number {
  return tiles / seconds;
}
