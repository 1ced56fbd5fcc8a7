import { afterEach, describe, expect, it } from 'vitest';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { PlacementView, Registry } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aPlace, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { type EtcdMember, startEtcdCluster } from '../../support/etcd-cluster.js';
import { useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { liveADay } from './registry-lab.js';

const TTL_MS = 10_000;
/** In which a commit succeeds after one member went, and a trust window ends when a quorum is missing. */
const PROMISED_MS = 10_000;

/** In which all has moved away from a member that is silent: the trust window. */
const WINDOW_MS = TTL_MS - 2000;

const ground = useGround('etcd-cluster');
const members = startEtcdCluster(ground);
const opened: Registry[] = [];
let count = 0;
afterEach(async () => {
  await Promise.all(opened.splice(0).map((registry) => registry.close()));
  for (const member of await members) member.thaw();
});

/** A registry of its own that turns to the members in this order. */
async function open(...order: readonly EtcdMember[]): Promise<Registry> {
  const registry = await openEtcdRegistry({
    ...{ endpoints: order.map(({ url }) => url), prefix: `/test-${count}/`, memory: memoryOfMachine() },
    ...{ clock: systemClock(), log: silentLog },
  });
  opened.push(registry);
  return registry;
}

/** The raft leader first. */
async function byRole(): Promise<[EtcdMember, EtcdMember, EtcdMember]> {
  count += 1;
  const all = await members;
  const leader = await until('a raft leader, followed by all', async () => {
    if (!(await Promise.all(all.map((member) => member.isHealthy()))).every(Boolean)) return false;
    const flags = await Promise.all(all.map((member) => member.isLeader()));
    return flags.filter(Boolean).length === 1 && all[flags.indexOf(true)];
  });
  const [second, third] = all.filter((member) => member !== leader);
  return [leader, second!, third!];
}

/** A commit that is done and seen in the view in time, whatever happens in between. */
async function expectCommit(
  day: Awaited<ReturnType<typeof liveADay>>,
  withinMs = PROMISED_MS,
): Promise<void> {
  const failures: unknown[] = [];
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
  }, withinMs);
  await until('a commit is done and seen', () =>
    day.placeOne().then(
      () => true,
      (error) => void failures.push(error),
    ),
  );
  clearTimeout(late);
  if (isLate) throw new Error(`no commit was done and seen within ${withinMs} ms: ${failures.join('; ')}`);
}

describe('of three members of etcd', () => {
  it.each([
    ['the raft leader, which we are on, is killed', 0, 0],
    ['a follower, which we are on, is killed', 1, 1],
    ['the raft leader is killed while we are on a follower', 1, 0],
  ])('when %s: sessions, term and watches stay, commits go on', async (_, on, victim) => {
    const roles = await byRole();
    const order = [roles[on]!, ...roles.filter((_, i) => i !== on)];
    const day = await liveADay(await open(...order), 'm1', TTL_MS);
    await roles[victim]!.kill();
    await expectCommit(day);
    expect([day.session.trusted(), day.session.lost.aborted]).toEqual([true, false]);
    expect([day.term.trusted(), day.term.lost.aborted]).toEqual([true, false]);
    await roles[victim]!.restart();
  });

  it.each([
    ['the raft leader', 0],
    ['a follower', 1],
  ])('when %s, which we are on, stops answering, all of us moves on to the next', async (_, on) => {
    const roles = await byRole();
    const order = [roles[on]!, ...roles.filter((_, i) => i !== on)];
    const day = await liveADay(await open(...order), 'm1', TTL_MS);
    await roles[on]!.freeze();
    await expectCommit(day, WINDOW_MS);
    expect([day.session.trusted(), day.term.trusted()]).toEqual([true, true]);
    roles[on]!.thaw();
  });

  it.each([
    ['the raft leader', 0],
    ['a follower', 1],
  ])('when both others stop and we are on %s, nothing is trusted beyond the window', async (_, on) => {
    const roles = await byRole();
    const others = roles.filter((_, i) => i !== on);
    // Knows this member only: it answers keepalives for a while, but has no quorum.
    const day = await liveADay(await open(roles[on]!), 'm1', TTL_MS);
    await Promise.all(others.map((other) => other.freeze()));
    await until('the term is over', () => day.term.lost.aborted, PROMISED_MS);
    expect(day.term.trusted()).toBe(false);
    await until('the session is not trusted', () => !day.session.trusted(), PROMISED_MS);
  });

  it('when two are killed, what runs stays in the view and the leader steps down; it goes on when they are back', async () => {
    const [one, two, three] = await byRole();
    const registry = await open(three, one, two);
    const day = await liveADay(registry, 'm1', TTL_MS);
    await Promise.all([one.kill(), two.kill()]);
    await until('the leader steps down', () => day.term.lost.aborted, PROMISED_MS);
    expect(unitsIn(day.view)).toEqual(['m1-1.service']);
    const campaign = registry.campaign('m1', TTL_MS, AbortSignal.timeout(60_000));
    await Promise.all([one.restart(), two.restart()]);
    const term = await campaign;
    expect(term.fence).toBeGreaterThan(day.term.fence);
    await until('the session is known to be lost', () => day.session.lost.aborted, 30_000);
    expect((await registry.join(aMachine('m1'), TTL_MS)).trusted()).toBe(true);
    const { generation } = await registry.submitUnit('later.service', aUnit(), 'launched');
    expect(await registry.commit([aPlace('later.service', 'm1', generation)], term)).toMatchObject({
      outcomes: ['committed'],
    });
    await until('the view goes on', () => unitsIn(day.view).includes('later.service'));
    expect(unitsIn(day.view)).toEqual(['later.service', 'm1-1.service']);
  });
});

function unitsIn(view: PlacementView): string[] {
  const now = view.snapshot();
  return now.kind === 'hold' ? [] : [...now.placements.keys()].sort();
}
