import { describe, expect, it } from 'vitest';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { RegistryMemory } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { kindOf } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { rawEtcd } from './raw-etcd.js';
import { type LabRegistry, useRegistries } from './registry-lab.js';
import { holdOf, type StrangeCluster, sizeOf, useStrangeLab } from './strange-lab.js';

const TTL_MS = 3000;
const ground = useGround('strange-etcd');
const open = useRegistries();
const { cluster, backUp, startWith } = useStrangeLab(ground, open);

/** Held with this reason by a running agent and by one started anew, which both write nothing. */
async function expectHold({ registry, view, memory, etcd }: StrangeCluster, reason: RegExp): Promise<void> {
  const revision = await rawEtcd(etcd.url).revision();
  const restarted = await open(etcd.port, '/convoy/', memory);
  for (const [one, its] of [
    [registry, view],
    [restarted, restarted.openPlacementView('m1')],
  ] as const) {
    await until(`a hold for ${reason}`, () => reason.test(holdOf(its) ?? ''), 20_000);
    await expectNothingWritten(one, reason);
    expect(holdOf(its)).toMatch(reason);
  }
  expect(await rawEtcd(etcd.url).revision()).toBe(revision);
}

async function expectNothingWritten(registry: LabRegistry, reason: RegExp): Promise<void> {
  const refused = { kind: 'permanent', code: 'hold', message: expect.stringMatching(reason) };
  await expect(registry.submitUnit('b.service', aUnit(), 'launched')).rejects.toMatchObject(refused);
  await expect(registry.join(aMachine('m1'), TTL_MS)).rejects.toMatchObject(refused);
}

describe('a strange etcd makes agents hold', () => {
  it('when it was emptied', async () => {
    const all = await cluster();
    await startWith(all, null);
    await expectHold(all, /no cluster record/);
  });

  it('and shows nobody what it holds: the first read that is answered is refused', async () => {
    const all = await cluster();
    await startWith(all, null);
    const first = await until('an answer', async () => {
      const answer: unknown = await all.registry.readMachines().catch((error: unknown) => error);
      return kindOf(answer) === 'transient' ? null : { answer };
    });
    expect(first.answer).toMatchObject({ code: 'hold', message: expect.stringMatching(/no cluster record/) });
  });

  it('when it is another cluster', async () => {
    const all = await cluster();
    const foreign = await cluster();
    await foreign.etcd.kill();
    // Another cluster's data, further on than ours ever was, under the address we know.
    await startWith(all, foreign.dir);
    const raw = rawEtcd(all.etcd.url);
    for (let i = 0; i < 50; i += 1) await raw.put('/elsewhere', String(i));
    await expectHold(all, /etcd holds cluster .* was etcd replaced/);
  });

  it('when it was restored from a backup, even after it has grown past what was seen', async () => {
    const all = await cluster();
    const backup = await backUp(all);
    const raw = rawEtcd(all.etcd.url);
    await until('the agent is back', () =>
      all.registry.readLeader().then(
        () => true,
        () => false,
      ),
    );
    for (let i = 0; i < 30; i += 1) await raw.put(`/convoy/placements/m1/later-${i}`, 'x');
    for (let i = 0; i < 30; i += 1) await raw.remove(`/convoy/placements/m1/later-${i}`);
    await until('the agent has seen all that', () => sizeOf(all.view) === 1);
    await all.registry.submitUnit('a.service', aUnit('later'), 'launched');
    await startWith(all, backup);
    await until('the hold', () => /went back from revision/.test(holdOf(all.view) ?? ''), 20_000);
    for (let i = 0; i < 100; i += 1) await rawEtcd(all.etcd.url).put('/elsewhere', String(i));
    await expectHold(all, /went back from revision/);
  });

  it('when its records are of a later format, and goes on when they are not any more', async () => {
    const all = await cluster();
    const raw = rawEtcd(all.etcd.url);
    const key = '/convoy/placements/m1/a.service';
    await raw.put(key, JSON.stringify({ v: 2, hash: 'x' }));
    await until('the hold', () => /format 2/.test(holdOf(all.view) ?? ''), 20_000);
    await raw.remove(key);
    await until('the end of the hold', () => sizeOf(all.view) === 0, 20_000);

    const { clusterId } = (await all.memory.readSeen())!;
    await raw.put('/convoy/cluster', JSON.stringify({ id: clusterId, format: 2 }));
    const restarted = await open(all.etcd.port, '/convoy/', all.memory);
    const view = restarted.openPlacementView('m1');
    await until('the hold', () => /records of format 2/.test(holdOf(view) ?? ''), 20_000);
    await expectNothingWritten(restarted, /records of format 2/);
    await raw.put('/convoy/cluster', JSON.stringify({ id: clusterId, format: 1 }));
    await until('the end of the hold', () => sizeOf(view) === 0, 20_000);
  });

  it('but an etcd that is merely away, or comes back as it was, does not', async () => {
    const all = await cluster();
    await all.etcd.kill();
    await expect(all.registry.readLeader()).rejects.toMatchObject({ kind: 'transient' });
    expect(sizeOf(all.view)).toBe(1);
    await all.etcd.restart();
    await until('etcd answers', () =>
      all.registry.readLeader().then(
        () => true,
        () => false,
      ),
    );
    const late = await rawEtcd(all.etcd.url).put('/convoy/placements/m1/x', 'unreadable');
    await until('the watch goes on', () => holdOf(all.view) !== undefined, 20_000);
    expect(late).toBeGreaterThan(0);
  });

  it('and one that was never seen with a cluster is made one by the first who joins', async () => {
    const etcd = await testEtcd(ground, { name: 'etcd-fresh' });
    const memory: RegistryMemory = memoryOfMachine();
    const registry = await openEtcdRegistry({
      ...{ endpoints: [etcd.url], prefix: 'fresh', clock: systemClock(), log: silentLog, memory },
    });
    const view = registry.openPlacementView('m1');
    expect(holdOf(view)).toMatch(/not been read yet/);
    await until('nobody made it a cluster', () => /no cluster record yet/.test(holdOf(view) ?? ''));
    await registry.join(aMachine('m1'), TTL_MS);
    await until('the view', () => sizeOf(view) === 0);
    expect(await memory.readSeen()).toMatchObject({ revision: expect.any(Number) });
    await registry.close();
  });
});
