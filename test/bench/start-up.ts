/**
 * How soon programs begin: `convoyctl --help` beside a bare node, lists of 1,000 units, and convoyd until it is ready. The
 * convoyds and their etcd are real, but for the unit managers of those that are listed, which start everything at once.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { apiSocket } from '../../agent/api-sockets.js';
import { openGround, startEtcd, startRedis } from '../../agent/ground.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import { program } from '../support/programs.js';
import { askOver } from '../support/unix-get.js';
import { openFleet } from './agents/fleet.js';
import { profilingTo, steadyMicroseconds, timeIn } from './support/cpu-profile.js';
import { type Figure, inWords, median, ratios } from './support/figures.js';
import { runToEnd, type Usage } from './support/run-to-end.js';
import { RUNS, section } from './support/section.js';
import { undisturbed } from './support/steal.js';

const UNITS = 1_000;
const MACHINES = 10;
const MIGRATIONS = 20;
/** How often a convoyd that starts is asked whether it is ready: so much too late it is seen at most. */
const ASK_EACH_MS = 5;
const READY_WITHIN_MS = 30_000;
/** One is over in a few ticks of the kernel's account. */
const STARTS = 20;
/** Where a convoyd spends its first list: by functions of its own, of grpc-js and of V8. */
const FIRST_LIST = new Map([
  ['(idle)', 'waiting for convoyctl and etcd'],
  ['(garbage collector)', 'collecting garbage'],
  ['responseDeserialize', "reading etcd's answer"],
  ['Tables', 'decoding its records'],
  ['explainPending', 'explaining what waits, as it cannot ask the leader here'],
]);
const LISTS = [
  ...['list-units', 'list-units -o wide', 'list-units -o json', 'list-unit-files', 'list-unit-files -o wide'],
  ...['list-machines', 'services', 'migration list'],
];

const ground = openGround('convoy-bench');
try {
  await section('start-up', async () => {
    const help = await measureHelp();
    const lists = await measureLists();
    const notes = [
      `Each value is the median of ${STARTS} starts, in turns with \`node -e 0\` where there is a ratio. Lists: ${UNITS.toLocaleString('en')} launched units on ${MACHINES} machines, told by the convoyd that leads, ${MIGRATIONS} migrations in Redis; from the start of the process to its end. convoyd: from its start to \`/readyz\` saying 200, with etcd up, a new machine each time. All have no environment but PATH and what the line needs.`,
      lists.note,
    ];
    return { figures: [...help, ...lists.figures, await measureConvoyd()], notes };
  });
} finally {
  await ground.close();
}

async function measureHelp(): Promise<Figure[]> {
  const [ours, bare] = [[] as Usage[], [] as Usage[]];
  for (let run = 0; run < RUNS; run++) {
    const pair = await undisturbed(async () => {
      const starts = { ours: [] as Usage[], bare: [] as Usage[] };
      for (let at = 0; at < STARTS; at++) {
        starts.ours.push(await node([program('cli/main.js'), '--help']));
        starts.bare.push(await node(['-e', '0']));
      }
      return starts;
    });
    ours.push(typical(pair.ours));
    bare.push(typical(pair.bare));
  }
  return (['seconds', 'cpuSeconds'] as const).map((what): Figure => {
    const [our, their] = [ours, bare].map((usages) => usages.map((usage) => usage[what])) as [
      number[],
      number[],
    ];
    return {
      what: `\`convoyctl --help\` beside a bare node: ${what === 'seconds' ? 'time' : 'CPU time'}`,
      ...{ values: ratios(our, their), unit: 'x', target: { atMost: 1.5 } },
      beside: `${inMs(median(our))} ms; \`node -e 0\` ${inMs(median(their))} ms`,
    };
  });
}

async function measureLists(): Promise<{ readonly figures: readonly Figure[]; readonly note: string }> {
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 30_000 });
  for (let at = 0; at < MIGRATIONS; at++)
    await queue.createMigration({
      ...{ name: `migration-${at}`, source: 'http://source/', destination: 'file:///destination' },
      ...{ rangeSize: 500, maxAttempts: 3, stopAfterFailures: 1e9, stopAfterTiles: 1e9 },
      ...{ serverSide: 'auto' as const, incomplete: 'withhold' as const },
    });
  await queue.close();
  const fleet = await openFleet(MACHINES);
  try {
    const { observer } = fleet;
    const launched = observer.reached('all are launched', () => observer.running.size === UNITS, 60_000);
    await fleet.start(Array.from({ length: UNITS }, (_, at) => `unit-${at}.service`));
    await launched;
    const listed = (list: string, socket: string): Promise<Usage> =>
      node([program('cli/main.js'), ...list.split(' ')], {
        CONVOY_ENDPOINT: `unix://${socket}`,
        REDIS_URL: redis.url,
      });
    const first: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const convoyd = await startConvoyd(fleet.etcdUrl, `first-${run}`);
      first.push((await listed('list-unit-files', convoyd.socket)).seconds * 1000);
      await convoyd.end();
    }
    const note = await profileFirst(fleet.etcdUrl, (socket) => listed('list-unit-files', socket));
    const leader = fleet.socket(1);
    // Its first, which is told apart.
    await listed('list-unit-files', leader);
    const times = LISTS.map(() => [] as number[]);
    const cpu = LISTS.map(() => [] as number[]);
    for (let run = 0; run < RUNS; run++)
      for (const [at, list] of LISTS.entries()) {
        const starts = await undisturbed(async () => {
          const usages: Usage[] = [];
          for (let start = 0; start < STARTS; start++) usages.push(await listed(list, leader));
          return usages;
        });
        times[at]?.push(typical(starts).seconds * 1000);
        cpu[at]?.push(typical(starts).cpuSeconds * 1000);
      }
    const limit = { unit: 'ms', target: { atMost: 200 } };
    const figures = [
      ...LISTS.map((list, at) => ({
        ...{ what: `\`convoyctl ${list}\``, values: times[at] ?? [], ...limit },
        beside: `CPU ${Math.round(median(cpu[at] ?? []))} ms`,
      })),
      {
        ...{
          what: '`convoyctl list-unit-files`, the first list that a new convoyd is asked for',
          values: first,
        },
        ...{ ...limit, beside: 'it reads the whole registry, and later what was written since' },
      },
    ];
    return { figures, note };
  } finally {
    await fleet.close();
  }
}

