import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot } from '../../registry/model.js';
import type { LeaderTerm, Registry, View } from '../../registry/registry.js';
import { hashOf } from '../../units/unit-file.js';
import { aMachine, aPlace, aUnit, TTL_MS, type Use } from './registry-contract.js';

export function placementContract(use: Use): void {
  const forever = new AbortController().signal;

  /** A leader and one submitted unit. */
  async function leader(): Promise<{ registry: Registry; term: LeaderTerm; generation: number }> {
    const { registry } = await use().client();
    const { generation } = await registry.submitUnit('a.service', aUnit(), 'launched');
    return { registry, generation, term: await registry.campaign('m1', TTL_MS, forever) };
  }
  const assignedTo = (all: ClusterSnapshot, unit = 'a.service') => all.assigned.get(unit)?.machine;

  describe('commit', () => {
    it('places a unit: assignment and placement at one revision', async () => {
      const { registry, term, generation } = await leader();
      const result = await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const all = await registry.readAll();
      expect(result).toMatchObject({ kind: 'done', outcomes: ['committed'], revision: all.revision });
      const assignment = all.assigned.get('a.service');
      expect(assignment?.machine).toBe('m1');
      expect(all.placements.get('m1')?.get('a.service')).toEqual({
        ...{ unit: 'a.service', machine: 'm1', hash: hashOf(aUnit()), target: 'launched' },
        ...{ restarts: 0, why: 'fewest units', fence: assignment?.revision, revision: assignment?.revision },
      });
      expect(await registry.readUnit('a.service')).toMatchObject({ machine: 'm1', why: 'fewest units' });
    });

    it('drops what is stale and commits the rest', async () => {
      const { registry, term, generation } = await leader();
      const b = await registry.submitUnit('b.service', aUnit(), 'launched');
      await registry.submitUnit('c.service', aUnit(), 'launched');
      const result = await registry.commit(
        [
          aPlace('a.service', 'm1', generation, { kind: 'update', revision: 1 }),
          aPlace('b.service', 'm1', b.generation),
          aPlace('c.service', 'm1', b.generation),
          aPlace('d.service', 'm1', 5),
        ],
        term,
      );
      expect(result).toMatchObject({ kind: 'done', outcomes: ['stale', 'committed', 'stale', 'stale'] });
      expect([...(await registry.readAll()).assigned.keys()]).toEqual(['b.service']);
    });

    it('refuses to place what a decision says is still assigned', async () => {
      const { registry, term, generation } = await leader();
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const { revision } = (await registry.readAll()).assigned.get('a.service')!;
      const move = aPlace('a.service', 'm2', generation, { revision });
      await expect(registry.commit([move], term)).rejects.toMatchObject({ kind: 'permanent' });
      expect([...(await registry.readAll()).placements.keys()]).toEqual(['m1']);
    });

    it('never assigns a unit twice', async () => {
      const { registry, term, generation } = await leader();
      const twice = [aPlace('a.service', 'm1', generation), aPlace('a.service', 'm2', generation)];
      expect(await registry.commit(twice, term)).toMatchObject({ outcomes: ['committed', 'stale'] });
      expect(await registry.commit(twice, term)).toMatchObject({ outcomes: ['stale', 'stale'] });
      const all = await registry.readAll();
      expect([assignedTo(all), all.placements.size]).toEqual(['m1', 1]);
    });

    it('updates a placement where it is, and takes a unit away', async () => {
      const { registry, term, generation } = await leader();
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const { revision } = (await registry.readAll()).assigned.get('a.service')!;
      const record = await registry.submitUnit('a.service', aUnit('x'), 'loaded');
      const update = aPlace('a.service', 'm1', record.generation, { kind: 'update', revision });
      if (update.kind === 'unplace') throw new Error('not an update');
      const placement = {
        ...update.placement,
        hash: hashOf(aUnit('x')),
        target: 'loaded' as const,
        restarts: 1,
      };
      await registry.commit([{ ...update, placement }], term);
      let all = await registry.readAll();
      expect(all.placements.get('m1')?.get('a.service')).toMatchObject(placement);
      expect(assignedTo(all)).toBe('m1');

      await registry.destroyUnit('a.service');
      const gone = {
        kind: 'unplace',
        unit: 'a.service',
        machine: 'm1',
        global: false,
        why: 'destroyed',
      } as const;
      const seen = all.assigned.get('a.service')!.revision;
      expect(await registry.commit([{ ...gone, generation: 0, revision: seen }], term)).toMatchObject({
        outcomes: ['committed'],
      });
      all = await registry.readAll();
      expect([all.assigned.size, all.placements.size]).toEqual([0, 0]);
    });

    it('rewrites an assignment with an update that says so: the wish to move it holds on', async () => {
      const { registry, term, generation } = await leader();
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      await registry.requestMove('a.service', 'm2');
      const { record } = (await registry.readUnit('a.service'))!;
      const before = (await registry.readAll()).assigned.get('a.service')!;
      const reassign = { stopBoundMs: 7, failedOn: ['m3'] };
      const { revision } = before;
      const update = aPlace('a.service', 'm1', record.generation, {
        ...{ kind: 'update', revision, reassign },
      } as object);
      expect(await registry.commit([update], term)).toMatchObject({ outcomes: ['committed'] });
      expect(await registry.commit([update], term)).toMatchObject({ outcomes: ['stale'] });
      const after = (await registry.readAll()).assigned.get('a.service')!;
      expect(after).toEqual({ ...before, ...reassign, revision: after.revision });
      expect(after.revision).toBeGreaterThan(revision);
      await registry.setTargetState('a.service', 'loaded');
      expect((await registry.readUnit('a.service'))?.record.move).toEqual({
        ...{ assignment: after.created, to: 'm2' },
      });
    });

    it('moves a unit in one call: taken away first, then placed', async () => {
      const { registry, term, generation } = await leader();
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const { revision } = (await registry.readAll()).assigned.get('a.service')!;
      const away = { kind: 'unplace', machine: 'm1', revision, placement: undefined };
      const result = await registry.commit(
        [aPlace('a.service', 'm1', generation, away as object), aPlace('a.service', 'm2', generation)],
        term,
      );
      expect(result).toMatchObject({ outcomes: ['committed', 'committed'] });
      const all = await registry.readAll();
      expect([assignedTo(all), [...all.placements.keys()]]).toEqual(['m2', ['m2']]);
    });

    it('places a global unit on every machine without an assignment, each once', async () => {
      const { registry, term, generation } = await leader();
      const places = ['m1', 'm2'].map((machine) =>
        aPlace('a.service', machine, generation, { global: true }),
      );
      expect(await registry.commit(places, term)).toMatchObject({ outcomes: ['committed', 'committed'] });
      expect(await registry.commit(places, term)).toMatchObject({ outcomes: ['stale', 'stale'] });
      const all = await registry.readAll();
      expect([all.assigned.size, [...all.placements.keys()].sort()]).toEqual([0, ['m1', 'm2']]);
      const { revision } = all.placements.get('m1')!.get('a.service')!;
      const away = { kind: 'unplace', global: true, revision, placement: undefined };
      await registry.commit([aPlace('a.service', 'm1', generation, away as object)], term);
      expect([...(await registry.readAll()).placements.keys()]).toEqual(['m2']);
    });

    it('commits hundreds of decisions, each with its own outcome', async () => {
      const { registry, term, generation } = await leader();
      const names = Array.from({ length: 200 }, (_, i) => `u${i}.service`);
      const records = await Promise.all(names.map((name) => registry.submitUnit(name, aUnit(), 'launched')));
      const decisions = names.map((name, i) =>
        aPlace(name, `m${i % 7}`, i % 10 === 3 ? generation : records[i]!.generation),
      );
      const result = await registry.commit(decisions, term);
      const expected = names.map((_, i) => (i % 10 === 3 ? 'stale' : 'committed'));
      expect(result).toMatchObject({ kind: 'done', outcomes: expected });
      expect((await registry.readAll()).assigned.size).toBe(180);
    });

    it("refuses a deposed leader's writes", async () => {
      const { registry, term, generation } = await leader();
      await term.resign();
      expect(await registry.commit([aPlace('a.service', 'm1', generation)], term)).toEqual({
        kind: 'deposed',
      });
      const { registry: other } = await use().client();
      const next = await other.campaign('m2', TTL_MS, forever);
      expect(await registry.commit([aPlace('a.service', 'm1', generation)], term)).toEqual({
        kind: 'deposed',
      });
      expect((await registry.readAll()).assigned.size).toBe(0);
      expect(await other.commit([aPlace('a.service', 'm2', generation)], next)).toMatchObject({
        kind: 'done',
      });
    });
  });

  describe('contents', () => {
    it('collects only what no unit and no placement refers to', async () => {
      const { registry, term, generation } = await leader();
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      await registry.submitUnit('a.service', aUnit('x'), 'launched');
      await registry.submitUnit('b.service', aUnit('y'), 'launched');
      await registry.submitUnit('c.service', aUnit('y'), 'launched');
      await registry.destroyUnit('b.service');
      expect(await registry.collectContents(term)).toBe(0);
      await registry.destroyUnit('c.service');
      expect(await registry.collectContents(term)).toBe(1);
      expect(await registry.collectContents(term)).toBe(0);
      expect((await registry.readUnit('a.service'))?.record.unit).toEqual(aUnit('x'));
      await registry.submitUnit('c.service', aUnit('y'), 'launched');
      expect((await registry.readUnit('c.service'))?.record.unit).toEqual(aUnit('y'));
    });

    it('collects nothing for a deposed leader', async () => {
      const { registry, term } = await leader();
      await registry.submitUnit('a.service', aUnit('x'), 'launched');
      await term.resign();
      expect(await registry.collectContents(term)).toBe(0);
      expect(await registry.collectContents(await registry.campaign('m1', TTL_MS, forever))).toBe(1);
    });
  });

  describe('views', () => {
    it('the cluster view shows what a read shows, and wakes after changes', async () => {
      const { registry, term, generation } = await leader();
      const view = await registry.openClusterView(forever);
      const wakes = countWakes(view);
      const session = await registry.join(aMachine('m1'), TTL_MS);
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      await registry.submitUnit('b.service', aUnit('y'), 'loaded');
      await session.publish([], []);
      const all = await registry.readAll();
      await use().pass('the view is up to date', () => revisionOf(view) >= all.revision);
      expect(view.snapshot()).toEqual({ kind: 'cluster', ...all });
      await use().pass('a wake-up came', () => wakes.count() > 0);
      await session.leave();
      await registry.destroyUnit('b.service');
      const later = await registry.readAll();
      await use().pass('the view is up to date again', () => revisionOf(view) >= later.revision);
      expect(view.snapshot()).toEqual({ kind: 'cluster', ...later });
      await view.close();
      await wakes.ended;
    });

    it('the placement view shows one machine, each placement with its content', async () => {
      const { registry, term, generation } = await leader();
      const view = registry.openPlacementView('m1');
      const wakes = countWakes(view);
      const units = (): string[] => {
        const now = view.snapshot();
        return now.kind === 'hold' ? [] : [...now.placements.keys()].sort();
      };
      await use().pass('the first list is in', () => view.snapshot().kind === 'placements');
      const b = await registry.submitUnit('b.service', aUnit('y'), 'launched');
      const place = aPlace('b.service', 'm1', b.generation);
      if (place.kind === 'unplace') throw new Error('not a place');
      const other = { ...place, placement: { ...place.placement, hash: hashOf(aUnit('y')) } };
      await registry.commit([aPlace('a.service', 'm2', generation), other], term);
      await use().pass('the placement arrives', () => units().length > 0);
      expect(units()).toEqual(['b.service']);
      const now = view.snapshot();
      expect(now.kind === 'placements' && now.placements.get('b.service')).toMatchObject({
        ...{ unit: 'b.service', machine: 'm1', content: aUnit('y') },
      });
      expect(wakes.count()).toBeGreaterThan(0);
      const seen = (await registry.readAll()).assigned.get('b.service')!.revision;
      const away = { kind: 'unplace', revision: seen, placement: undefined };
      await registry.commit([aPlace('b.service', 'm1', b.generation, away as object)], term);
      await use().pass('the placement goes', () => units().length === 0);
      await view.close();
      await wakes.ended;
    });

    it('keep what they had while the store is away, and catch up', async () => {
      const { registry, term, generation } = await leader();
      const agent = await use().client();
      const view = agent.registry.openPlacementView('m1');
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const count = (): number => {
        const now = view.snapshot();
        return now.kind === 'hold' ? -1 : now.placements.size;
      };
      await use().pass('the placement arrives', () => count() === 1);
      agent.cut();
      const b = await registry.submitUnit('b.service', aUnit(), 'launched');
      await registry.commit([aPlace('b.service', 'm1', b.generation)], term);
      let rounds = 0;
      await use().pass('some time', () => ++rounds > 5);
      expect(count()).toBe(1);
      agent.restore();
      await use().pass('the view caught up', () => count() === 2);
      await view.close();
    });

    it('of placements, read anew, are as new as the join before it', async () => {
      const { registry } = await use().client();
      await registry.join(aMachine('m2'), TTL_MS);
      const view = registry.openPlacementView('m1');
      await use().pass('the view is listed', () => revisionOf(view) > 0);
      const session = await registry.join(aMachine('m1'), TTL_MS);
      expect(session.revision).toBe((await registry.readAll()).revision);
      view.refresh();
      await use().pass('the view is as new as the session', () => revisionOf(view) >= session.revision);
      await view.close();
    });

    it('end their wake-ups when told so', async () => {
      const { registry } = await use().client();
      const view = registry.openPlacementView('m1');
      const stop = new AbortController();
      const ended = (async () => {
        for await (const _ of view.changes(stop.signal));
      })();
      stop.abort();
      await ended;
      await view.close();
    });
  });
}

function revisionOf(view: View<{ kind: string; revision: number }>): number {
  const now = view.snapshot();
  return 'revision' in now ? now.revision : -1;
}

function countWakes(view: View<object>): { count(): number; readonly ended: Promise<void> } {
  let count = 0;
  const ended = (async () => {
    for await (const _ of view.changes(new AbortController().signal)) count += 1;
  })();
  return { count: () => count, ended };
}
