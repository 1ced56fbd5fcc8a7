import { describe, expect, it } from 'vitest';
import type { PlacementView, RegistryMemory } from '../../../registry/registry.js';
import { aMachine, aPlace, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { rawEtcd } from './raw-etcd.js';
import { type LabRegistry, useRegistries } from './registry-lab.js';
import { holdOf, type StrangeCluster, sizeOf, useStrangeLab } from './strange-lab.js';

const TTL_MS = 3000;
const ground = useGround('accept');
const open = useRegistries();
const { cluster, backUp, startWith } = useStrangeLab(ground, open);

const untilHeld = (view: PlacementView, reason: RegExp): Promise<unknown> =>
  until(`a hold for ${reason}`, () => reason.test(holdOf(view) ?? ''), 20_000);

/** A second machine of the same cluster, with what it remembers. */
async function secondMachine({ etcd, memory }: StrangeCluster) {
  const own: RegistryMemory = memoryOfMachine();
  await own.writeSeen((await memory.readSeen())!);
  const registry = await open(etcd.port, '/convoy/', own);
  const view = registry.openPlacementView('m2');
  await until('the second machine is with it', () => sizeOf(view) === 0);
  return { registry, view };
}

/** Writes more than leases that run out can make up for; answers the last revision. */
async function moveOn({ registry }: StrangeCluster): Promise<number> {
  const submit = (i: number) => registry.submitUnit(`later-${i}.service`, aUnit(), 'launched');
  await until('etcd answers', () => submit(0).catch(() => undefined));
  let last = 0;
  for (let i = 1; i <= 20; i += 1) last = (await submit(i)).generation;
  return last;
}

/** The registry works: units are submitted, placed and seen. */
async function expectAtWork(registry: LabRegistry, view: PlacementView, unit: string): Promise<void> {
  const term = await registry.campaign('m1', TTL_MS, AbortSignal.timeout(30_000));
  const { generation } = await registry.submitUnit(unit, aUnit(), 'launched');
  expect(await registry.commit([aPlace(unit, 'm1', generation)], term)).toMatchObject({
    outcomes: ['committed'],
  });
  await until(`${unit} is seen`, () => {
    const now = view.snapshot();
    return now.kind === 'placements' && now.placements.has(unit);
  });
  await term.resign();
}

/** A convoyd started anew with this memory holds nothing. */
async function expectRemembered({ etcd, memory }: StrangeCluster, size: number): Promise<void> {
  const restarted = await open(etcd.port, '/convoy/', memory);
  const view = restarted.openPlacementView('m1');
  await until('the list is in', () => sizeOf(view) === size);
}

describe('an accepted registry is gone on with, without a restart', () => {
  it('when etcd was emptied: the first to accept makes it a cluster, others hold until they accept', async () => {
    const all = await cluster();
    const before = await all.memory.readSeen();
    const other = await secondMachine(all);
    await startWith(all, null);
    await Promise.all([untilHeld(all.view, /no cluster record/), untilHeld(other.view, /no cluster record/)]);

    const seen = await all.registry.accept();
    expect(seen.clusterId).not.toBe(before?.clusterId);
    expect(await all.memory.readSeen()).toEqual(seen);
    await until('the view lists again', () => sizeOf(all.view) === 0);
    await all.registry.join(aMachine('m1'), TTL_MS);
    await expectAtWork(all.registry, all.view, 'b.service');

    await untilHeld(other.view, /etcd holds cluster/);
    expect((await other.registry.accept()).clusterId).toBe(seen.clusterId);
    await until('the other view lists again', () => sizeOf(other.view) === 0);
    await other.registry.join(aMachine('m2'), TTL_MS);
    await expectRemembered(all, 1);
  });

  it('when it was restored from a backup, though it is behind what was seen', async () => {
    const all = await cluster();
    const backup = await backUp(all);
    const revision = await moveOn(all);
    await startWith(all, backup);
    await untilHeld(all.view, /went back from revision/);

    const seen = await all.registry.accept();
    expect(seen.revision).toBeLessThan(revision);
    await until('the view lists again', () => sizeOf(all.view) === 1);
    expect([...(await all.registry.readAll()).units.keys()]).toEqual(['a.service']);
    await expectAtWork(all.registry, all.view, 'b.service');
    await expectRemembered(all, 2);
  });

  it('when it is another cluster', async () => {
    const all = await cluster();
    const foreign = await cluster();
    const { clusterId } = (await foreign.memory.readSeen())!;
    await foreign.etcd.kill();
    await startWith(all, foreign.dir);
    await untilHeld(all.view, /etcd holds cluster/);
    expect((await all.registry.accept()).clusterId).toBe(clusterId);
    await until('the view lists again', () => sizeOf(all.view) === 1);
    await expectAtWork(all.registry, all.view, 'b.service');
    await expectRemembered(all, 2);
  });

  it('but not when its records are of a later format: that is refused and still held', async () => {
    const all = await cluster();
    const { clusterId } = (await all.memory.readSeen())!;
    await rawEtcd(all.etcd.url).put('/convoy/cluster', JSON.stringify({ id: clusterId, format: 2 }));
    await expect(all.registry.accept()).rejects.toMatchObject({
      ...{ kind: 'permanent', code: 'format', message: expect.stringMatching(/upgrade/) },
    });
    await expect(all.registry.submitUnit('b.service', aUnit(), 'loaded')).rejects.toMatchObject({
      ...{ kind: 'permanent', code: 'hold' },
    });
  });
});

describe('what was seen is written down in time', () => {
  it('so that a convoyd that was killed knows a store that went back by what it did seconds before', async () => {
    const all = await cluster();
    const backup = await backUp(all);
    const revision = await moveOn(all);
    const seen = await until('it is written down', async () => {
      const written = await all.memory.readSeen();
      return written !== null && written.revision >= revision && written;
    });
    expect(seen.revision).toBeLessThanOrEqual(await rawEtcd(all.etcd.url).revision());
    // What is left of a killed one: its memory as it is at this moment.
    const left = memoryOfMachine();
    await left.writeSeen(seen);
    all.registry.proxy.cut();
    await startWith(all, backup);
    const restarted = await open(all.etcd.port, '/convoy/', left);
    await untilHeld(restarted.openPlacementView('m1'), /went back from revision/);
  });
});
