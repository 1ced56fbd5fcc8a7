import { describe, expect, it } from 'vitest';
import { effectiveMetadata } from '../../registry/model.js';
import { type MetadataPatch, MOST_WRITES, type Registry } from '../../registry/registry.js';
import { aMachine, aPlace, aUnit, TTL_MS, type Use } from './registry-contract.js';

const set = (machine: string, key: string, value: string | null): MetadataPatch => ({ machine, key, value });

/** Metadata of machines key by key, of those that never joined too, and machines that are to be forgotten. */
export function machinesContract(use: Use): void {
  const knownOf = async (registry: Registry) => (await registry.readMachines()).known;

  describe('single keys of metadata', () => {
    it('are set in the order given, in one revision, and keep all others', async () => {
      const { registry } = await use().client();
      await registry.join(aMachine('m1'), TTL_MS);
      await registry.changeMachine('m1', { cordoned: true, metadata: { disk: 'ssd', rack: '1' } });
      const { revision } = await registry.readAll();
      await registry.patchMetadata([
        set('m1', 'az', null),
        set('m1', 'rack', '2'),
        set('m9', 'az', 'z'),
        set('m1', 'rack', '3'),
        set('m1', '__proto__', 'x'),
      ]);
      const { known, machines, revision: now } = await registry.readAll();
      expect(now).toBe(revision + 1);
      expect(known.get('m1')).toMatchObject({ cordoned: true });
      expect(Object.entries(known.get('m1')!.metadata)).toEqual([
        ['disk', 'ssd'],
        ['rack', '3'],
        ['az', null],
        ['__proto__', 'x'],
      ]);
      expect(effectiveMetadata(machines.get('m1')!, known.get('m1'))).toMatchObject({
        disk: 'ssd',
        rack: '3',
      });
      expect(effectiveMetadata(machines.get('m1')!, known.get('m1'))).not.toHaveProperty('az');
    });

    it('change nothing if they are so already, or none are given', async () => {
      const { registry } = await use().client();
      await registry.join(aMachine('m1'), TTL_MS);
      const patches = [set('m1', 'az', 'b'), set('m9', 'az', null)];
      await registry.patchMetadata(patches);
      const { revision } = await registry.readAll();
      await registry.patchMetadata(patches);
      await registry.patchMetadata([]);
      expect((await registry.readAll()).revision).toBe(revision);
    });

    it('of a machine that never joined show nowhere until it does', async () => {
      const { registry } = await use().client();
      await registry.patchMetadata([set('m9', 'az', null), set('m9', 'disk', 'ssd')]);
      await registry.patchMetadata([set('m9', 'rack', '1')]);
      const before = await registry.readAll();
      expect([before.known.size, before.machines.size]).toEqual([0, 0]);
      expect(await registry.readMachines()).toMatchObject({ machines: [], known: [] });
      const expected = { kind: 'permanent', code: 'not-found' };
      await expect(registry.changeMachine('m9', { cordoned: true })).rejects.toMatchObject(expected);

      const session = await registry.join(aMachine('m9'), TTL_MS);
      const metadata = { az: null, disk: 'ssd', rack: '1' };
      expect(await knownOf(registry)).toEqual([
        { id: 'm9', firstSeen: expect.any(Number), cordoned: false, draining: false, away: null, metadata },
      ]);
      await registry.patchMetadata([set('m9', 'rack', null)]);
      await session.leave();
      await registry.join(aMachine('m9'), TTL_MS);
      expect(await knownOf(registry)).toMatchObject([{ metadata: { ...metadata, rack: null } }]);
    });

    it('of two at once, and of one that joins meanwhile, all take effect', async () => {
      const [one, two] = [(await use().client()).registry, (await use().client()).registry];
      await Promise.all([
        one.patchMetadata([set('m1', 'a', '1')]),
        two.join(aMachine('m1'), TTL_MS),
        two.patchMetadata([set('m1', 'b', '2')]),
        one.patchMetadata([set('m1', 'c', '3')]),
      ]);
      expect(await knownOf(one)).toMatchObject([{ metadata: { a: '1', b: '2', c: '3' } }]);
    });

    it('are refused for too many machines; of as many as may be they fit', async () => {
      const { registry } = await use().client();
      const patches = Array.from({ length: MOST_WRITES + 1 }, (_, i) => set(`m${i}`, 'az', 'a'));
      await expect(registry.patchMetadata(patches)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'too-many' },
      });
      await registry.patchMetadata(patches.slice(1));
      await registry.join(aMachine(`m${MOST_WRITES}`), TTL_MS);
      expect(await knownOf(registry)).toMatchObject([{ metadata: { az: 'a' } }]);
    });
  });

  describe('a machine that is to be forgotten', () => {
    it('is refused while it is there, and while units are placed on it', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'launched');
      const term = await registry.campaign('m2', TTL_MS, new AbortController().signal);
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      await expect(registry.forgetMachine('m1')).rejects.toMatchObject({
        ...{ kind: 'conflict', code: 'alive', message: expect.stringContaining('m1') },
      });
      await session.leave();
      await expect(registry.forgetMachine('m1')).rejects.toMatchObject({
        ...{ kind: 'conflict', code: 'in-use', message: expect.stringContaining('m1') },
      });
      expect(await knownOf(registry)).toMatchObject([{ id: 'm1' }]);
      const revision = (await registry.readAll()).assigned.get('a.service')!.revision;
      const away = { kind: 'unplace', revision, placement: undefined } as object;
      await registry.commit([aPlace('a.service', 'm1', generation, away)], term);
      await registry.forgetMachine('m1');
      expect(await knownOf(registry)).toEqual([]);
    });

    it('is a new one when it joins again', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      await registry.changeMachine('m1', { cordoned: true, metadata: { az: 'b' } });
      await session.leave();
      await registry.forgetMachine('m1');
      await registry.join(aMachine('m1'), TTL_MS);
      expect(await knownOf(registry)).toMatchObject([{ cordoned: false, away: null, metadata: {} }]);
    });

    it('loses what was set for it, also if it never joined; then it is not found', async () => {
      const { registry } = await use().client();
      await registry.patchMetadata([set('m9', 'az', 'b')]);
      await registry.forgetMachine('m9');
      await expect(registry.forgetMachine('m9')).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'not-found', message: expect.stringContaining('m9') },
      });
      await registry.join(aMachine('m9'), TTL_MS);
      expect(await knownOf(registry)).toMatchObject([{ metadata: {} }]);
    });
  });
}
