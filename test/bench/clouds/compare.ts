import { once } from 'node:events';
import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { program } from '../../support/programs.js';
import { type Figure, inWords, median, ratios } from '../support/figures.js';
import { type ImportRun, planMigration } from '../support/import-run.js';
import { cpuSecondsOf, type Mark, type Pace, paceBetween, reached } from '../support/progress.js';
import type { Usage } from '../support/run-to-end.js';
import { RUNS } from '../support/section.js';
import { undisturbed } from '../support/steal.js';
import { keysOf, type RealTiles } from '../support/tiles.js';
import type { Place } from './places.js';
import { rclone } from './rclone.js';

const TRANSFERS = [8, 16, 32, 64, 128];
/** So often each of them is tried, of which the quicker counts: one alone has chosen now the one and now the other. */
const TRIES = 2;
/** Images after which rclone's start and its asking for every object are over; in the difference of two runs its end is not counted. */
const FIRST = 2;
/** After which of ours the number of objects in flight has climbed, and those at the end, when it falls. */
const CLIMB = 4;
const LAST = 1;

export type Bench = Pick<ImportRun, 'ground' | 'queue' | 'redisUrl'>;

type Images = RealTiles['images'];

/** A way from one store to another. */
export interface Way {
  readonly name: string;
  readonly source: Place;
  /** A place of its own, whose container is not there yet; with the credentials of all others. */
  readonly destination: () => Promise<Place>;
  /** Whose CPU time tells whether the stores are the limit. */
  readonly servers: readonly { readonly name: string; readonly pids: () => readonly number[] }[];
  /** Copied in each run: of rclone's, what is beyond the first `FIRST`, of ours, between the first `CLIMB` and the last `LAST`. */
  readonly images: Images;
  /** What our worker copies before the first run. */
  readonly before: Images;
  /** Tiles per second to rclone's; null: for orientation. */
  readonly rateAtLeast: number | null;
  /** CPU seconds to rclone's. */
  readonly cpuAtMost: number;
}

interface Whole extends Usage {
  readonly tiles: number;
  /** CPU time of each server meanwhile. */
  readonly serverSeconds: readonly number[];
}

/** What further tiles need, when all has begun. */
interface Run extends Pace {
  /** All tiles; of rclone from the program's start on. */
  readonly whole: Whole;
}

interface Runs {
  readonly runs: readonly { readonly ours: Run; readonly theirs: Run }[];
  /** What our worker needed from its own start on, for as many tiles as it copied before the first run. */
  readonly start: Whole;
  readonly transfers: number;
}

export interface Compared {
  readonly figures: readonly Figure[];
  readonly note: string;
}

