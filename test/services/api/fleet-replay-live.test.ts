import { expect, test, vi } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';
import { openMemoryCluster } from '../../fakes/memory-registry.js';
import { openMemoryUnits } from '../../fakes/memory-unit-manager.js';
import { Convoyd } from '../../scenarios/convoyd.js';
import { startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';
import { DIFFERENCES, LIVE_DIFFERENCES } from './fleet-differences.js';
import { type Answer, expectedOf, send, setUp } from './fleet-exchange.js';
import {
  type Exchange,
  isElided,
  RECORDINGS,
  type Recording,
  readRecording,
  type Step,
} from './fleet-recording.js';

/**
 * Every recorded conversation held with a whole cluster: convoyd's scheduler and agents at work on each machine, its
 * units in memory. What was asked for until it came has to come, the same machines chosen; of what was seen on the
 * way everything is compared but how far the units had come.
 */

test.concurrent.each(RECORDINGS)('%s comes to what it came to with fleet', async (name) => {
  const { machines, steps } = readRecording(name);
  const cluster = await startCluster(machines);
  const differences = LIVE_DIFFERENCES[name] ?? {};
  let number = 0;

  async function exchange(step: Step, at: number, { request, response }: Exchange): Promise<void> {
    const live = differences[number];
    const recorded =
      live?.body === undefined ? response : { ...response, body: live.body(response.body ?? {}) };
    const difference = DIFFERENCES[name]?.[number];
    const isPassed = (live !== undefined && live.body === undefined) || isAskedAgain(step, at);
    const seen = isPassed ? withoutProgress : (answer: Answer): unknown => answer;
    const check = async (): Promise<void> => {
      const answer = await send(cluster.url, request);
      const label = `${number}: ${request.method} ${request.path}`;
      const expected = { ...expectedOf(recorded, difference, answer), length: answer.length };
      expect({ label, answer: seen(answer) }).toEqual({ label, answer: seen(expected) });
    };
    if (request.method === 'GET' && !isPassed) await vi.waitFor(check, { timeout: 10_000, interval: 20 });
    else await check();
    await difference?.after?.(cluster);
    number += 1;
  }

  try {
    for (const step of steps) {
      if (step.setup !== undefined) await setUp(cluster.url, step.setup, step);
      for (const [at, one] of step.exchanges.entries()) if (!isElided(one)) await exchange(step, at, one);
    }
    expect(Object.keys(differences).filter((each) => Number(each) >= number)).toEqual([]);
  } finally {
    await cluster.stop();
  }
});

/** A poll that is not the last of its step: what it shows is passed through, or passed by. */
function isAskedAgain({ exchanges }: Step, at: number): boolean {
  const { request } = exchanges[at] as Exchange;
  const next = exchanges.slice(at + 1).find((one) => one.request.path === request.path);
  return request.method === 'GET' && next?.request.method === 'GET';
}

const PROGRESS = new Set([
  ...['currentState', 'machineID'],
  ...['systemdLoadState', 'systemdActiveState', 'systemdSubState'],
]);

function withoutProgress(answer: Answer): unknown {
  return JSON.parse(JSON.stringify(answer), (key, value: unknown) => (PROGRESS.has(key) ? undefined : value));
}

/** A convoyd for each machine, and the API of one more client of their registry. */
async function startCluster(machines: Recording['machines']) {
  const clock = systemClock();
  const cluster = openMemoryCluster(clock);
  const registry = cluster.client();
  const hosts = machines.map(({ id, ip, metadata }) => {
    const units = openMemoryUnits(clock);
    const machine = { id, ip, metadata, apiAddress: '', version: '1', bootId: 'boot' };
    return {
      units,
      convoyd: new Convoyd(cluster.client(), units.manager(), machine, clock, () => undefined),
    };
  });
  const server = await startFakeFleet([], { still: true });
  const api = await server.serve({ registry, tcp: [{ host: '127.0.0.1', port: 0, role: 'admin' }] });
  await until('all machines are there, and one leads', async () => {
    const [present, leader] = await Promise.all([registry.readMachines(), registry.readLeader()]);
    return present.machines.length === machines.length && leader !== null;
  });
  return {
    url: api.addresses[0] ?? '',
    registry,
    async stop() {
      await api.stop();
      await server.stop();
      for (const { units, convoyd } of hosts) {
        await convoyd.stop(false);
        units.close();
      }
      cluster.close();
    },
  };
}
