import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot, Decision } from '../../../registry/model.js';
import type { CommitResult } from '../../../registry/registry.js';
import { aPlace } from '../../contracts/registry-contract.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { rawEtcd } from './raw-etcd.js';
import { blind, submitMany, useRegistries } from './registry-lab.js';

const ground = useGround('commit');
const etcd = testEtcd(ground);
const open = useRegistries();
/** Bytes that let a renewal's answer through and end within that of a batch of 60: it is applied, nobody is told. */
const MID_ANSWER = 300;
const forever = new AbortController().signal;

/** Every assignment has its one placement, written in the same transaction, and there are no others. */
function expectEachPlacedOnce(all: ClusterSnapshot): void {
  const placed = [...all.placements].flatMap(([machine, rows]) =>
    [...rows.values()].map((row) => [row.unit, machine, row.revision].join()),
  );
  const assigned = [...all.assigned.values()].map((row) => [row.unit, row.machine, row.revision].join());
  expect(placed.sort()).toEqual(assigned.sort());
}

/** What was answered is what is there. */
function expectTrue(result: CommitResult, decisions: readonly Decision[], all: ClusterSnapshot): void {
  if (result.kind !== 'done') throw new Error('deposed');
  for (const [i, { unit, machine }] of decisions.entries())
    expect([unit, all.assigned.get(unit)?.machine === machine]).toEqual([
      unit,
      result.outcomes[i] === 'committed',
    ]);
}

describe('commit on real etcd', () => {
  it('writes 1,000 placements in at most 20 transactions', async () => {
    const { port, url } = await etcd;
    const registry = await open(port, '/thousand/');
    const decisions = await submitMany(registry, 1000, 'm1');
    const term = await registry.campaign('m1', 30_000, forever);
    const before = await rawEtcd(url).revision();
    const result = await registry.commit(decisions, term);
    // Every transaction that writes raises the revision by one; keepalives and reads do not.
    const transactions = (await rawEtcd(url).revision()) - before;
    expect(result.kind === 'done' && result.outcomes.every((outcome) => outcome === 'committed')).toBe(true);
    expect(transactions).toBeGreaterThan(0);
    expect(transactions).toBeLessThanOrEqual(20);
    expectEachPlacedOnce(await registry.readAll());
  });

  it('reads back what it does not know, when the answers of transactions are cut off', async () => {
    const { port } = await etcd;
    const [leader, reader] = [await open(port, '/cut/'), await open(port, '/cut/')];
    const decisions = await submitMany(leader, 400, 'm1');
    const term = await leader.campaign('m1', 60_000, forever);
    let cuts = 0;
    // 1 byte: the request has arrived and was applied, its answer is lost. 64 kB: somewhere among the batches.
    for (const [i, bytes] of [1, 1, 40, 300, 900, 1, 64_000, 1].entries()) {
      const part = decisions.slice(50 * i, 50 * (i + 1));
      const again = part.map((decision) => aPlace(decision.unit, `m${i + 2}`, decision.generation));
      const passed = leader.proxy.received;
      leader.proxy.cutAfterBytes(bytes);
      const result = await leader.commit([...part, ...again], term);
      if (leader.proxy.received - passed >= bytes) cuts += 1;
      expect(result).toMatchObject({
        ...{
          kind: 'done',
          outcomes: [...part.map(() => 'committed'), ...again.map(() => 'stale')],
          revision: expect.any(Number),
        },
      });
    }
    expect(cuts).toBeGreaterThanOrEqual(6);
    const all = await reader.readAll();
    expect(all.assigned.size).toBe(400);
    expect([...all.assigned.values()].every(({ machine }) => machine === 'm1')).toBe(true);
    expectEachPlacedOnce(all);
  });

  it('never assigns a unit twice though answers time out: nothing is answered before it is known', async () => {
    const { port } = await etcd;
    const [leader, reader] = [await open(port, '/hole/'), await open(port, '/hole/')];
    const decisions = await submitMany(leader, 300, 'm1');
    const stale = decisions.map(({ unit, generation }, i) =>
      aPlace(unit, 'm1', generation + (i >= 60 && i % 5 === 0 ? 1 : 0)),
    );
    const term = await leader.campaign('m1', 60_000, forever);
    let answered: CommitResult | undefined;
    leader.proxy.blackHoleAfterBytes(MID_ANSWER);
    const committing = leader.commit(stale, term).then((result) => {
      answered = result;
    });
    await until('the first batch is written', async () => (await reader.readAll()).assigned.size > 0);
    // Longer than the deadline of a call, so that calls time out; then the connection comes back.
    const since = performance.now();
    await until('a call has timed out', () => performance.now() - since > 6000);
    expect(answered).toBeUndefined();
    leader.proxy.restore();
    await committing;
    const all = await reader.readAll();
    expectTrue(answered!, stale, all);
    expect(all.assigned.size).toBe(252);
    expectEachPlacedOnce(all);
  });

  it('is deposed when its term ends before the outcome is known; the next leader repeats nothing', async () => {
    const { port } = await etcd;
    const [one, two] = [await open(port, '/ends/'), await open(port, '/ends/')];
    const decisions = await submitMany(one, 300, 'm1');
    const first = await one.campaign('m1', 3000, forever);
    one.proxy.blackHoleAfterBytes(MID_ANSWER);
    const committing = one.commit(decisions, first);
    await until('the first batch is written', async () => (await two.readAll()).assigned.size > 0);
    const second = await two.campaign('m2', 30_000, forever);
    const before = await two.readAll();
    const moved = decisions.map(({ unit, generation }) => aPlace(unit, 'm2', generation));
    const result = await two.commit(moved, second);
    one.proxy.restore();
    expect(await committing).toEqual({ kind: 'deposed' });
    await until('the first can speak again', () => one.readLeader().catch(() => undefined));
    expect(await one.commit(decisions, blind(first))).toEqual({ kind: 'deposed' });
    const after = await two.readAll();
    expectTrue(result, moved, after);
    expectEachPlacedOnce(after);
    expect(after.assigned.size).toBe(300);
    for (const [unit, assignment] of before.assigned) expect(after.assigned.get(unit)).toEqual(assignment);
  });

  it('keeps contents that are submitted while unused ones are collected', async () => {
    const { port } = await etcd;
    const [leader, api] = [await open(port, '/collect/'), await open(port, '/collect/')];
    const term = await leader.campaign('m1', 30_000, forever);
    const unit = (i: number) => ({
      options: [{ section: 'Service', name: 'ExecStart', value: `sleep ${i}` }],
    });
    for (let round = 0; round < 10; round += 1) {
      for (let i = 0; i < 5; i += 1) {
        await api.submitUnit(`u${i}.service`, unit(i), 'loaded');
        await api.destroyUnit(`u${i}.service`);
      }
      const submits = Array.from({ length: 5 }, (_, i) => api.submitUnit(`u${i}.service`, unit(i), 'loaded'));
      await Promise.all([leader.collectContents(term), ...submits]);
      for (let i = 0; i < 5; i += 1)
        expect((await api.readUnit(`u${i}.service`))?.record.unit).toEqual(unit(i));
    }
  });
});