/** Finds rclone's best number of transfers, then lets both copy the same in turns. */
export async function compare(bench: Bench, way: Way): Promise<Compared> {
  const { name, source, servers, images } = way;
  const serversNow = (): number[] => servers.map(({ pids }) => cpuSecondsOf(pids()));

  async function created(): Promise<Place> {
    const to = await way.destination();
    await createContainer(to);
    return to;
  }

  async function theirs(transfers: number, copied: Images): Promise<Whole> {
    const to = await created();
    const before = serversNow();
    const usage = await rclone(bench.ground, source.remote, to.remote, keysOf(copied), transfers);
    return told({
      ...{ ...usage, tiles: keysOf(copied).length },
      serverSeconds: differences(before, serversNow()),
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

  /** Of `copied`, between the first `CLIMB` and the last `LAST`. */
  async function ourRun(worker: OurWorker, to: Place, copied: Images): Promise<Run> {
    const began: Mark = { done: 0, ms: performance.now(), cpuSeconds: worker.cpuSeconds() };
    const before = serversNow();
    const parts = [copied.slice(0, CLIMB), copied.slice(0, -LAST), copied];
    const [first, last, all] = await worker.copy(source, to, copied, parts);
    const whole = told({
      ...{ seconds: (all!.ms - began.ms) / 1000, cpuSeconds: all!.cpuSeconds - began.cpuSeconds },
      ...{ tiles: all!.done, serverSeconds: differences(before, serversNow()) },
    });
    return { ...paceBetween(first!, last!), whole };
  }

  function told(whole: Whole): Whole {
    const used = servers.map(({ name }, i) => `${name} ${inWords(whole.serverSeconds[i]!)} s`).join(', ');
    console.log(
      `  ${whole.tiles} tiles: ${inWords(rateOf(whole))} /s, CPU ${inWords(whole.cpuSeconds)} s, ${used} of ${inWords(whole.seconds)}`,
    );
    return whole;
  }

  let best = { transfers: 0, rate: 0 };
  for (const transfers of Array.from({ length: TRIES }, () => TRANSFERS).flat()) {
    console.log(`${name}: rclone, ${transfers} transfers`);
    const rate = rateOf(await theirs(transfers, images.slice(0, FIRST)));
    if (rate > best.rate) best = { transfers, rate };
  }
  console.log(`${name}: the worker, before the first run`);
  const first = await created();
  const worker = startWorker(bench, source, first);
  try {
    const start = (await ourRun(worker, first, way.before)).whole;
    const runs: Runs['runs'][number][] = [];
    for (let run = 0; run < RUNS; run++) {
      console.log(`${name}: Convoy, then rclone with ${best.transfers} transfers`);
      runs.push(
        await undisturbed(async () => ({
          ours: await ourRun(worker, await created(), images),
          theirs: await theirRun(best.transfers),
        })),
      );
    }
    return inFigures(way, { runs, start, transfers: best.transfers });
  } finally {
    await worker.end();
  }
}

function inFigures(way: Way, { runs, start, transfers }: Runs): Compared {
  const { name, servers, images, rateAtLeast, cpuAtMost } = way;
  const [us, them] = [runs.map(({ ours }) => ours), runs.map(({ theirs }) => theirs)];
  const both = (of: (run: Run) => number): readonly [number[], number[]] => [us.map(of), them.map(of)];
  const beside = (of: (run: Run) => number, unit: string, ofWhole: (whole: Whole) => number): string => {
    const [ours, theirs] = both(of);
    const theirStart = median(them.map(({ whole }) => ofWhole(whole)));
    return `${inWords(median(ours))} to ${inWords(median(theirs))} ${unit}; from the start on ${inWords(ofWhole(start))} to ${inWords(theirStart)}`;
  };
  /** CPU time of the client and all servers. */
  const all = ({ cpuSeconds, serverSeconds }: Whole): number =>
    serverSeconds.reduce((sum, seconds) => sum + seconds, cpuSeconds);
  const msPerTile = (side: readonly Run[], of: (whole: Whole) => number): number =>
    median(side.map(({ whole }) => (of(whole) / whole.tiles) * 1000));
  /** What a tile cost the machine's processors, in ms, by whom. */
  const shares = (side: readonly Run[]): string => {
    const inMs = (of: (whole: Whole) => number): string => inWords(msPerTile(side, of));
    const parts = servers.map((server, i) => `${server.name} ${inMs((whole) => whole.serverSeconds[i]!)}`);
    const cores = inWords(median(side.map(({ whole }) => all(whole) / whole.seconds)));
    return `${parts.join(', ')}, itself ${inMs(({ cpuSeconds }) => cpuSeconds)}, in all ${inMs(all)} (${cores} cores)`;
  };
  const ofServers = (whole: Whole): number => all(whole) - whole.cpuSeconds;
  /** How many times rclone's tiles the machine can carry at most if a tile costs us this much. */
  const atMost = (ofUs: (whole: Whole) => number): string =>
    inWords(msPerTile(them, all) / msPerTile(us, ofUs));
  return {
    figures: [
      {
        ...{ what: `${name}: tiles/s to rclone's`, unit: 'x', values: ratios(...both(({ rate }) => rate)) },
        target: rateAtLeast === null ? null : { atLeast: rateAtLeast },
        beside: beside(({ rate }) => rate, '/s', rateOf),
      },
      {
        ...{ what: `${name}: client CPU to rclone's`, unit: 'x', values: ratios(...both(({ cpu }) => cpu)) },
        target: { atMost: cpuAtMost },
        beside: beside(
          ({ cpu }) => cpu,
          's per 10,000 tiles',
          ({ cpuSeconds, tiles }) => (cpuSeconds / tiles) * 10_000,
        ),
      },
    ],
    note: `${name}: ${keysOf(images).length} tiles a run; rclone's without the first ${keysOf(images.slice(0, FIRST)).length}, ours without the first ${keysOf(images.slice(0, CLIMB)).length}, while the number in flight climbs, and the last ${keysOf(images.slice(-LAST)).length}, by a worker that had copied ${start.tiles} before the first run; rclone was quickest with ${transfers} transfers (of ${TRANSFERS.join(', ')}). ms of CPU for a tile of whole runs: with Convoy ${shares(us)}; with rclone ${shares(them)}. By that, of two that fill the machine with it, Convoy carries ${atMost(all)} times as many tiles; if it needed none of it itself, ${atMost(ofServers)} times.`,
  };
}

/** Of one side of a migration alone: both may be of one kind. */
function forSide(side: 'SOURCE' | 'DESTINATION', { env }: Place): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`${side}_${name}`, value]));
}

/** The built zh-import-blobs with its default settings. */
interface OurWorker {
  cpuSeconds(): number;
  /** A migration of its own; answers when so much of it was done, and rejects if the worker ends before. */
  copy(from: Place, to: Place, images: Images, parts: readonly Images[]): Promise<readonly Mark[]>;
  end(): Promise<void>;
}

/** One for many migrations, as a unit is: V8 has compiled then what they need. `to`: one of its destinations. */
function startWorker({ ground, queue, redisUrl }: Bench, from: Place, to: Place): OurWorker {
  const env = { ...forSide('SOURCE', from), ...forSide('DESTINATION', to) };
  const child = ground.spawn(
    `worker-${++workers}`,
    process.execPath,
    [program('jobs/import-blobs-main.js')],
    { PATH: process.env.PATH, ...env, REDIS_URL: redisUrl },
  );
  const pid = child.pid!;
  const ended = once(child, 'exit');
  return {
    cpuSeconds: () => cpuSecondsOf([pid]),
    async copy({ location: source }, { location: destination }, images, parts) {
      const migration = await planMigration({ queue, source, destination, images });
      const marks = parts.map((part) => reached(queue, migration, pid, keysOf(part).length));
      const early = ended.then(() => {
        throw new Error('the worker has ended');
      });
      return Promise.race([Promise.all(marks), early]);
    },
    async end() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

let workers = 0;

/** All of it, by a worker of its own. */
export async function copyOurselves(bench: Bench, from: Place, to: Place, images: Images): Promise<void> {
  const worker = startWorker(bench, from, to);
  await worker.copy(from, to, images, [images]);
  await worker.end();
}

export async function createContainer(place: Place): Promise<void> {
  const store = await openDestination(place.location, { log: silentLog, env: forSide('DESTINATION', place) });
  await store.createContainer();
  await store.close();
}

function differences(before: readonly number[], after: readonly number[]): number[] {
  return after.map((seconds, i) => seconds - before[i]!);
}

function rateOf({ tiles, seconds }: Whole): number {
  return tiles / seconds;
}
