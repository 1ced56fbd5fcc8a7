import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../../agent/ground.js';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { LeaderTerm, MachineSession, Registry } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aPlace, aState, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { useRegistries } from './registry-lab.js';

const ground = useGround('deadlines');
const open = useRegistries();

/** Every call that waits for etcd, but `campaign`, which says that it retries by itself. */
function calls(
  registry: Registry,
  session?: MachineSession,
  term?: LeaderTerm,
): Record<string, Promise<unknown>> {
  return {
    readAll: registry.readAll(),
    readUnit: registry.readUnit('a.service'),
    readStates: registry.readStates('a.service'),
    readAllStates: registry.readAllStates(),
    readMachines: registry.readMachines(),
    readServices: registry.readServices(),
    readLeader: registry.readLeader(),
    submitUnit: registry.submitUnit('b.service', aUnit(), 'loaded'),
    setTargetState: registry.setTargetState('a.service', 'loaded'),
    requestRestart: registry.requestRestart('a.service'),
    requestMove: registry.requestMove('a.service', null),
    destroyUnit: registry.destroyUnit('a.service'),
    changeMachine: registry.changeMachine('m1', { cordoned: true }),
    evictMachine: registry.evictMachine('m1'),
    accept: registry.accept(),
    join: registry.join(aMachine('m2'), 5000),
    ...(term === undefined ? {} : { collectContents: registry.collectContents(term) }),
    ...(session === undefined
      ? {}
      : {
          publish: session.publish([aState('m1', 'a.service')], []),
          announce: session.announce([
            { service: 's', unit: 'a.service', machine: 'm1', host: '127.0.0.1', port: 1 },
          ]),
        }),
  };
}

async function expectAllTransient(promises: Record<string, Promise<unknown>>): Promise<void> {
  const outcomes: Record<string, unknown> = {};
  for (const [name, promise] of Object.entries(promises))
    promise.then(
      () => {
        outcomes[name] = 'answered';
      },
      (error) => {
        outcomes[name] = error.kind;
      },
    );
  await until(
    'every call has ended',
    () => Object.keys(outcomes).length === Object.keys(promises).length,
    40_000,
  );
  expect(outcomes).toEqual(Object.fromEntries(Object.keys(promises).map((name) => [name, 'transient'])));
}

describe('every call has a deadline', () => {
  it('when etcd stops answering', async () => {
    const etcd = await testEtcd(ground);
    const registry = await open(etcd.port, '/p/');
    const session = await registry.join(aMachine('m1'), 60_000);
    const { generation } = await registry.submitUnit('a.service', aUnit(), 'launched');
    const term = await registry.campaign('m1', 10_000, new AbortController().signal);
    await etcd.freeze();
    const committing = registry.commit([aPlace('a.service', 'm1', generation)], term);
    await expectAllTransient(calls(registry, session, term));
    expect(await committing).toEqual({ kind: 'deposed' });
    await expectAllTransient({ leave: session.leave() });
    etcd.thaw();
  });

  it.each(['swallows all bytes', 'refuses connections'])('when the endpoint %s', async (fault) => {
    const silent = createServer(() => undefined);
    const port = await freePort();
    if (fault === 'swallows all bytes') await new Promise<void>((go) => silent.listen(port, '127.0.0.1', go));
    const registry = await openEtcdRegistry({
      ...{ endpoints: [`http://127.0.0.1:${port}`], prefix: '/p/', memory: memoryOfMachine() },
      ...{ clock: systemClock(), log: silentLog },
    });
    await expectAllTransient(calls(registry));
    const stop = new AbortController();
    const view = registry.openClusterView(stop.signal);
    const campaign = registry.campaign('m1', 5000, stop.signal);
    stop.abort();
    await expect(view).rejects.toMatchObject({ kind: 'aborted' });
    await expect(campaign).rejects.toMatchObject({ kind: 'aborted' });
    await registry.close();
    if (silent.listening) silent.close();
  });

  it('and says which endpoint did not answer, and turns to the next', async () => {
    const etcd = await testEtcd(ground, { name: 'etcd-second' });
    const port = await freePort();
    const registry = await openEtcdRegistry({
      ...{ endpoints: [`http://127.0.0.1:${port}`, etcd.url], prefix: '/p/', memory: memoryOfMachine() },
      ...{ clock: systemClock(), log: silentLog },
    });
    await expect(registry.readLeader()).rejects.toThrow(`etcd at http://127.0.0.1:${port}`);
    expect(await registry.readLeader()).toBeNull();
    const term = await registry.campaign('m1', 5000, new AbortController().signal);
    expect(term.trusted()).toBe(true);
    await registry.close();
  });
});