/** Where one more convoyd spends its first list, in words. */
async function profileFirst(etcd: string, list: (socket: string) => Promise<Usage>): Promise<string> {
  const folder = join(ground.dir, 'profile');
  const convoyd = await startConvoyd(etcd, 'profiled', profilingTo(folder));
  const from = steadyMicroseconds();
  const { cpuSeconds } = await list(convoyd.socket);
  const to = steadyMicroseconds();
  await convoyd.end();
  const times = [...timeIn(folder, [from, to], FIRST_LIST, 'all else')].sort(([, a], [, b]) => b - a);
  const parts = times.map(([place, ms]) => `${place} ${inWords(ms)}`).join(', ');
  return `The first list of one more convoyd, under V8's profiler: ${inWords((to - from) / 1000)} ms, of which convoyctl needed ${inMs(cpuSeconds)} ms of CPU itself; convoyd's main thread spent them with, in ms: ${parts}. All of it is code that runs for the first time.`;
}

async function measureConvoyd(): Promise<Figure> {
  const etcd = await startEtcd(ground);
  const values: number[] = [];
  const served: number[] = [];
  let started = 0;
  for (let run = 0; run < RUNS; run++) {
    const starts = await undisturbed(async () => {
      const times: { ready: number; listening: number }[] = [];
      for (let at = 0; at < STARTS; at++) {
        const convoyd = await startConvoyd(etcd.url, String(started++));
        times.push(convoyd);
        await convoyd.end();
      }
      return times;
    });
    values.push(median(starts.map(({ ready }) => ready)));
    served.push(median(starts.map(({ listening }) => listening)));
  }
  return {
    what: '`convoyd` ready',
    ...{ values, unit: 'ms', target: { atMost: 500 } },
    beside: `its socket answers after ${Math.round(median(served))} ms`,
  };
}

interface StartedConvoyd {
  /** ms from its start until it was ready, and until its socket answered. */
  readonly ready: number;
  readonly listening: number;
  readonly socket: string;
  end(): Promise<void>;
}

/** A new machine's. */
async function startConvoyd(
  etcd: string,
  name: string,
  nodeOptions: readonly string[] = [],
): Promise<StartedConvoyd> {
  const dir = join(ground.dir, `convoyd-${name}`);
  for (const folder of ['run', 'state', 'root']) mkdirSync(join(dir, folder), { recursive: true });
  const began = performance.now();
  const since = (): number => performance.now() - began;
  const args = [
    ...[
      ...nodeOptions,
      program('agent/daemon-main.js'),
      '--etcd',
      etcd,
      '--machine-id',
      randomUUID().replaceAll('-', ''),
    ],
    ...['--public-ip', '127.0.0.1', '--run-dir', join(dir, 'run'), '--state-dir', join(dir, 'state')],
    ...['--unit-manager', 'supervisor', '--unit-root', join(dir, 'root'), '--peer-listen', '127.0.0.1:0'],
  ];
  const child = ground.spawn(`convoyd-${name}`, process.execPath, args, { PATH: process.env.PATH });
  const socket = apiSocket(join(dir, 'run'));
  let listening: number | undefined;
  let ready: number | undefined;
  while (ready === undefined) {
    const answer = await askOver(socket, '/readyz').catch(() => null);
    if (answer !== null) listening ??= since();
    if (answer?.status === 200) ready = since();
    else if (since() > READY_WITHIN_MS) throw new Error(`convoyd is not ready after ${since()} ms`);
    else await new Promise((resolve) => setTimeout(resolve, ASK_EACH_MS));
  }
  return {
    ...{ ready, listening: listening ?? ready, socket },
    async end() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Usage> {
  return runToEnd(ground, process.execPath, args, { PATH: process.env.PATH, ...env });
}

/** The medians, of either apart; of CPU time the mean, as the kernel tells it in ticks of 10 ms. */
function typical(usages: readonly Usage[]): Usage {
  return {
    seconds: median(usages.map(({ seconds }) => seconds)),
    cpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / usages.length,
  };
}

function inMs(seconds: number): string {
  return (seconds * 1000).toFixed(0);
}
