import { describe, expect, it } from 'vitest';
import { memoryOfMachine } from '../fakes/memory-registry.js';
import { aMachine, aPlace, aState, aUnit, TTL_MS, type Use } from './registry-contract.js';

export function sessionContract(use: Use): void {
  const forever = new AbortController().signal;

  describe('membership', () => {
    it('announces a machine and forgets it when it leaves, but knows that it was there', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      expect(session.trusted()).toBe(true);
      const { machines, known } = await registry.readMachines();
      expect(machines).toEqual([aMachine('m1')]);
      expect(known).toMatchObject([{ id: 'm1', cordoned: false, draining: false, metadata: {} }]);
      await session.leave();
      expect(session.trusted()).toBe(false);
      expect(session.lost.aborted).toBe(true);
      const { revision } = await registry.readAll();
      expect(await registry.readMachines()).toEqual({
        machines: [],
        known: known.map((one) => ({ ...one, away: 'left' })),
        revision,
      });
      const { revision: joined } = await registry.join(aMachine('m1'), TTL_MS);
      expect(await registry.readMachines()).toEqual({ machines, known, revision: joined });
    });

    it('says that a machine left before it is gone, so that it never looks lost', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const session = await one.registry.join(aMachine('m1'), TTL_MS);
      const view = await two.registry.openClusterView(forever);
      const seen: string[] = [];
      const watching = (async () => {
        for await (const _ of view.changes(forever)) {
          const now = view.snapshot();
          if (now.kind === 'hold') continue;
          seen.push(`${now.machines.has('m1') ? 'there' : 'gone'} ${now.known.get('m1')?.away}`);
          if (!now.machines.has('m1')) return;
        }
      })();
      await session.leave();
      let isOver = false;
      void watching.then(() => {
        isOver = true;
      });
      await use().pass('it is gone', () => isOver);
      expect(seen).not.toContain('gone null');
      expect(seen.at(-1)).toBe('gone left');
      await view.close();
    });

    it('does not say of a machine that it left when it only went', async () => {
      const [one, other] = [await use().client(), await use().client()];
      const session = await one.registry.join(aMachine('m1'), TTL_MS);
      await session.suspend();
      await use().pass('it is gone', async () => (await other.registry.readMachines()).machines.length === 0);
      expect((await other.registry.readMachines()).known).toMatchObject([{ id: 'm1', away: null }]);
    });

    it('tells the end of the trust window before join resolves and after each renewal, until it is lost', async () => {
      const { registry, cut, restore } = await use().client();
      const ends: number[] = [];
      const session = await registry.join(aMachine('m1'), TTL_MS, {
        needsTrust: () => true,
        onRenewed: (until, confirmed) => void (confirmed && ends.push(until)),
      });
      expect(ends).toHaveLength(1);
      await use().pass('two renewals', () => ends.length >= 3);
      expect(ends).toEqual([...new Set(ends)].sort((a, b) => a - b));
      expect(ends[2]! - ends[0]!).toBeGreaterThan(TTL_MS / 3);
      expect(ends[2]! - ends[0]!).toBeLessThan(2 * TTL_MS);
      cut();
      await use().pass('the window is over', () => !session.trusted());
      const count = ends.length;
      restore();
      await use().pass('the loss is known', () => session.lost.aborted);
      expect(ends).toHaveLength(count);
    });

    it('tells renewals that nobody needs confirmed as such, until asked for a confirmed one at once', async () => {
      const { registry } = await use().client();
      const told: boolean[] = [];
      let needsTrust = false;
      const session = await registry.join(aMachine('m1'), TTL_MS, {
        needsTrust: () => needsTrust,
        onRenewed: (_, confirmed) => void told.push(confirmed),
      });
      await use().pass('two renewals', () => told.length >= 3);
      expect([told.slice(0, 3), session.trusted()]).toEqual([[true, false, false], true]);
      needsTrust = true;
      const [count, rounds] = [told.length, { passed: 0 }];
      session.renew();
      await use().pass('a renewal', () => told.length > count || ++rounds.passed > 3);
      expect([told.slice(count), session.trusted()]).toEqual([[true], true]);
    });

    it('refuses a second machine with the same id, by name, and leaves the first alone', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const session = await one.registry.join(aMachine('m1'), TTL_MS);
      await expect(two.registry.join(aMachine('m1'), TTL_MS)).rejects.toMatchObject({
        kind: 'permanent',
        code: 'duplicate-machine-id',
        message: expect.stringContaining('m1'),
      });
      expect(session.lost.aborted).toBe(false);
      expect((await one.registry.readMachines()).machines).toHaveLength(1);
    });

    it('resumes the lease it remembers, with what it had published, until it publishes anew', async () => {
      const memory = memoryOfMachine();
      const before = await use().client(memory);
      await before.registry.submitUnit('a.service', aUnit(), 'launched');
      const session = await before.registry.join(aMachine('m1'), TTL_MS);
      const term = await before.registry.campaign('m1', TTL_MS, forever);
      const { generation } = (await before.registry.readUnit('a.service'))!.record;
      await before.registry.commit([aPlace('a.service', 'm1', generation)], term);
      await session.publish([aState('m1', 'a.service'), aState('m1', 'stray.service')], []);
      await session.suspend();
      await before.registry.close();

      const after = await use().client(memory);
      const resumed = await after.registry.join({ ...aMachine('m1'), version: '2' }, TTL_MS);
      const all = await after.registry.readAll();
      expect(all.machines.get('m1')?.version).toBe('2');
      const statesNow = async () => [...((await after.registry.readAll()).states.get('m1')?.keys() ?? [])];
      // Placed here no more, it may be running all the same: only who has looked can say that it is gone.
      expect(await statesNow()).toEqual(['a.service', 'stray.service']);
      await resumed.publish([aState('m1', 'a.service')], []);
      expect(await statesNow()).toEqual(['a.service']);
      const { revision } = await after.registry.readAll();
      await resumed.publish([aState('m1', 'a.service')], []);
      expect((await after.registry.readAll()).revision).toBe(revision);
    });

    it('keeps a machine alive for several leases', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      const start = session.trusted();
      let rounds = 0;
      await use().pass('three leases', () => ++rounds > (3 * TTL_MS) / 100);
      expect([start, session.trusted(), session.lost.aborted]).toEqual([true, true, false]);
      expect((await registry.readMachines()).machines).toHaveLength(1);
    });

    it('takes a machine that is cut off out of the cluster; it learns so and can join again', async () => {
      const [one, other] = [await use().client(memoryOfMachine()), await use().client()];
      const session = await one.registry.join(aMachine('m1'), TTL_MS);
      await session.publish([aState('m1', 'a.service')], []);
      one.cut();
      await use().pass('the machine is gone', async () => {
        const { machines } = await other.registry.readMachines();
        if (machines.length === 0) expect(session.trusted()).toBe(false);
        return machines.length === 0;
      });
      expect((await other.registry.readAll()).states.size).toBe(0);
      one.restore();
      await use().pass('the loss is known', () => session.lost.aborted);
      expect(session.trusted()).toBe(false);
      const again = await one.registry.join(aMachine('m1'), TTL_MS);
      expect(again.trusted()).toBe(true);
      expect(session.trusted()).toBe(false);
    });

    it('publishes states, only what changed, and takes back what is gone', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      await session.publish([aState('m1', 'a.service'), aState('m1', 'b.service')], []);
      const { revision } = await registry.readAll();
      await session.publish([aState('m1', 'a.service')], ['never.service']);
      expect((await registry.readAll()).revision).toBe(revision);
      await session.publish([aState('m1', 'a.service', 'failed')], ['b.service']);
      const states = (await registry.readAll()).states.get('m1');
      expect([...(states?.values() ?? [])]).toEqual([aState('m1', 'a.service', 'failed')]);
      await registry.submitUnit('a.service', aUnit(), 'launched');
      expect((await registry.readUnit('a.service'))?.states).toEqual([aState('m1', 'a.service', 'failed')]);
    });

    it('publishes more states than one transaction takes', async () => {
      const { registry } = await use().client();
      const session = await registry.join(aMachine('m1'), TTL_MS);
      const names = Array.from({ length: 300 }, (_, i) => `u${i}.service`);
      await session.publish(
        names.map((name) => aState('m1', name)),
        [],
      );
      expect((await registry.readAll()).states.get('m1')?.size).toBe(300);
      await session.publish([], names);
      expect((await registry.readAll()).states.get('m1')).toBeUndefined();
    });

    it('announces the complete set of services, in order, and filters by name', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const entry = (service: string, unit: string, machine: string, port = 1) => ({
        ...{ service, unit, machine, host: '127.0.0.1', port },
      });
      const servicesOf = async (name?: string) => {
        const { services, revision } = await one.registry.readServices(name);
        expect(revision).toBe((await one.registry.readAll()).revision);
        return services;
      };
      const first = await one.registry.join(aMachine('m1'), TTL_MS);
      const second = await two.registry.join(aMachine('m2'), TTL_MS);
      await second.announce([entry('redis', 'a.service', 'm2')]);
      await first.announce([entry('web', 'w.service', 'm1'), entry('redis', 'a.service', 'm1')]);
      expect(await servicesOf()).toEqual([
        entry('redis', 'a.service', 'm1'),
        entry('redis', 'a.service', 'm2'),
        entry('web', 'w.service', 'm1'),
      ]);
      expect(await servicesOf('web')).toEqual([entry('web', 'w.service', 'm1')]);
      expect(await servicesOf('we')).toEqual([]);
      await first.announce([entry('redis', 'a.service', 'm1', 2)]);
      expect(await servicesOf()).toEqual([
        entry('redis', 'a.service', 'm1', 2),
        entry('redis', 'a.service', 'm2'),
      ]);
    });
  });

  describe('leadership', () => {
    it('elects one, and the next when the first resigns', async () => {
      const [one, two] = [await use().client(), await use().client()];
      expect(await one.registry.readLeader()).toBeNull();
      const first = await one.registry.campaign('m1', TTL_MS, forever);
      expect(await two.registry.readLeader()).toEqual({ machine: 'm1', term: first.fence, frozen: null });
      let second: Awaited<typeof first> | undefined;
      const waiting = two.registry.campaign('m2', TTL_MS, forever).then((term) => {
        second = term;
      });
      let rounds = 0;
      await use().pass('some time', () => ++rounds > 5);
      expect(second).toBeUndefined();
      expect(first.trusted()).toBe(true);
      await first.resign();
      expect([first.trusted(), first.lost.aborted]).toEqual([false, true]);
      await use().pass('the second is elected', () => second !== undefined);
      await waiting;
      expect(second!.fence).toBeGreaterThan(first.fence);
      expect(await one.registry.readLeader()).toEqual({ machine: 'm2', term: second!.fence, frozen: null });
    });

    it('what the leader tells is for all to read, until it takes it back or another leads', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const first = await one.registry.campaign('m1', TTL_MS, forever);
      const told = { machine: 'm1', term: first.fence };
      await first.tell('3 of 5 are missing');
      expect(await two.registry.readLeader()).toEqual({ ...told, frozen: '3 of 5 are missing' });
      await first.tell(null);
      expect(await two.registry.readLeader()).toEqual({ ...told, frozen: null });
      await first.tell('4 of 5 are missing');
      expect([first.trusted(), first.lost.aborted]).toEqual([true, false]);
      await first.resign();
      await two.registry.campaign('m2', TTL_MS, forever);
      await expect(first.tell('late')).rejects.toMatchObject({ kind: 'conflict', code: 'deposed' });
      expect(await one.registry.readLeader()).toMatchObject({ machine: 'm2', frozen: null });
    });

    it('gives up a campaign when told so', async () => {
      const [one, two] = [await use().client(), await use().client()];
      await one.registry.campaign('m1', TTL_MS, forever);
      const stop = new AbortController();
      const waiting = two.registry.campaign('m2', TTL_MS, stop.signal);
      stop.abort();
      await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
      expect(await one.registry.readLeader()).toMatchObject({ machine: 'm1' });
    });

    it('a leader that is cut off stops trusting itself before another is elected, for good', async () => {
      const [one, two] = [await use().client(), await use().client()];
      const first = await one.registry.campaign('m1', TTL_MS, forever);
      let trustedAtElection: boolean | undefined;
      const waiting = two.registry.campaign('m2', TTL_MS, forever).then((term) => {
        trustedAtElection = first.trusted();
        return term;
      });
      one.cut();
      await use().pass('another is elected', () => trustedAtElection !== undefined);
      expect([trustedAtElection, first.lost.aborted]).toEqual([false, true]);
      one.restore();
      const second = await waiting;
      let rounds = 0;
      await use().pass('a lease later', () => ++rounds > TTL_MS / 100);
      expect([first.trusted(), second.trusted()]).toEqual([false, true]);
    });
  });
}
