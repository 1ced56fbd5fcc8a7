import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { type Figure, inWords, median, ratios } from '../support/figures.js';
import { type ImportRun, importRun } from '../support/import-run.js';
import { cpuUse } from '../support/processes.js';
import type { Usage } from '../support/run-to-end.js';
import { RUNS } from '../support/section.js';
import { keysOf, type RealTiles } from '../support/tiles.js';
import type { Place } from './places.js';
import { rclone } from './rclone.js';

const TRANSFERS = [8, 16, 32, 64, 128];

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
  /** Copied in each run. */
  readonly images: Images;
  /** Copied to find rclone's best setting. */
  readonly fewer: Images;
  /** Tiles per second to rclone's; null: for orientation. */
  readonly rateAtLeast: number | null;
  /** CPU seconds to rclone's. */
  readonly cpuAtMost: number;
}

interface Run extends Usage {
  readonly rate: number;
  /** CPU time of the store meanwhile. */
  readonly storeSeconds: number;
}

export interface Compared {
  readonly figures: readonly Figure[];
  readonly note: string;
}

/** Finds rclone's best number of transfers, then lets both copy the same in turns. */
export async function compare(bench: Bench, way: Way): Promise<Compared> {
  const { name, source, store, images, fewer } = way;

  async function into(copied: Images, copy: (to: Place) => Promise<Usage>): Promise<Run> {
    const to = await way.destination();
    await createContainer(to);
    const before = secondsOf(store.pids());
    const usage = await copy(to);
    const rate = keysOf(copied).length / usage.seconds;
    const run = { ...usage, rate, storeSeconds: secondsOf(store.pids()) - before };
    console.log(
      `  ${inWords(run.rate)} tiles/s, CPU ${inWords(run.cpuSeconds)} s, ${store.name} ${inWords(run.storeSeconds)} s of ${inWords(run.seconds)}`,
    );
    return run;
  }
  const theirs = (transfers: number, copied: Images): Promise<Run> =>
    into(copied, (to) => rclone(bench.ground, source.remote, to.remote, keysOf(copied), transfers));
  const ours = (): Promise<Run> => into(images, (to) => copyOurselves(bench, source, to, images));

  let best = { transfers: 0, rate: 0 };
  for (const transfers of TRANSFERS) {
    console.log(`${name}: rclone, ${transfers} transfers`);
    const { rate } = await theirs(transfers, fewer);
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
  const tiles = keysOf(images).length;
  const [us, them] = [runs.map(({ ours }) => ours), runs.map(({ theirs }) => theirs)];
  const rates = (side: readonly Run[]): number[] => side.map(({ rate }) => rate);
  const cpu = (side: readonly Run[]): number[] => side.map(({ cpuSeconds }) => (cpuSeconds / tiles) * 10_000);
  const storeOf = (side: readonly Run[]): string => {
    const perTile = median(side.map(({ storeSeconds }) => (storeSeconds / tiles) * 1000));
    const cores = median(side.map(({ storeSeconds, seconds }) => storeSeconds / seconds));
    return `${inWords(perTile)} ms a tile and ${inWords(cores)} cores`;
  };
  return {
    figures: [
      {
        ...{ what: `${name}: tiles/s to rclone's`, unit: 'x', values: ratios(rates(us), rates(them)) },
        target: rateAtLeast === null ? null : { atLeast: rateAtLeast },
        beside: `${inWords(median(rates(us)))} /s to ${inWords(median(rates(them)))} /s`,
      },
      {
        ...{ what: `${name}: client CPU to rclone's`, unit: 'x', values: ratios(cpu(us), cpu(them)) },
        target: { atMost: cpuAtMost },
        beside: `${inWords(median(cpu(us)))} to ${inWords(median(cpu(them)))} s per 10,000 tiles`,
      },
    ],
    note: `${name}: ${tiles} tiles a run; rclone was quickest with ${transfers} transfers (of ${TRANSFERS.join(', ')}). ${store.name} needed ${storeOf(us)} under Convoy, ${storeOf(them)} under rclone.`,
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
