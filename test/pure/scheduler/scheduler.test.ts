import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Machine, UnitState } from '../../../registry/model.js';
import type { ClusterView, MachineSession, Registry } from '../../../registry/registry.js';
import { transient } from '../../../runtime/errors.js';
import { type Log, silentLog } from '../../../runtime/log.js';
import { type Meter, silentMeter } from '../../../runtime/meter.js';
import { type Scheduler, startScheduler } from '../../../scheduler/scheduler.js';
import { hashOf } from '../../../units/unit-file.js';
import { type MemoryCluster, type MemoryRegistry, openMemoryCluster } from '../../fakes/memory-registry.js';
import { type ManualClock, manualClock } from '../../support/clock.js';
import { type UnitSketch, unitOf } from './cluster.js';

const TTL_MS = 10_000;
const GRACE_MS = 5000;

let clock: ManualClock;
let cluster: MemoryCluster;
let registry: MemoryRegistry;
let schedulers: Scheduler[];
let logged: string[];

beforeEach(() => {
  clock = manualClock();
  cluster = openMemoryCluster(clock);
  registry = cluster.client();
  schedulers = [];
  logged = [];
});

afterEach(async () => {
  for (const scheduler of schedulers) await scheduler.stop();
  cluster.close();
});

/** Lets everything that is under way come to rest; time stands still. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  await settle();
}

const note = (_: object, message: string): void => void logged.push(message);
const log: Log = { ...silentLog, info: note, warn: note, error: note };

function start(
  machineId = 'leader01',
  at: Registry = cluster.client(),
  meter: Meter = silentMeter,
): Scheduler {
  const scheduler = startScheduler({
    registry: at,
    machineId,
    clock,
    log,
    meter,
    ttlMs: TTL_MS,
    graceMs: GRACE_MS,
  });
  schedulers.push(scheduler);
  return scheduler;
}

async function join(
  ...ids: string[]
): Promise<Record<string, { client: MemoryRegistry; session: MachineSession }>> {
  const joined: Record<string, { client: MemoryRegistry; session: MachineSession }> = {};
  for (const id of ids) {
    const machine: Machine = { id, ip: '', metadata: {}, apiAddress: '', version: '1', bootId: 'b' };
    const client = cluster.client();
    joined[id] = { client, session: await client.join(machine, TTL_MS) };
  }
  return joined;
}

const submit = (name: string, sketch: UnitSketch = {}) =>
  registry.submitUnit(name, unitOf(sketch), sketch.target ?? 'launched');

async function homes(): Promise<Record<string, string>> {
  const { assigned } = await registry.readAll();
  return Object.fromEntries([...assigned.values()].map(({ unit, machine }) => [unit, machine]).sort());
}

const running = (unit: string, machine: string): UnitState => ({
  ...{ unit, machine, hash: hashOf(unitOf({})), reached: 'launched', load: 'loaded', active: 'active' },
  ...{ sub: 'running', since: 0, exit: null, autoRestarts: 0, reason: '', heard: Number.MAX_SAFE_INTEGER },
});

/** Every machine reports what is placed on it as running, and nothing else. */
async function report(machines: Awaited<ReturnType<typeof join>>): Promise<void> {
  const { placements, states } = await registry.readAll();
  for (const [id, { session }] of Object.entries(machines)) {
    const placed = [...(placements.get(id)?.keys() ?? [])];
    const gone = [...(states.get(id)?.keys() ?? [])].filter((unit) => !placed.includes(unit));
    await session.publish(
      placed.map((unit) => running(unit, id)),
      gone,
    );
  }
  await settle();
}

