/** Three systemd hosts with 300 units that do nothing: what Convoy and etcd need then. */
import { openHosts } from '../support/hosts.js';
import { bareEtcd } from './hosts/bare-etcd.js';
import { type Cost, costBetween, ctl, look, namesOf, parts, secondsOf } from './hosts/steps.js';
import { inWords, median } from './support/figures.js';
import { RUNS, section } from './support/section.js';
import { undisturbed } from './support/steal.js';

const UNITS = 300;
const MINUTE_MS = 60_000;
/** V8 goes on returning memory of the start for some minutes: a collection of 0.15 CPU s now and then. */
const SETTLE_MS = 240_000;

interface Minute {
  readonly cost: Cost;
  /** CPU seconds of an etcd that nobody has ever spoken to. */
  readonly bare: number;
}

await section('rest', async () => {
  const minutes: Minute[] = [];
  const hosts = await openHosts({ count: 3 });
  const bare = await bareEtcd();
  async function minute(): Promise<Minute> {
    const [before, bareBefore] = [await look(hosts), bare.cpuSeconds()];
    await sleep(MINUTE_MS);
    return { cost: costBetween(before, await look(hosts)), bare: bare.cpuSeconds() - bareBefore };
  }
  try {
    hosts.unit('sleeper@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
    await ctl(hosts.host(1), 'submit', 'sleeper@.service');
    await ctl(hosts.host(1), 'start', ...namesOf('rest', UNITS));
    await sleep(SETTLE_MS);
    for (let run = 0; run < RUNS; run++) minutes.push(await undisturbed(minute));
  } finally {
    await bare.end();
    await hosts.close();
  }
  const costs = minutes.map(({ cost }) => cost);
  return {
    figures: [
      {
        ...{ what: `${UNITS} units at rest: CPU of all daemons and etcd in 60 s`, unit: 's' },
        ...{ values: costs.map((cost) => secondsOf(cost)), target: { atMost: 1 } },
        beside: `fleet 1.0: 6.7 s; ${parts(costs)}`,
      },
      {
        ...{ what: 'of that, what an etcd needs that nobody speaks to', unit: 's', target: null },
        ...{ values: minutes.map((one) => one.bare), beside: 'in the same minute' },
      },
      {
        ...{ what: `${UNITS} units at rest: writes to etcd in 60 s`, unit: '', target: { atMost: 0 } },
        values: costs.map(({ writes }) => writes),
        beside: `fleet 1.0: 2,742; reads of ours: ${inWords(median(costs.map(({ reads }) => reads)))}`,
      },
    ],
    notes: [
      `The minutes follow one another, the first ${SETTLE_MS / 60_000} minutes after the start of all units: until then V8 collects garbage of it. convoyd: of three hosts together.`,
    ],
  };
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
