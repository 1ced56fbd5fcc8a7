import { describe, expect, it } from 'vitest';
import { openEtcdClient } from '../../../registry/etcd-client.js';
import { Identity } from '../../../registry/etcd-identity.js';
import type { EtcdContext } from '../../../registry/etcd-session.js';
import { openView } from '../../../registry/etcd-view.js';
import { keysUnder } from '../../../registry/keys.js';
import type { Clock } from '../../../runtime/clock.js';
import { systemClock } from '../../../runtime/clock.js';
import { aMachine, aState, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { rawEtcd } from './raw-etcd.js';
import { submitMany, useRegistries } from './registry-lab.js';

const ground = useGround('view');
const etcd = testEtcd(ground);
const open = useRegistries();

/** The system's clock, with the ten-minute and the settling pauses ended by the test. */
function patientClock(): { clock: Clock; endPauses(): void } {
  const system = systemClock();
  let ends: (() => void)[] = [];
  return {
    clock: {
      ...system,
      sleep: (ms, signal) =>
        ms < 4000
          ? system.sleep(ms, signal)
          : new Promise((resolve, reject) => {
              ends.push(resolve);
              signal?.addEventListener('abort', () => reject(new Error('aborted')));
            }),
    },
    endPauses() {
      for (const end of ends.splice(0)) end();
      ends = [];
    },
  };
}

describe('a view', () => {
  it('is checked against etcd, and listed again only if an event was lost', async () => {
    const { url } = await etcd;
    const { clock, endPauses } = patientClock();
    const client = openEtcdClient([url], clock);
    const keys = keysUnder('/check/');
    const problems: (string | undefined)[] = [];
    const problem: EtcdContext['problem'] = (error) => void problems.push(error.code);
    const memory = memoryOfMachine();
    const identity = await Identity.open(client, keys, clock, memory, problem);
    await identity.ready();
    const closed = new AbortController();
    let deaf = false;
    let checks = 0;
    const context: EtcdContext = {
      ...{ identity, keys, clock, memory, problem, closed: closed.signal },
      client: {
        ...client,
        measure(range, at) {
          checks += 1;
          return client.measure(range, at);
        },
        watch: (range, from, onResponse, onEnd, signal) =>
          client.watch(range, from, (response) => deaf || onResponse(response), onEnd, signal),
      },
    };
    let lists = 0;
    const present = new Set<string>();
    const view = openView(context, keys.root, {
      list({ entries }) {
        lists += 1;
        present.clear();
        for (const { key } of entries) present.add(key);
      },
      apply(events) {
        for (const { kind, entry } of events)
          if (kind === 'put') present.add(entry.key);
          else present.delete(entry.key);
        return true;
      },
      snapshot: () => ({ kind: 'test' as const }),
    });
    const raw = rawEtcd(url);
    await view.listed;
    await raw.put('/check/x', '1');
    await until('the event', () => present.has('/check/x'));
    // Checks that find nothing: also while other keys of etcd move.
    for (let i = 1; i <= 5; i += 1) {
      await raw.put('/elsewhere', String(i));
      await until('a check', () => {
        endPauses();
        return checks >= i;
      });
    }
    await raw.put('/check/y', '1');
    await until('the event', () => present.has('/check/y'));
    expect([lists, problems]).toEqual([1, []]);

    deaf = true;
    await raw.remove('/check/x');
    await until('the check finds the difference', () => {
      endPauses();
      return problems.includes('cache-differs');
    });
    deaf = false;
    await until('the list', () => lists === 2);
    expect(present.has('/check/x')).toBe(false);
    closed.abort();
    await view.close();
    client.close();
  });

  it('and a read show more rows than one page holds, at one revision', async () => {
    const { port, url } = await etcd;
    const registry = await open(port, '/pages/');
    await registry.join(aMachine('m1'), 60_000);
    const raw = rawEtcd(url);
    const known = JSON.stringify({ v: 1, firstSeen: 1, cordoned: false, draining: false, metadata: {} });
    for (let start = 0; start < 5000; start += 100)
      await raw.putAll(Array.from({ length: 100 }, (_, i) => [`/pages/known/k${start + i}`, known] as const));
    const all = await registry.readAll();
    expect(all.known.size).toBe(5001);
    const view = await registry.openClusterView(new AbortController().signal);
    expect(view.snapshot()).toMatchObject({ kind: 'cluster', known: all.known });
    await view.close();
  });

  it('one unit is read with its states on more machines than one transaction takes', async () => {
    const { port, url } = await etcd;
    const registry = await open(port, '/many/');
    await submitMany(registry, 1, 'm1');
    const session = await registry.join(aMachine('m1'), 60_000);
    await session.publish([aState('m1', 'u0.service')], []);
    const raw = rawEtcd(url);
    const machine = JSON.stringify({ v: 1, ip: '', metadata: {}, apiAddress: '', version: '', bootId: '' });
    const { unit: _, machine: __, ...state } = aState('m', 'u0.service');
    for (let i = 0; i < 300; i += 1)
      await raw.putAll([
        [`/many/machines/x${i}`, machine],
        [`/many/states/x${i}/u0.service`, JSON.stringify({ v: 1, ...state })],
      ]);
    const unit = await registry.readUnit('u0.service');
    expect(unit?.states).toHaveLength(301);
    expect(unit?.record.unit).toEqual(aUnit());
  });
});
