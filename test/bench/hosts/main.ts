/**
 * The fleet on three real systemd hosts of this machine: how long until units run, what that costs, what an idle minute
 * costs, and how long the way from a power cut to everything running elsewhere is. Beside each figure stands what
 * CoreOS fleet 1.0 needed for the same on such a machine.
 */
import { type Hosts, openHosts } from '../../support/hosts.js';
import { type Figure, quantile, type Target } from '../support/figures.js';
import { RUNS, section } from '../support/section.js';
import { byApi, byProgram } from './single.js';
import {
  type Cost,
  costBetween,
  ctl,
  look,
  namesOf,
  parts,
  secondsOf,
  timed,
  untilJoined,
  untilRunningElsewhere,
} from './steps.js';

/** Until so many units run: what it must take at most, in seconds, and what it took fleet 1.0. */
const STARTS = [
  { size: 1, atMost: 0.5, fleet: '2.6' },
  { size: 10, atMost: 0.7, fleet: '2.5' },
  { size: 100, atMost: 2, fleet: '4.7' },
  { size: 300, atMost: 5, fleet: '9 to 15' },
];
const ALL = 300;
const SINGLES = 200;
const SHORT = { CONVOY_TTL: '4s', CONVOY_GRACE: '1s' };

const starts = new Map(STARTS.map(({ size }) => [size, [] as number[]]));
const startCosts: Cost[] = [];
const cuts: number[] = [];
const shortCuts: number[] = [];
const singles = { program: [] as number[][], api: [] as number[][] };

await section('hosts', async () => {
  const hosts = await openHosts({ count: 3 });
  try {
    hosts.unit('sleeper@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
    await ctl(hosts.host(1), 'submit', 'sleeper@.service');
    for (let run = 1; run <= RUNS; run += 1) await measureOnce(hosts, run);
    for (const host of hosts.all) await host.configure(SHORT);
    await untilJoined(hosts.host(1), 3);
    for (let run = 1; run <= RUNS; run += 1) {
      const names = namesOf(`s${run}`, ALL);
      await ctl(hosts.host(1), 'start', ...names);
      shortCuts.push(await powerCut(hosts));
      await ctl(hosts.host(1), 'destroy', ...names);
    }
  } finally {
    await hosts.close();
  }
  return { figures: figures(), notes: notes() };
});

async function measureOnce(hosts: Hosts, run: number): Promise<void> {
  const first = hosts.host(1);
  for (const { size } of STARTS) {
    const names = namesOf(`r${run}-${size}`, size);
    const before = await look(hosts);
    starts.get(size)?.push(await timed(() => ctl(first, 'start', ...names)));
    if (size === ALL) startCosts.push(costBetween(before, await look(hosts)));
    else await ctl(first, 'destroy', ...names);
  }
  cuts.push(await powerCut(hosts));
  await ctl(first, 'destroy', ...namesOf(`r${run}-${ALL}`, ALL));

  const [program, api] = [namesOf(`p${run}`, SINGLES), namesOf(`a${run}`, SINGLES)];
  singles.program.push(await byProgram(first, program));
  await ctl(first, 'destroy', ...program);
  singles.api.push(await byApi(first, api));
  await ctl(first, 'destroy', ...api);
}

/** Seconds until all units run on the other hosts; the host is back, without units, when it resolves. */
async function powerCut(hosts: Hosts): Promise<number> {
  const lost = hosts.host(3);
  const seconds = await timed(async () => {
    await lost.cutPower();
    await untilRunningElsewhere(hosts.host(1), lost, ALL);
  });
  await lost.boot();
  await untilJoined(hosts.host(1), 3);
  return seconds;
}

function figures(): Figure[] {
  const figure = (
    what: string,
    values: readonly number[],
    unit: string,
    target: Target | null,
    beside: string,
  ): Figure => ({ what, values, unit, target, beside });
  const part = (runs: readonly number[][], share: number): number[] =>
    runs.map((run) => quantile(run, share));
  return [
    ...STARTS.map(({ size, atMost, fleet }) =>
      figure(
        `start ${size === 1 ? '1 unit' : `${size} units`}: \`convoyctl start\` until it has ended`,
        starts.get(size) ?? [],
        's',
        { atMost },
        `fleet 1.0: ${fleet} s`,
      ),
    ),
    figure(
      `start ${ALL} units: CPU of all convoyd and etcd`,
      startCosts.map((cost) => secondsOf(cost, ['node', 'etcd'])),
      's',
      { atMost: 5 },
      `fleet 1.0: 11.7 s; ${parts(startCosts)}`,
    ),
    figure(
      'power cut of a host with 100 units until all run elsewhere, lease 10 s and grace 5 s',
      cuts,
      's',
      { atMost: 18 },
      'fleet 1.0: 30 to 35 s',
    ),
    figure('the same with lease 4 s and grace 1 s', shortCuts, 's', { atMost: 8 }, '-'),
    figure(
      'one submit-to-running through the API, p50',
      part(singles.api, 0.5),
      'ms',
      { atMost: 150 },
      `of ${SINGLES}, from the request until the event; fleet 1.0: 2,500 ms`,
    ),
    figure(
      'one submit-to-running through the API, p99',
      part(singles.api, 0.99),
      'ms',
      { atMost: 500 },
      'fleet 1.0: 5,000 ms',
    ),
    figure('the same by `convoyctl start`, p50', part(singles.program, 0.5), 'ms', null, 'a program each'),
    figure('the same by `convoyctl start`, p99', part(singles.program, 0.99), 'ms', null, 'a program each'),
  ];
}

function notes(): string[] {
  return [
    `One set of three hosts and one etcd for all runs; each run starts and destroys units of names never seen before. The power of the third host is cut, which boots again after each.`,
  ];
}
