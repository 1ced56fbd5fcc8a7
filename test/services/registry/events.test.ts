import { afterEach, describe, expect, it } from 'vitest';
import { type ClusterChange, MOST_WRITES, type Registry } from '../../../registry/registry.js';
import { aUnit } from '../../contracts/registry-contract.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { rawEtcd } from './raw-etcd.js';
import { useRegistries } from './registry-lab.js';
import { useStrangeLab } from './strange-lab.js';

const ground = useGround('events');
const open = useRegistries();
const { cluster, backUp, startWith } = useStrangeLab(ground, open);
const shared = testEtcd(ground);
let count = 0;

const stop: AbortController[] = [];
afterEach(() => {
  for (const one of stop.splice(0)) one.abort();
});

/** Reads all that is told, until it ends. */
async function follow(registry: Registry) {
  const abort = new AbortController();
  stop.push(abort);
  const seen = { changes: [] as ClusterChange[], error: undefined as unknown };
  const changes = registry.openEvents(null, abort.signal)[Symbol.asyncIterator]();
  const { value } = await changes.next();
  const read = async (): Promise<void> => {
    for (let next = await changes.next(); !next.done; next = await changes.next())
      seen.changes.push(next.value);
  };
  read().catch((error: unknown) => {
    seen.error = error;
  });
  return { seen, start: (value as ClusterChange).revision };
}

/** Two registries on one etcd: one looks on from behind its proxy, the other writes. */
async function pair() {
  const etcd = await shared;
  const prefix = `/events-${++count}/`;
  const [watching, writing] = [await open(etcd.port, prefix), await open(etcd.port, prefix)];
  await writing.submitUnit('a.service', aUnit(), 'inactive');
  return { etcd, prefix, watching, writing };
}

describe('events', () => {
  it('are each told once and whole, however often the connection is cut in the middle of them', async () => {
    const { watching, writing } = await pair();
    const { seen, start } = await follow(watching);
    const names = Array.from({ length: MOST_WRITES }, (_, i) => `u${i}.service`);
    const rounds = 40;
    for (let i = 0; i < rounds; i += 1) {
      // A revision of 50 units comes to about 7,000 bytes.
      watching.proxy.cutAfterBytes(1000 + ((i * 7919) % 14_000));
      const unit = aUnit(`${i} ${'x'.repeat(100)}`);
      await writing.writeUnits(names.map((name) => ({ name, unit, target: 'loaded' })));
    }
    await until('the last is told', () => seen.changes.at(-1)?.revision === start + rounds, 60_000);
    expect(seen.changes.map(({ revision }) => revision - start)).toEqual(
      Array.from({ length: rounds }, (_, i) => i + 1),
    );
    for (const { events } of seen.changes) expect(events).toHaveLength(MOST_WRITES);
  });

  it('go on when etcd was killed and came back', async () => {
    const all = await cluster();
    const { seen, start } = await follow(all.registry);
    await all.etcd.kill();
    await all.etcd.restart();
    const writing = await open(all.etcd.port, '/convoy/');
    await writing.submitUnit('b.service', aUnit(), 'loaded');
    const isTold = (): boolean =>
      seen.changes.some(({ events }) =>
        events.some((event) => 'unit' in event && event.unit === 'b.service'),
      );
    await until('it is told', isTold, 20_000);
    expect(seen.changes[0]!.revision).toBeGreaterThan(start);
    expect(seen.error).toBeUndefined();
  });

  it('end where the history was forgotten while nobody could be reached', async () => {
    const { etcd, watching, writing } = await pair();
    const { seen } = await follow(watching);
    watching.proxy.cut();
    for (let i = 0; i < 3; i += 1) await writing.requestRestart('a.service');
    await rawEtcd(etcd.url).compact((await writing.readAll()).revision);
    watching.proxy.restore();
    await until('they end', () => seen.error !== undefined, 20_000);
    expect(seen.error).toMatchObject({ kind: 'conflict', code: 'compacted' });
    expect(seen.changes).toEqual([]);
  });

  it('end where etcd was emptied, or has gone back', async () => {
    const [emptied, restored] = [await cluster(), await cluster()];
    const backup = await backUp(restored);
    await until('it is back', () =>
      restored.registry.readAll().then(
        () => true,
        () => false,
      ),
    );
    await restored.registry.submitUnit('b.service', aUnit(), 'loaded');
    for (const [all, data, reason] of [
      [emptied, null, /no cluster record/],
      [restored, backup, /went back/],
    ] as const) {
      const { seen } = await follow(all.registry);
      await startWith(all, data);
      await until('they end', () => seen.error !== undefined, 20_000);
      expect(seen.error).toMatchObject({
        ...{ kind: 'permanent', code: 'hold', message: expect.stringMatching(reason) },
      });
    }
  });

  it('end when the operator accepts whatever is there, and at a record that cannot be read', async () => {
    const { etcd, prefix, watching, writing } = await pair();
    const first = await follow(watching);
    await watching.accept();
    await until('they end', () => first.seen.error !== undefined);
    expect(first.seen.error).toMatchObject({ kind: 'conflict', code: 'compacted' });
    const second = await follow(watching);
    await rawEtcd(etcd.url).put(`${prefix}units/b.service`, '{"v":2}');
    await until('they end', () => second.seen.error !== undefined);
    expect(second.seen.error).toMatchObject({ kind: 'permanent', code: 'format' });
    await writing.close();
  });
});
