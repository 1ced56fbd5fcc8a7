/**
 * The whole system, many agents against one etcd of one member: every agent is a convoyd with its own connection, lease,
 * watches, sockets and loops, whose unit manager starts everything at once.
 */
import { inWords, median } from '../support/figures.js';
import { RUNS, section } from '../support/section.js';
import { type EtcdCounts, etcdBetween, readEtcd } from './etcd-counters.js';
import { type BenchFleet, openFleet } from './fleet.js';

const REST_MS = 60_000;
/** A lease of 10 s is renewed each third of that, by the leader with a read. */
const LEADERS_READS = REST_MS / (10_000 / 3) + 1;

interface Launch {
  readonly seconds: number;
  readonly joinSeconds: number;
  readonly failures: number;
  readonly etcd: EtcdCounts;
  /** MiB that etcd sent to the agents. */
  readonly sentMiB: number;
  readonly cpu: ReturnType<BenchFleet['cpu']>;
}

/** Submits units to a fleet at rest; they are launched when their machines have published so. */
async function launch(fleet: BenchFleet, units: number): Promise<Launch> {
  const { etcdUrl, observer, joinSeconds } = fleet;
  const names = Array.from({ length: units }, (_, index) => `unit${index + 1}.service`);
  const [etcdBefore, cpuBefore, bytesBefore] = [await readEtcd(etcdUrl), fleet.cpu(), observer.bytes];
  const began = performance.now();
  const launched = observer.reached('all are launched', () => observer.running.size === units, 180_000);
  await fleet.start(names);
  const seconds = ((await launched) - began) / 1000;
  const cpu = fleet.cpu();
  const etcd = etcdBetween(etcdBefore, await readEtcd(etcdUrl));
  return {
    ...{ seconds, joinSeconds, etcd, failures: fleet.presenceFailures() },
    sentMiB: (etcd.sent - (observer.bytes - bytesBefore)) / 2 ** 20,
    cpu: {
      etcd: cpu.etcd - cpuBefore.etcd,
      leader: cpu.leader - cpuBefore.leader,
      others: cpu.others - cpuBefore.others,
    },
  };
}

/** What etcd is asked for in a minute in which nothing happens. */
async function rest({ etcdUrl }: BenchFleet): Promise<EtcdCounts> {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const before = await readEtcd(etcdUrl);
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  return etcdBetween(before, await readEtcd(etcdUrl));
}

async function withFleet<T>(agents: number, use: (fleet: BenchFleet) => Promise<T>): Promise<T> {
  const fleet = await openFleet(agents);
  try {
    return await use(fleet);
  } finally {
    await fleet.close();
  }
}

const few = await withFleet(3, async (fleet) => {
  await launch(fleet, 30);
  return rest(fleet);
});
const small: Launch[] = [];
let many: EtcdCounts | undefined;
const large: Launch[] = [];

await section('agents', async () => {
  for (let run = 0; run < RUNS; run += 1)
    await withFleet(100, async (fleet) => {
      small.push(await launch(fleet, 1000));
      if (run === 0) many = await rest(fleet);
    });
  for (let run = 0; run < RUNS; run += 1) large.push(await withFleet(1000, (fleet) => launch(fleet, 10_000)));
  const values = (runs: readonly Launch[], of: (run: Launch) => number): number[] => runs.map(of);
  const costs = (runs: readonly Launch[]): string =>
    `CPU s: agents ${inWords(median(values(runs, ({ cpu }) => cpu.others)))}, leader ${inWords(median(values(runs, ({ cpu }) => cpu.leader)))}, ` +
    `etcd ${inWords(median(values(runs, ({ cpu }) => cpu.etcd)))}; etcd sent ${inWords(median(values(runs, ({ sentMiB }) => sentMiB)))} MiB, ` +
    `${inWords(median(values(runs, ({ sentMiB, seconds }) => sentMiB / seconds)))} MiB/s; ${inWords(median(values(runs, ({ etcd }) => etcd.puts)))} puts in ` +
    `${inWords(median(values(runs, ({ etcd }) => etcd.txns)))} transactions; all had joined after ${inWords(median(values(runs, ({ joinSeconds }) => joinSeconds)))} s`;
  const atRest = (agents: number, { reads, puts, deletes }: EtcdCounts) => [
    {
      what: `at rest, ${agents} agents: writes to etcd in 60 s`,
      ...{
        values: [puts + deletes],
        unit: '',
        target: { atMost: 0 },
        beside: 'fleet 1.0: 46 /s with 300 units',
      },
    },
    {
      what: `at rest, ${agents} agents: reads of etcd in 60 s`,
      ...{ values: [reads], unit: '', target: { atMost: LEADERS_READS } },
      beside: "the leader's confirming one beside each renewal",
    },
  ];
  return {
    figures: [
      {
        what: '100 agents, 1,000 units: submitted until all are launched and published so',
        ...{ values: values(small, ({ seconds }) => seconds), unit: 's', target: { atMost: 5 } },
        beside: `fleet 1.0: 189 s, 28 MB/s read from etcd. ${costs(small)}`,
      },
      {
        what: 'the same: leases lost, machines gone',
        ...{ values: values(small, ({ failures }) => failures), unit: '', target: { atMost: 0 } },
        beside: 'fleet 1.0: 40',
      },
      {
        what: '1,000 agents, 10,000 units: the same',
        ...{ values: values(large, ({ seconds }) => seconds), unit: 's', target: { atMost: 60 } },
        beside: `fleet 1.0: not possible. ${costs(large)}`,
      },
      {
        what: 'the same: leases lost, machines gone',
        ...{ values: values(large, ({ failures }) => failures), unit: '', target: { atMost: 0 } },
        beside: '-',
      },
      ...atRest(3, few),
      ...atRest(100, many!),
    ],
    notes: [
      'Each unit has a text of its own. They are submitted to the API of one convoyd, 50 in a transaction and up to 16 of these at a time, as `convoyctl start` does. ' +
        'etcd, all agents and whoever measures share the machine; four processes have the agents, one has the leader. The lease is 10 s. ' +
        'Machines join ten at a time in each process, as they share its thread; what they write down is in memory, as they would share the disk.',
    ],
  };
});
