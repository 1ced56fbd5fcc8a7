import { describe, expect, it } from 'vitest';
import { byUnit } from '../../api/wire.js';
import type { LeaderTerm, Registry } from '../../registry/registry.js';
import { memoryOfMachine } from '../fakes/memory-registry.js';
import { aMachine, aPlace, aState, aUnit, TTL_MS, type Use } from './registry-contract.js';

/** What operators ask for: moves, wishes about machines, acceptance of a registry. */
export function operatorContract(use: Use): void {
  const forever = new AbortController().signal;

  it('has a secret that is the same for every machine', async () => {
    const [one, other] = [(await use().client()).registry, (await use().client()).registry];
    const [first, again] = await Promise.all([one.readSecret(), other.readSecret()]);
    expect(first).toHaveLength(32);
    expect(again).toEqual(first);
    expect(await one.readSecret()).toEqual(first);
  });

  describe('moves', () => {
    /** A unit on m1, and how to look at its record. */
    async function placed() {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'launched');
      const term = await registry.campaign('m1', TTL_MS, forever);
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const record = async () => (await registry.readUnit('a.service'))!.record;
      return { registry, term, record, assignment: await assignmentOf(registry) };
    }
    const assignmentOf = async (registry: Registry): Promise<number> =>
      (await registry.readAll()).assigned.get('a.service')!.revision;

    async function moveTo(machine: string, registry: Registry, term: LeaderTerm, generation: number) {
      const revision = await assignmentOf(registry);
      const away = { kind: 'unplace', machine: 'm1', revision, placement: undefined };
      const moved = await registry.commit(
        [aPlace('a.service', 'm1', generation, away as object), aPlace('a.service', machine, generation)],
        term,
      );
      expect(moved).toMatchObject({ outcomes: ['committed', 'committed'] });
    }

    it('asks for one, bound to where the unit is; the same again changes nothing, another replaces it', async () => {
      const { registry, record, assignment } = await placed();
      const before = await record();
      await registry.requestMove('a.service', null);
      const first = await record();
      expect(first.move).toEqual({ assignment, to: null });
      expect(first.generation).toBeGreaterThan(before.generation);
      await registry.requestMove('a.service', null);
      expect((await record()).generation).toBe(first.generation);
      await registry.requestMove('a.service', 'm2');
      expect((await record()).move).toEqual({ assignment, to: 'm2' });
      expect(await assignmentOf(registry)).toBe(assignment);
    });

    it('keeps it over another content, a target state and a restart, as long as the unit is there', async () => {
      const { registry, record, assignment } = await placed();
      await registry.requestMove('a.service', 'm2');
      await registry.submitUnit('a.service', aUnit('x'), 'launched');
      await registry.setTargetState('a.service', 'loaded');
      await registry.requestRestart('a.service');
      expect(await record()).toMatchObject({ restarts: 1, move: { assignment, to: 'm2' } });
    });

    it.each([
      ['submit', (registry: Registry) => registry.submitUnit('a.service', aUnit('x'), 'launched')],
      ['target state', (registry: Registry) => registry.setTargetState('a.service', 'loaded')],
      ['restart', (registry: Registry) => registry.requestRestart('a.service')],
    ])('drops a spent one at the next %s, and not before', async (_, change) => {
      const { registry, term, record, assignment } = await placed();
      await registry.requestMove('a.service', 'm2');
      await moveTo('m2', registry, term, (await record()).generation);
      expect((await record()).move).toEqual({ assignment, to: 'm2' });
      await change(registry);
      expect((await record()).move).toBeNull();
    });

    it('asks anew for a unit that has been moved', async () => {
      const { registry, term, record, assignment } = await placed();
      await registry.requestMove('a.service', 'm2');
      await moveTo('m2', registry, term, (await record()).generation);
      await registry.requestMove('a.service', 'm2');
      const { move } = await record();
      expect(move).toEqual({ assignment: await assignmentOf(registry), to: 'm2' });
      expect(move?.assignment).toBeGreaterThan(assignment);
    });

    it('says not-found for no unit, and not-placed for one that is nowhere or global', async () => {
      const { registry, term } = await placed();
      await expect(registry.requestMove('b.service', null)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'not-found' },
      });
      const b = await registry.submitUnit('b.service', aUnit(), 'launched');
      const notPlaced = { kind: 'permanent', code: 'not-placed' };
      await expect(registry.requestMove('b.service', 'm1')).rejects.toMatchObject(notPlaced);
      await registry.commit([aPlace('b.service', 'm1', b.generation, { global: true })], term);
      await expect(registry.requestMove('b.service', 'm1')).rejects.toMatchObject(notPlaced);
      expect((await registry.readUnit('b.service'))?.record.generation).toBe(b.generation);
    });
  });

  describe('states', () => {
    it('are there on every machine, after it was destroyed too, until they are taken back', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const second = await two.registry.join(aMachine('m2'), TTL_MS);
      const first = await one.registry.join(aMachine('m1'), TTL_MS);
      await second.publish([aState('m2', 'a.service', 'failed')], []);
      await first.publish([aState('m1', 'a.service'), aState('m1', 'b.service')], []);
      const states = [aState('m1', 'a.service'), aState('m2', 'a.service', 'failed')];
      expect(await one.registry.readStates('a.service')).toEqual(states);
      const all = await one.registry.readAllStates();
      expect(byUnit(all.states)).toEqual([...states, aState('m1', 'b.service')]);
      expect(all.revision).toBe((await one.registry.readAll()).revision);
      await second.publish([], ['a.service']);
      expect(await one.registry.readStates('a.service')).toEqual(states.slice(0, 1));
      expect((await one.registry.readAllStates()).states).toHaveLength(2);
      expect(await one.registry.readStates('c.service')).toEqual([]);
    });
  });

  describe('wishes about machines', () => {
    const knownOf = async (registry: Registry) => (await registry.readMachines()).known;

    it('change what is given and keep the rest; the same again changes nothing', async () => {
      const { registry } = await use().client();
      await registry.join(aMachine('m1'), TTL_MS);
      const [before] = await knownOf(registry);
      await registry.changeMachine('m1', { cordoned: true });
      await registry.changeMachine('m1', { draining: true, metadata: { az: null, disk: 'ssd' } });
      expect(await knownOf(registry)).toEqual([
        { ...before, cordoned: true, draining: true, metadata: { az: null, disk: 'ssd' } },
      ]);
      const { revision } = await registry.readAll();
      await registry.changeMachine('m1', { cordoned: true, draining: true });
      expect((await registry.readAll()).revision).toBe(revision);
      await registry.changeMachine('m1', { cordoned: false, metadata: {} });
      expect(await knownOf(registry)).toEqual([{ ...before, draining: true }]);
    });

    it('survive the machine going and coming back', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      await registry.changeMachine('m1', { cordoned: true });
      await session.leave();
      await registry.changeMachine('m1', { draining: true });
      await registry.join(aMachine('m1'), TTL_MS);
      expect(await knownOf(registry)).toMatchObject([{ cordoned: true, draining: true, away: null }]);
    });

    it('give a machine up that is not there, until it joins again', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const session = await one.registry.join(aMachine('m1'), TTL_MS);
      await expect(two.registry.evictMachine('m1')).rejects.toMatchObject({
        ...{ kind: 'conflict', code: 'alive', message: expect.stringContaining('m1') },
      });
      expect(await knownOf(two.registry)).toMatchObject([{ away: null }]);
      await session.suspend();
      await use().pass('it is gone', async () => (await two.registry.readMachines()).machines.length === 0);
      await two.registry.evictMachine('m1');
      await two.registry.evictMachine('m1');
      expect(await knownOf(two.registry)).toMatchObject([{ away: 'evicted' }]);
      await one.registry.join(aMachine('m1'), TTL_MS);
      expect(await knownOf(two.registry)).toMatchObject([{ away: null }]);
    });

    it('say not-found for a machine that never joined', async () => {
      const { registry } = await use().client();
      const expected = { kind: 'permanent', code: 'not-found', message: expect.stringContaining('m9') };
      await expect(registry.changeMachine('m9', { cordoned: true })).rejects.toMatchObject(expected);
      await expect(registry.evictMachine('m9')).rejects.toMatchObject(expected);
    });

    it('of two at once both take effect', async () => {
      const [one, two] = [await use().client(), await use().client()];
      await one.registry.join(aMachine('m1'), TTL_MS);
      await Promise.all([
        one.registry.changeMachine('m1', { cordoned: true }),
        two.registry.changeMachine('m1', { draining: true }),
      ]);
      expect(await knownOf(one.registry)).toMatchObject([{ cordoned: true, draining: true }]);
    });
  });

  describe('acceptance', () => {
    it('ends the hold of a machine that remembers another cluster, and of no other', async () => {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'launched');
      const term = await registry.campaign('m1', TTL_MS, forever);
      await registry.commit([aPlace('a.service', 'm1', generation)], term);

      const strangers = [memoryOfMachine(), memoryOfMachine()];
      const clients = [];
      for (const memory of strangers) {
        await memory.writeSeen({ clusterId: 'another', revision: 1_000_000 });
        clients.push((await use().client(memory)).registry);
      }
      const [first, second] = clients as [Registry, Registry];
      const views = clients.map((one) => one.openPlacementView('m1'));
      const kinds = (): string[] => views.map((view) => view.snapshot().kind);
      const held = { kind: 'permanent', code: 'hold' };
      for (const one of clients) await expect(one.join(aMachine('m1'), TTL_MS)).rejects.toMatchObject(held);

      const seen = await first.accept();
      expect(await strangers[0]!.readSeen()).toEqual(seen);
      await use().pass('the view is back', () => kinds()[0] === 'placements');
      const now = views[0]!.snapshot();
      expect(now.kind === 'placements' && [...now.placements.keys()]).toEqual(['a.service']);
      await first.join(aMachine('m1'), TTL_MS);

      expect(kinds()[1]).toBe('hold');
      await expect(second.submitUnit('b.service', aUnit(), 'loaded')).rejects.toMatchObject(held);
      expect(await strangers[1]!.readSeen()).toMatchObject({ clusterId: 'another' });
      expect((await second.accept()).clusterId).toBe(seen.clusterId);
      await second.submitUnit('b.service', aUnit(), 'loaded');
      await Promise.all(views.map((view) => view.close()));
    });

    it('changes nothing where nothing is held', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const session = await one.registry.join(aMachine('m1'), TTL_MS);
      const seen = await one.registry.accept();
      expect((await two.registry.accept()).clusterId).toBe(seen.clusterId);
      expect(session.trusted()).toBe(true);
      expect((await two.registry.readMachines()).machines).toHaveLength(1);
    });
  });
}
