import { afterEach, describe, expect, it } from 'vitest';
import {
  type ClusterChange,
  type ClusterEvent,
  MOST_WRITES,
  type Registry,
} from '../../registry/registry.js';
import { hashOf } from '../../units/unit-file.js';
import { memoryOfMachine } from '../fakes/memory-registry.js';
import { aMachine, aPlace, aState, aUnit, TTL_MS, type Use } from './registry-contract.js';

/** Reads events one after another. */
interface Reader {
  next(): Promise<ClusterChange>;
  /** What the next one is instead of a change: its error, or undefined at an end without one. */
  end(): Promise<unknown>;
}

/** What changes in the cluster, as whoever looks on is told. */
export function eventsContract(use: Use): void {
  const stops: AbortController[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop.abort();
  });

  function read(registry: Registry, after: number | null, stop = new AbortController()): Reader {
    stops.push(stop);
    const changes = registry.openEvents(after, stop.signal)[Symbol.asyncIterator]();
    return {
      async next() {
        const result = await changes.next();
        if (result.done) throw new Error('the events have ended');
        return result.value;
      },
      async end() {
        try {
          for (;;) if ((await changes.next()).done) return undefined;
        } catch (error) {
          return error;
        }
      },
    };
  }

  /** Of one revision, in whatever order they come. */
  const sorted = (events: readonly ClusterEvent[]): ClusterEvent[] =>
    [...events].sort((one, other) => (one.kind < other.kind ? -1 : 1));

  describe('events', () => {
    it('begin with where they stand, and tell of every kind of change what is there then', async () => {
      const { registry } = await use().client();
      const a = await registry.submitUnit('a.service', aUnit(), 'inactive');
      const reader = read(registry, null);
      expect(await reader.next()).toEqual({ revision: a.generation, events: [] });
      const told = async (): Promise<readonly ClusterEvent[]> => (await reader.next()).events;

      const session = await registry.join(aMachine('m1'), TTL_MS);
      const [known] = (await registry.readMachines()).known;
      expect(sorted(await told())).toEqual(
        sorted([
          { kind: 'machine', machine: 'm1', value: aMachine('m1') },
          { kind: 'known', machine: 'm1', value: known! },
        ]),
      );

      const { generation } = await registry.submitUnit('a.service', aUnit('x'), 'launched');
      const record = { name: 'a.service', hash: hashOf(aUnit('x')), target: 'launched' } as const;
      expect(await told()).toEqual([
        { kind: 'unit', unit: 'a.service', value: { ...record, restarts: 0, move: null, generation } },
      ]);

      const term = await registry.campaign('m1', TTL_MS, new AbortController().signal);
      expect(await told()).toEqual([
        { kind: 'leader', value: { machine: 'm1', term: term.fence, frozen: null } },
      ]);
      await registry.commit([aPlace('a.service', 'm1', generation)], term);
      const placement = (await registry.readAll()).placements.get('m1')!.get('a.service')!;
      expect(placement.fence).toBe(placement.revision);
      const at = { unit: 'a.service', machine: 'm1' };
      expect(await told()).toEqual([{ kind: 'placement', ...at, value: placement }]);

      await session.publish([aState('m1', 'a.service')], []);
      expect(await told()).toEqual([{ kind: 'state', ...at, value: aState('m1', 'a.service') }]);
      const entry = { service: 'web', ...at, host: 'h', port: 80 };
      await session.announce([entry]);
      expect(await told()).toEqual([{ kind: 'service', service: 'web', ...at, value: entry }]);

      await registry.destroyUnit('a.service');
      expect(await told()).toEqual([{ kind: 'unit', unit: 'a.service', value: null }]);
      await session.leave();
      expect(await told()).toEqual([{ kind: 'known', machine: 'm1', value: { ...known, away: 'left' } }]);
      expect(sorted(await told())).toEqual(
        sorted([
          { kind: 'machine', machine: 'm1', value: null },
          { kind: 'state', ...at, value: null },
          { kind: 'service', service: 'web', ...at, value: null },
        ]),
      );
    });

    it('of one revision come together, those of others one after another, from where the reader was', async () => {
      const { registry } = await use().client();
      const first = await registry.submitUnit('a.service', aUnit(), 'inactive');
      const names = Array.from({ length: MOST_WRITES }, (_, i) => `u${i}.service`);
      for (const target of ['loaded', 'launched'] as const)
        await registry.writeUnits(names.map((name) => ({ name, unit: aUnit(), target })));
      const reader = read(registry, first.generation);
      expect(await reader.next()).toEqual({ revision: first.generation, events: [] });
      for (const [i, target] of ['loaded', 'launched'].entries()) {
        const { revision, events } = await reader.next();
        expect(revision).toBe(first.generation + 1 + i);
        expect(events).toHaveLength(MOST_WRITES);
        for (const event of events)
          expect(event).toMatchObject({ kind: 'unit', value: { target, generation: revision } });
      }
      const last = await registry.submitUnit('a.service', aUnit(), 'loaded');
      expect((await reader.next()).revision).toBe(last.generation);
    });

    it('after a list have all that it does not show', async () => {
      const [one, two] = [(await use().client()).registry, (await use().client()).registry];
      const busy = Promise.all(
        Array.from({ length: 20 }, (_, i) => two.submitUnit(`u${i}.service`, aUnit(), 'loaded')),
      );
      const { revision, units } = await one.readAll();
      const reader = read(one, revision);
      await busy;
      const seen = new Set(units.keys());
      while (seen.size < 20)
        for (const event of (await reader.next()).events) {
          if (event.kind !== 'unit') continue;
          expect(seen).not.toContain(event.unit);
          seen.add(event.unit);
        }
    });

    it('go on after the way to the store was cut, without a gap', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const first = await two.registry.submitUnit('a.service', aUnit(), 'inactive');
      const reader = read(one.registry, null);
      expect((await reader.next()).revision).toBe(first.generation);
      const seen = [];
      for (let round = 0; round < 2; round += 1) {
        one.cut();
        for (let i = 0; i < 3; i += 1) await two.registry.requestRestart('a.service');
        one.restore();
        let arrived = 0;
        const changes = Promise.all([1, 2, 3].map(() => reader.next().finally(() => (arrived += 1))));
        await use().pass('they have come', () => arrived === 3);
        seen.push(...(await changes).map(({ revision }) => revision - first.generation));
      }
      expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    });

    it('end when the signal fires or the registry is closed, also while nothing happens', async () => {
      const { registry } = await use().client();
      await registry.submitUnit('a.service', aUnit(), 'inactive');
      const [stop, gone] = [new AbortController(), new AbortController()];
      gone.abort();
      expect(await read(registry, null, gone).end()).toBeUndefined();
      const [one, two] = [read(registry, null, stop), read(registry, null)];
      await Promise.all([one.next(), two.next()]);
      const ends = [one.end(), two.end()];
      stop.abort();
      expect(await ends[0]).toBeUndefined();
      await registry.close();
      expect(await ends[1]).toBeUndefined();
      expect(await read(registry, null).end()).toMatchObject({ kind: 'aborted' });
    });

    it('are refused where the store does not answer, or is another than the one seen', async () => {
      const client = await use().client();
      await client.registry.submitUnit('a.service', aUnit(), 'inactive');
      client.cut();
      expect(await read(client.registry, null).end()).toMatchObject({ kind: 'transient' });

      const memory = memoryOfMachine();
      await memory.writeSeen({ clusterId: 'another', revision: 1_000_000 });
      const stranger = await use().client(memory);
      expect(await read(stranger.registry, null).end()).toMatchObject({ kind: 'permanent', code: 'hold' });
    });

    it('are not told from a revision that is forgotten, or that never was', async () => {
      const { registry } = await use().client();
      const { generation } = await registry.submitUnit('a.service', aUnit(), 'inactive');
      for (let i = 0; i < 3; i += 1) await registry.requestRestart('a.service');
      const { revision } = await registry.readAll();
      await use().compact(revision);
      const error = { kind: 'conflict', code: 'compacted' };
      await expect(read(registry, generation).next()).rejects.toMatchObject(error);
      await expect(read(registry, revision + 1000).next()).rejects.toMatchObject(error);
      const reader = read(registry, revision);
      expect(await reader.next()).toEqual({ revision, events: [] });
      await registry.requestRestart('a.service');
      expect((await reader.next()).revision).toBe(revision + 1);
    });
  });
}