describe('scheduler', () => {
  it('places what is submitted while it leads, and says why the rest is pending', async () => {
    const scheduler = start();
    const machines = await join('aaaaaaaa1', 'bbbbbbbb2');
    for (const name of ['x@1.service', 'x@2.service', 'x@3.service'])
      await submit(name, { fleet: ['Conflicts=x@*.service'] });
    await settle();
    expect(await homes()).toEqual({ 'x@1.service': 'aaaaaaaa1', 'x@2.service': 'bbbbbbbb2' });
    expect(scheduler.status()).toMatchObject({ leader: true, frozen: null, hold: null });
    expect(scheduler.status().refusals).toEqual(
      new Map([['x@3.service', 'pending: 0 of 2 machines: 2 conflict with x@1.service, x@2.service']]),
    );

    await report(machines);
    await registry.destroyUnit('x@1.service');
    await settle();
    expect(await homes()).toEqual({ 'x@2.service': 'bbbbbbbb2', 'x@3.service': 'aaaaaaaa1' });
    expect(logged).toContain('unplace x@1.service from aaaaaaaa: unit destroyed');
    expect(scheduler.status().refusals).toEqual(new Map());
  });

  it('carries a new content, target or restart to where the unit is', async () => {
    start();
    await join('aaaaaaaa1');
    await submit('web.service');
    await settle();
    await submit('web.service', { fleet: ['Conflicts=db.service'], target: 'loaded' });
    await settle();
    await registry.requestRestart('web.service');
    await settle();
    const { placements, units } = await registry.readAll();
    const placement = placements.get('aaaaaaaa1')?.get('web.service');
    expect(placement).toMatchObject({
      hash: units.get('web.service')?.hash,
      target: 'launched',
      restarts: 1,
    });
    expect(logged).toContain(
      'update web.service on aaaaaaaa: unit file replaced, target state launched -> loaded',
    );
    expect(logged).toContain(
      'update web.service on aaaaaaaa: target state loaded -> launched, restart requested',
    );
  });

  it('leads alone, and hands over at once when stopped', async () => {
    const one = start('leader01');
    await settle();
    const two = start('leader02');
    await settle();
    expect([one.status().leader, two.status().leader]).toEqual([true, false]);
    expect(two.status().refusals).toBeNull();
    await one.stop();
    await settle();
    expect([one.status().leader, two.status().leader]).toEqual([false, true]);
    await join('aaaaaaaa1');
    await submit('web.service');
    await settle();
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
  });

  it('keeps the units of a lost machine for the grace, then places them elsewhere', async () => {
    const scheduler = start();
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('web.service');
    await settle();
    aaaaaaaa1?.client.cut();
    await pass(TTL_MS);
    expect(scheduler.status().refusals?.get('web.service')).toBe(
      'pending: machine aaaaaaaa is gone; its units stay for a grace of 5 s',
    );
    await pass(GRACE_MS - 1);
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
    await pass(1);
    expect(await homes()).toEqual({ 'web.service': 'bbbbbbbb2' });
    expect(logged).toContain('unplace web.service from aaaaaaaa: machine aaaaaaaa went away');
  });

  it('moves nothing when the machine is back within the grace', async () => {
    start();
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('web.service');
    await settle();
    aaaaaaaa1?.client.cut();
    await pass(TTL_MS + GRACE_MS - 1000);
    await join('aaaaaaaa1');
    await pass(60_000);
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
  });

  it('starts graces anew with a new leader', async () => {
    const one = start('leader01');
    const two = start('leader02');
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('web.service');
    await settle();
    aaaaaaaa1?.client.cut();
    await pass(TTL_MS + GRACE_MS - 1000);
    await one.stop();
    await pass(GRACE_MS - 1000);
    expect(two.status().leader).toBe(true);
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
    await pass(1000);
    expect(await homes()).toEqual({ 'web.service': 'bbbbbbbb2' });
  });

  it('freezes evictions when too many machines are missing, says so, and goes on when they are back', async () => {
    const scheduler = start();
    const ids = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `machine${n}`);
    const machines = await join(...ids);
    for (const id of ids) await submit(`at-${id}.service`);
    await settle();
    const before = await homes();
    const lost = ids.slice(0, 3);
    for (const id of lost) machines[id]?.client.cut();
    await pass(TTL_MS + GRACE_MS + 120_000);
    expect(await homes()).toEqual(before);
    const words =
      '3 of 8 machines are missing or were given up in the last ten minutes: nothing is moved until they return, or `convoyctl evict MACHINE` gives them up';
    expect(scheduler.status().frozen).toBe(words);
    expect(await registry.readLeader()).toMatchObject({ frozen: words });
    expect(scheduler.status().refusals?.get('at-machine1.service')).toBe(
      `pending: machine machine1 is gone, but ${words}`,
    );
    expect(logged.filter((line) => line === words)).toHaveLength(1);

    await join('machine1');
    await pass(0);
    expect(scheduler.status().frozen).toBeNull();
    expect(await registry.readLeader()).toMatchObject({ frozen: null });
    expect(await homes()).toEqual(before);
    await pass(GRACE_MS);
    const after = await homes();
    expect(after['at-machine1.service']).toBe('machine1');
    expect(['machine2', 'machine3']).not.toContain(after['at-machine2.service']);
    expect(['machine2', 'machine3']).not.toContain(after['at-machine3.service']);
  });

  it('leaves a sticky unit with its lost machine until it is unloaded by hand', async () => {
    const scheduler = start();
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('redis.service', { convoy: ['Sticky=yes'] });
    await settle();
    aaaaaaaa1?.client.cut();
    await pass(3_600_000);
    expect(await homes()).toEqual({ 'redis.service': 'aaaaaaaa1' });
    expect(scheduler.status().refusals?.get('redis.service')).toBe(
      'pending: machine aaaaaaaa is gone; moved only by hand (Sticky=yes): move it, or unload it, then start it',
    );
    await registry.setTargetState('redis.service', 'inactive');
    await settle();
    await registry.setTargetState('redis.service', 'launched');
    await settle();
    expect(await homes()).toEqual({ 'redis.service': 'bbbbbbbb2' });
  });

  it('waits with a move until the old machine says that the unit is gone', async () => {
    const scheduler = start();
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('web.service');
    await settle();
    await aaaaaaaa1?.session.publish([running('web.service', 'aaaaaaaa1')], []);
    cluster.setKnown('aaaaaaaa1', { draining: true });
    await settle();
    expect(await homes()).toEqual({});
    expect(scheduler.status().refusals?.get('web.service')).toBe(
      'pending: 0 of 2 machines: 1 is draining, 1 waits: still stopping on aaaaaaaa',
    );
    await aaaaaaaa1?.session.publish([], ['web.service']);
    await settle();
    expect(await homes()).toEqual({ 'web.service': 'bbbbbbbb2' });
  });

  it('moves a unit by hand to another machine than the one it left, however long its stop takes', async () => {
    const scheduler = start();
    const machines = await join('aaaaaaaa1', 'bbbbbbbb2', 'cccccccc3');
    await submit('other.service');
    await settle();
    await submit('web.service');
    await settle();
    await report(machines);
    const present = (await homes())['web.service'];
    await registry.requestMove('web.service', null);
    await settle();
    expect((await homes())['web.service']).toBeUndefined();
    await pass(60_000);
    expect(scheduler.status().refusals?.get('web.service')).toContain('still stopping on bbbbbbbb');
    await report(machines);
    expect([present, (await homes())['web.service']]).toEqual(['bbbbbbbb2', 'cccccccc3']);
  });

  it('moves a unit on from machine to machine when it fails, and gives up when there is none left', async () => {
    const scheduler = start();
    const machines = await join('aaaaaaaa1', 'bbbbbbbb2');
    const sketchOf = { convoy: ['MoveAfterFailures=2'] };
    await submit('web.service', sketchOf);
    await settle();
    const fail = async (machine: string): Promise<void> => {
      const state = { ...running('web.service', machine), hash: hashOf(unitOf(sketchOf)) };
      await machines[machine]?.session.publish([{ ...state, autoRestarts: 1, active: 'failed' }], []);
      await settle();
    };
    await fail('aaaaaaaa1');
    expect(await homes()).toEqual({});
    await machines.aaaaaaaa1?.session.publish([], ['web.service']);
    await settle();
    expect(await homes()).toEqual({ 'web.service': 'bbbbbbbb2' });
    await fail('bbbbbbbb2');
    expect(await homes()).toEqual({ 'web.service': 'bbbbbbbb2' });
    expect(scheduler.status().refusals?.get('web.service')).toBe('failed on all 2 machines that may run it');
  });

  it('places a unit that must not run twice only when its stop must be over, on an evicted machine too', async () => {
    start();
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('redis.service', { convoy: ['OnPartition=stop'], service: ['TimeoutStopSec=10s'] });
    await settle();
    aaaaaaaa1?.client.cut();
    await pass(TTL_MS);
    await registry.evictMachine('aaaaaaaa1');
    await pass(21_999);
    expect(await homes()).toEqual({ 'redis.service': 'aaaaaaaa1' });
    await pass(1);
    expect(await homes()).toEqual({ 'redis.service': 'bbbbbbbb2' });
    const { assigned } = await registry.readAll();
    expect(assigned.get('redis.service')?.stopBoundMs).toBe(20_000);
  });

  it('moves the units of an evicted machine at once, and says so once', async () => {
    start();
    const { aaaaaaaa1 } = await join('aaaaaaaa1', 'bbbbbbbb2');
    await submit('web.service');
    await submit('redis.service', { convoy: ['Sticky=yes'], fleet: ['MachineID=aaaaaaaa'] });
    await settle();
    aaaaaaaa1?.client.cut();
    await pass(TTL_MS);
    await registry.evictMachine('aaaaaaaa1');
    await pass(0);
    expect((await homes())['web.service']).toBe('bbbbbbbb2');
    await pass(60_000);
    expect(logged.filter((line) => line === 'machine is given up; its units move')).toHaveLength(1);
  });

  it('does not work everything out again for states that decide nothing', async () => {
    let looks = 0;
    const counter: Meter['counter'] = ({ name }) => {
      return () => {
        if (name === 'fleet_engine_reconcile_count_total') looks += 1;
      };
    };
    start('leader01', cluster.client(), { ...silentMeter, counter });
    const machines = await join('aaaaaaaa1');
    await submit('web.service');
    await settle();
    await report(machines);
    const before = looks;
    expect(before).toBeGreaterThan(0);
    const state = running('web.service', 'aaaaaaaa1');
    await machines.aaaaaaaa1?.session.publish([{ ...state, active: 'reloading' }], []);
    await settle();
    expect(looks).toBe(before);
    await machines.aaaaaaaa1?.session.publish([{ ...state, active: 'failed' }], []);
    await settle();
    expect(looks).toBe(before + 1);
  });

  it('stops deciding when its lease is lost and stands again when the registry is back', async () => {
    const mine = cluster.client();
    const one = start('leader01', mine);
    await settle();
    const two = start('leader02');
    await settle();
    mine.cut();
    await pass(TTL_MS);
    expect([one.status().leader, two.status().leader]).toEqual([false, true]);
    mine.restore();
    await pass(TTL_MS);
    await two.stop();
    await settle();
    expect(one.status().leader).toBe(true);
  });

  it('decides nothing once deposed, and stands again', async () => {
    const client = cluster.client();
    let deposed = 0;
    const commits: Registry = {
      ...client,
      commit: async (decisions, term) =>
        ++deposed === 1 ? { kind: 'deposed' } : client.commit(decisions, term),
    };
    start('leader01', commits);
    await join('aaaaaaaa1');
    await submit('web.service');
    await settle();
    expect(logged).toContain('deposed: another machine leads');
    expect(logged.filter((line) => line === 'elected leader')).toHaveLength(2);
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
  });

  it('tries again a second after a write whose outcome is unknown, and after a stale one', async () => {
    const client = cluster.client();
    let calls = 0;
    const flaky: Registry = {
      ...client,
      async commit(decisions, term) {
        calls += 1;
        if (calls === 1) throw transient('no answer');
        if (calls === 2) return { kind: 'done', outcomes: decisions.map(() => 'stale'), revision: 0 };
        return client.commit(decisions, term);
      },
    };
    start('leader01', flaky);
    await join('aaaaaaaa1');
    await settle();
    await submit('web.service');
    await settle();
    expect(calls).toBe(1);
    await pass(1000);
    expect([calls, await homes()]).toEqual([2, {}]);
    await pass(1000);
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
  });

  it('decides nothing on a snapshot that does not show yet what it wrote', async () => {
    const client = cluster.client();
    let view: ClusterView | undefined;
    let lagging: ReturnType<ClusterView['snapshot']> | undefined;
    let commits = 0;
    start('leader01', {
      ...client,
      async openClusterView(signal) {
        const opened = await client.openClusterView(signal);
        view = opened;
        return { ...opened, snapshot: () => lagging ?? opened.snapshot() };
      },
      async commit(decisions, term) {
        commits += 1;
        if (commits === 1) lagging = view?.snapshot();
        return client.commit(decisions, term);
      },
    });
    await join('aaaaaaaa1', 'bbbbbbbb1');
    await submit('a.service');
    await settle();
    await submit('b.service');
    await settle();
    expect([commits, await homes()]).toEqual([1, { 'a.service': 'aaaaaaaa1' }]);
    lagging = undefined;
    await submit('c.service');
    await settle();
    expect(await homes()).toMatchObject({ 'a.service': 'aaaaaaaa1', 'b.service': 'bbbbbbbb1' });
  });

  it('writes what leaves before what comes, for a unit that changes over in place', async () => {
    const client = cluster.client();
    const calls: string[][] = [];
    const recording: Registry = {
      ...client,
      async commit(decisions, term) {
        calls.push(decisions.map(({ kind, unit, machine }) => `${kind} ${unit} ${machine}`));
        return client.commit(decisions, term);
      },
    };
    start('leader01', recording);
    const machines = await join('aaaaaaaa1');
    await submit('web.service');
    await settle();
    await report(machines);
    calls.length = 0;
    await submit('web.service', { fleet: ['Global=true'] });
    await settle();
    expect(calls).toEqual([['unplace web.service aaaaaaaa1'], ['place web.service aaaaaaaa1']]);
  });

  it('touches nothing while the registry is on hold', async () => {
    const mine = cluster.client();
    const scheduler = start('leader01', mine);
    await join('aaaaaaaa1');
    await settle();
    mine.hold('another cluster answers');
    await submit('web.service');
    await settle();
    expect(scheduler.status().hold).toBe('another cluster answers');
    expect(await homes()).toEqual({});
    mine.hold(null);
    await settle();
    expect(scheduler.status().hold).toBeNull();
    expect(await homes()).toEqual({ 'web.service': 'aaaaaaaa1' });
    mine.hold('another cluster answers');
    await settle();
    mine.hold(null);
    await settle();
    expect(scheduler.status().hold).toBeNull();
  });

  it('deletes contents without a unit every ten minutes', async () => {
    start();
    await submit('web.service', { target: 'inactive' });
    await registry.destroyUnit('web.service');
    await settle();
    await pass(590_000);
    expect(logged).not.toContain('deleted unit contents that no unit refers to');
    await pass(10_000);
    expect(logged).toContain('deleted unit contents that no unit refers to');
  });
});
