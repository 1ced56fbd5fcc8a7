import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { type Figure, inWords, median, ratios } from '../support/figures.js';
import { type ImportRun, importRun } from '../support/import-run.js';
import { cpuSecondsOf, type Mark, type Pace, paceBetween, reached } from '../support/progress.js';
import type { Usage } from '../support/run-to-end.js';
import { RUNS } from '../support/section.js';
import { undisturbed } from '../support/steal.js';
import { keysOf, type RealTiles } from '../support/tiles.js';
import type { Place } from './places.js';
import { rclone } from './rclone.js';

const TRANSFERS = [8, 16, 32, 64, 128];
/** Images after which rclone's start and its asking for every object are over. */
const FIRST = 2;
/** V8 goes on compiling: our CPU is measured between these parts of all images. */
const [FROM, TO] = [0.6, 0.95];

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
  /** Copied in each run: the rates beyond the first `FIRST` of them are compared. */
  readonly images: Images;
  /** What we copy in each run, the same ones first. */
  readonly more: Images;
  /** Copied to find rclone's best setting. */
  readonly fewer: Images;
  /** Tiles per second to rclone's; null: for orientation. */
  readonly rateAtLeast: number | null;
  /** CPU seconds to rclone's. */
  readonly cpuAtMost: number;
}

type Marked = Mark & Pick<Whole, 'storeSeconds'>;

interface Whole extends Usage {
  readonly tiles: number;
  /** CPU time of the store meanwhile. */
  readonly storeSeconds: number;
}

/** What further tiles need, when all has begun. */
interface Run extends Pace {
  /** All tiles, from the program's start on. */
  readonly whole: Whole;
}

export interface Compared {
  readonly figures: readonly Figure[];
  readonly note: string;
}

/** Finds rclone's best number of transfers, then lets both copy the same in turns. */
export async function compare(bench: Bench, way: Way): Promise<Compared> {
  const { name, source, store, images, more, fewer } = way;

  async function created(): Promise<Place> {
    const to = await way.destination();
    await createContainer(to);
    return to;
  }

  async function theirs(transfers: number, copied: Images): Promise<Whole> {
    const to = await created();
    const before = cpuSecondsOf(store.pids());
    const usage = await rclone(bench.ground, source.remote, to.remote, keysOf(copied), transfers);
    return told({
      ...{ ...usage, tiles: keysOf(copied).length },
      storeSeconds: cpuSecondsOf(store.pids()) - before,
    });
  }

  /** It tells nothing of its progress: two runs, of which the difference is what further tiles need. */
  async function theirRun(transfers: number): Promise<Run> {
    const first = await theirs(transfers, images.slice(0, FIRST));
    const whole = await theirs(transfers, images);
    const tiles = whole.tiles - first.tiles;
    return {
      rate: tiles / (whole.seconds - first.seconds),
      cpu: ((whole.cpuSeconds - first.cpuSeconds) / tiles) * 10_000,
      whole,
    };
  }

  async function ourRun(): Promise<Run> {
    const to = await created();
    const before = cpuSecondsOf(store.pids());
    const began = performance.now();
    const tiles = keysOf(more).length;
    const marks = await copyOurselves(bench, source, to, more, (pid, migration) => {
      const mark = async (count: number) => {
        const at = await reached(bench.queue, migration, pid, count);
        return { ...at, storeSeconds: cpuSecondsOf(store.pids()) - before };
      };
      const [first, all] = [images.slice(0, FIRST), images].map((part) => keysOf(part).length);
      return Promise.all([first!, all!, tiles * FROM, tiles * TO].map(mark));
    });
    const [first, all, from, end] = marks as [Marked, Marked, Marked, Marked];
    const seconds = (all.ms - began) / 1000;
    const whole = told({ ...all, seconds, tiles: all.done });
    return { rate: paceBetween(first, all).rate, cpu: paceBetween(from, end).cpu, whole };
  }

  function told(whole: Whole): Whole {
    console.log(
      `  ${whole.tiles} tiles: ${inWords(rateOf(whole))} /s, CPU ${inWords(whole.cpuSeconds)} s, ${store.name} ${inWords(whole.storeSeconds)} s of ${inWords(whole.seconds)}`,
    );
    return whole;
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
        ours: await ourRun(),
        theirs: await theirRun(best.transfers),
      })),
    );
  }
  return inFigures(way, best.transfers, runs);
}

function inFigures(way: Way, transfers: number, runs: readonly { ours: Run; theirs: Run }[]): Compared {
  const { name, store, images, more, rateAtLeast, cpuAtMost } = way;
  const [us, them] = [runs.map(({ ours }) => ours), runs.map(({ theirs }) => theirs)];
  const both = (of: (run: Run) => number): readonly [number[], number[]] => [us.map(of), them.map(of)];
  const beside = (of: (run: Run) => number, unit: string, ofWhole: (run: Run) => number): string => {
    const [[ours, theirs], [ourWhole, theirWhole]] = [both(of), both(ofWhole)];
    return `${inWords(median(ours))} to ${inWords(median(theirs))} ${unit}; from the start on ${inWords(median(ratios(ourWhole, theirWhole)))} x (${inWords(median(ourWhole))} to ${inWords(median(theirWhole))})`;
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
    note: `${name}: rates of ${keysOf(images).length} tiles without the first ${keysOf(images.slice(0, FIRST)).length}, our CPU of the tiles from ${FROM * 100} to ${TO * 100} % of ${keysOf(more).length}; rclone was quickest with ${transfers} transfers (of ${TRANSFERS.join(', ')}). ${store.name} needed ${storeOf(us)} under Convoy, ${storeOf(them)} under rclone.`,
  };
}

/** Of one side of a migration alone: both may be of one kind. */
function forSide(side: 'SOURCE' | 'DESTINATION', { env }: Place): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${side}_${name}`, value]));
}

/** By the built zh-import-blobs, with its default settings. Answers what `watch` does, which hears of the process. */
export async function copyOurselves<T>(
  { ground, queue, redisUrl }: Bench,
  from: Place,
  to: Place,
  images: Images,
  watch: (pid: number, migration: string) => Promise<T>,
): Promise<T> {
  const env = { ...forSide('SOURCE', from), ...forSide('DESTINATION', to) };
  let watched: Promise<T> | undefined;
  await importRun({
    ...{ ground, queue, redisUrl, images, env, source: from.location, destination: to.location },
    onStart(pid, migration) {
      watched = watch(pid, migration);
    },
  });
  return watched!;
}

export async function createContainer(place: Place): Promise<void> {
  const store = await openDestination(place.location, { log: silentLog, env: forSide('DESTINATION', place) });
  await store.createContainer();
  await store.close();
}

function rateOf({ tiles, seconds }: Whole): number {
  return tiles / seconds;
}
