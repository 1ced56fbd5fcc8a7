import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { type Figure, inWords, median, ratios } from '../support/figures.js';
import { type ImportRun, importRun } from '../support/import-run.js';
import { type Pace, watchPace } from '../support/pace.js';
import { cpuUse } from '../support/processes.js';
import type { Usage } from '../support/run-to-end.js';
import { RUNS } from '../support/section.js';
import { keysOf, type RealTiles } from '../support/tiles.js';
import type { Place } from './places.js';
import { rclone } from './rclone.js';

const TRANSFERS = [8, 16, 32, 64, 128];

export type Bench = Pick<ImportRun, 'ground' | 'queue' | 'redisUrl'>;

type Images = RealTiles['images'];

/** Hears of the program that was started. */
type OnStart = (pid: number) => void;

/** A way from one store to another. */
export interface Way {
  readonly name: string;
  readonly source: Place;
  /** A place of its own, whose container is not there yet. */
  readonly destination: () => Promise<Place>;
  /** Whose CPU time tells whether the store is the limit. */
  readonly store: { readonly name: string; readonly pids: () => readonly number[] };
  /** Copied in each run. */
  readonly images: Images;
  /** Copied to find rclone's best setting. */
  readonly fewer: Images;
  /** Tiles per second to rclone's; null: for orientation. */
  readonly rateAtLeast: number | null;
  /** CPU seconds to rclone's. */
  readonly cpuAtMost: number;
}

interface Run {
  /** In full swing: tiles per second, and CPU seconds per 10,000 tiles. */
  readonly rate: number;
  readonly cpu: number;
  /** The same from the program's start to its end. */
  readonly wholeRate: number;
  readonly wholeCpu: number;
  /** From start to end: CPU time of the store for each tile, in ms, and how many cores it used. */
  readonly storeMs: number;
  readonly storeCores: number;
}

export interface Compared {
  readonly figures: readonly Figure[];
  readonly note: string;
}

/** Finds rclone's best number of transfers, then lets both copy the same in turns. */
export async function compare(bench: Bench, way: Way): Promise<Compared> {
  const { name, source, store, images, fewer } = way;

  async function into(copied: Images, copy: (to: Place, onStart: OnStart) => Promise<Usage>): Promise<Run> {
    const to = await way.destination();
    await createContainer(to);
    const tiles = keysOf(copied).length;
    const before = secondsOf(store.pids());
    let paceOf: (() => Pace) | undefined;
    const { seconds, cpuSeconds } = await copy(to, (pid) => {
      paceOf = watchPace(pid);
    });
    const storeSeconds = secondsOf(store.pids()) - before;
    const pace = paceOf!();
    const run = {
      rate: (pace.part * tiles) / pace.seconds,
      cpu: (pace.cpuSeconds / (pace.part * tiles)) * 10_000,
      wholeRate: tiles / seconds,
      wholeCpu: (cpuSeconds / tiles) * 10_000,
      storeMs: (storeSeconds / tiles) * 1000,
      storeCores: storeSeconds / seconds,
    };
    console.log(
      `  ${inWords(run.rate)} tiles/s, CPU ${inWords(run.cpu)} s per 10,000; as a whole ${inWords(run.wholeRate)} and ${inWords(run.wholeCpu)}; ${store.name} ${inWords(run.storeMs)} ms a tile`,
    );
    return run;
  }
  const theirs = (transfers: number, copied: Images): Promise<Run> =>
    into(copied, (to, onStart) =>
      rclone(bench.ground, source.remote, to.remote, keysOf(copied), transfers, onStart),
    );
  const ours = (): Promise<Run> =>
    into(images, (to, onStart) => copyOurselves(bench, source, to, images, onStart));

  let best = { transfers: 0, rate: 0 };
  for (const transfers of TRANSFERS) {
    console.log(`${name}: rclone, ${transfers} transfers`);
    const { wholeRate: rate } = await theirs(transfers, fewer);
    if (rate > best.rate) best = { transfers, rate };
  }
  const runs: { readonly ours: Run; readonly theirs: Run }[] = [];
  for (let run = 0; run < RUNS; run++) {
    console.log(`${name}: Convoy, then rclone with ${best.transfers} transfers`);
    runs.push({ ours: await ours(), theirs: await theirs(best.transfers, images) });
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
  const storeOf = (side: readonly Run[]): string =>
    `${inWords(median(side.map(({ storeMs }) => storeMs)))} ms a tile and ${inWords(median(side.map(({ storeCores }) => storeCores)))} cores`;
  return {
    figures: [
      {
        ...{ what: `${name}: tiles/s to rclone's`, unit: 'x', values: ratios(...both(({ rate }) => rate)) },
        target: rateAtLeast === null ? null : { atLeast: rateAtLeast },
        beside: beside(
          ({ rate }) => rate,
          '/s',
          ({ wholeRate }) => wholeRate,
        ),
      },
      {
        ...{ what: `${name}: client CPU to rclone's`, unit: 'x', values: ratios(...both(({ cpu }) => cpu)) },
        target: { atMost: cpuAtMost },
        beside: beside(
          ({ cpu }) => cpu,
          's per 10,000 tiles',
          ({ wholeCpu }) => wholeCpu,
        ),
      },
    ],
    note: `${name}: ${keysOf(images).length} tiles a run; rclone was quickest with ${transfers} transfers (of ${TRANSFERS.join(', ')}). ${store.name} needed ${storeOf(us)} under Convoy, ${storeOf(them)} under rclone.`,
  };
}

/** Of one side of a migration alone: both may be of one kind. */
function forSide(side: 'SOURCE' | 'DESTINATION', { env }: Place): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${side}_${name}`, value]));
}

/** By the built zh-import-blobs, with its default settings. */
export function copyOurselves(
  bench: Bench,
  from: Place,
  to: Place,
  images: Images,
  onStart: OnStart = () => undefined,
): Promise<Usage> {
  const env = { ...forSide('SOURCE', from), ...forSide('DESTINATION', to) };
  return importRun({ ...bench, images, env, source: from.location, destination: to.location, onStart });
}

export async function createContainer(place: Place): Promise<void> {
  const store = await openDestination(place.location, { log: silentLog, env: forSide('DESTINATION', place) });
  await store.createContainer();
  await store.close();
}

function secondsOf(pids: readonly number[]): number {
  return [...cpuUse(pids).byName.values()].reduce((sum, seconds) => sum + seconds, 0);
}
