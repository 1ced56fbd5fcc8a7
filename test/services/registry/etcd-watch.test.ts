import { afterEach, describe, expect, it } from 'vitest';
import type { EtcdClient, WatchResponse } from '../../../registry/etcd-calls.js';
import { openEtcdClient } from '../../../registry/etcd-client.js';
import { type Following, follow } from '../../../registry/etcd-watch.js';
import { systemClock } from '../../../runtime/clock.js';
import { type Proxy as FaultyProxy, startProxy } from '../../support/proxy.js';
import { type TestServer, testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { rawEtcd } from './raw-etcd.js';

const ground = useGround('etcd-watch');
const opened: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});
let count = 0;

interface Lab {
  readonly proxy: FaultyProxy;
  readonly following: Following;
  /** Every event handed on, as `key@revision`, in order. */
  readonly events: string[];
  /** Revisions listed at. */
  readonly lists: number[];
  /** Keys present, from lists and events. */
  readonly present: Set<string>;
  readonly problems: (string | undefined)[];
  /** Every response of the stream, handed on or not. */
  readonly responses: { readonly count: number; readonly bytes: number; readonly fragment: boolean }[];
  readonly prefix: string;
}

/** A follower of a range of a real etcd behind a proxy. `from` skips the list, to catch up from there. */
async function watchLab(etcd: TestServer, from?: number): Promise<Lab> {
  const proxy = await startProxy(etcd.port);
  const clock = systemClock();
  const client: EtcdClient = openEtcdClient([`http://127.0.0.1:${proxy.port}`], clock);
  const stop = new AbortController();
  const prefix = `/watch-${count}/`;
  const lab = {
    ...{ events: [] as string[], lists: [] as number[], present: new Set<string>() },
    ...{ problems: [] as (string | undefined)[], responses: [] as Lab['responses'] },
  };
  let isFirst = from !== undefined;
  const following = follow({
    ...{ clock, signal: stop.signal, range: { key: prefix, prefix: true } },
    client: {
      watch: (range, next, onResponse, onEnd, signal) =>
        client.watch(range, next, (response) => onResponse(noted(response)), onEnd, signal),
    },
    async list() {
      if (!isFirst) return client.list(prefix);
      isFirst = false;
      return { entries: [], revision: (from ?? 1) - 1 };
    },
    mayResume: async () => true,
    onList({ entries, revision }) {
      lab.lists.push(revision);
      lab.present.clear();
      for (const { key } of entries) lab.present.add(key);
    },
    onEvents(events) {
      for (const { kind, entry } of events) {
        lab.events.push(`${entry.key.slice(prefix.length)}@${entry.modified}`);
        if (kind === 'put') lab.present.add(entry.key);
        else lab.present.delete(entry.key);
      }
    },
    problem: (error) => void lab.problems.push(error.code),
  });
  function noted(response: WatchResponse): WatchResponse {
    const bytes = response.events.reduce((sum, { entry }) => sum + entry.key.length + entry.value.length, 0);
    if (response.events.length > 0)
      lab.responses.push({ count: response.events.length, bytes, fragment: response.fragment });
    return response;
  }
  opened.push(
    () => proxy.close(),
    () => client.close(),
    () => following.ended,
    () => stop.abort(),
  );
  return { ...lab, proxy, following, prefix };
}

const etcd = testEtcd(ground);

/** Puts keys one by one, so each at a revision of its own; answers what a follower must hand on. */
async function putMany(url: string, names: readonly string[], value = 'x'): Promise<string[]> {
  const raw = rawEtcd(url);
  const expected: string[] = [];
  for (const name of names) expected.push(`${name}@${await raw.put(`/watch-${count}/${name}`, value)}`);
  return expected;
}
const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `k${String(from + i).padStart(5, '0')}`);

describe('a watch on real etcd loses and repeats nothing', () => {
  it('over a restart of etcd', async () => {
    count += 1;
    const server = await etcd;
    const lab = await watchLab(server);
    await until('the first list', () => lab.lists.length === 1);
    const before = await putMany(server.url, names(0, 20));
    await until('the events before', () => lab.events.length >= 20);
    await server.kill();
    await until('the loss is noticed', () => lab.problems.length > 0);
    await server.restart();
    const after = await putMany(server.url, names(20, 40));
    await until('the events after', () => lab.events.length >= 40);
    expect(lab.events).toEqual([...before, ...after]);
    expect(lab.lists).toHaveLength(1);
  });

  it('over cuts in the middle of a catch-up of 5,000 events', async () => {
    count += 1;
    const { url } = await etcd;
    const from = (await rawEtcd(url).revision()) + 1;
    const expected: string[] = [];
    // In chunks side by side: etcd gives every put a revision of its own all the same.
    for (let start = 0; start < 5000; start += 500) {
      const parts = Array.from({ length: 10 }, (_, i) => names(start + 50 * i, start + 50 * (i + 1)));
      expected.push(...(await Promise.all(parts.map((part) => putMany(url, part)))).flat());
    }
    const revision = (event: string): number => Number(event.split('@')[1]);
    expected.sort((a, b) => revision(a) - revision(b));

    const lab = await watchLab(await etcd, from);
    lab.proxy.cutAfterBytes(150_000);
    await until('the first cut', () => lab.problems.length >= 1);
    const afterCut = lab.events.length;
    lab.proxy.cutAfterBytes(50_000);
    await until('the rest', () => lab.events.length >= 5000, 30_000);
    expect(afterCut).toBeGreaterThan(0);
    expect(afterCut).toBeLessThan(5000);
    expect(lab.events).toEqual(expected);
    expect(lab.lists).toEqual([from - 1]);
  });

  it('over a cut between two fragments of one revision', async () => {
    count += 1;
    const server = await etcd;
    const raw = rawEtcd(server.url);
    const prefix = `/watch-${count}/`;
    const long = 'n'.repeat(1000);
    const keys = names(0, 4000).map((name) => name + long);
    for (let start = 0; start < keys.length; start += 100)
      await raw.putAll(keys.slice(start, start + 100).map((key) => [prefix + key, 'x'] as const));
    const before = await raw.revision();
    await raw.removeRange(prefix, `${prefix}z`);
    expect(await raw.revision()).toBe(before + 1);

    const lab = await watchLab(server, before + 1);
    // The deletion's 4 MB come in fragments of 2 MB at most: the cut falls after the first one.
    lab.proxy.cutAfterBytes(3_000_000);
    await until('the cut', () => lab.problems.length >= 1);
    expect(lab.responses.map(({ fragment }) => fragment)).toEqual([true]);
    expect(lab.events).toEqual([]);
    await until('the deletion', () => lab.events.length > 0);
    expect(lab.events).toEqual(keys.map((key) => `${key}@${before + 1}`));
  });

  it('in one response of more than 4 MB', async () => {
    count += 1;
    const big = await testEtcd(ground, { name: 'etcd-big', flags: ['--max-request-bytes', '20000000'] });
    const raw = rawEtcd(big.url);
    const from = (await raw.revision()) + 1;
    const revision = await raw.putAll(
      names(0, 60).map((name) => [`/watch-${count}/${name}`, 'v'.repeat(100_000)] as const),
    );
    const lab = await watchLab(big, from);
    await until('the events', () => lab.events.length > 0);
    expect(lab.events).toEqual(names(0, 60).map((name) => `${name}@${revision}`));
    expect(lab.responses).toHaveLength(1);
    expect(lab.responses[0]?.bytes).toBeGreaterThan(4 * 1024 * 1024);
    await big.kill();
  });

  it('over a compaction of what it missed: it lists again', async () => {
    count += 1;
    const server = await etcd;
    const raw = rawEtcd(server.url);
    const lab = await watchLab(server);
    const early = await putMany(server.url, names(0, 5));
    await until('the first events', () => lab.present.size >= 5);
    lab.proxy.cut();
    await putMany(server.url, names(5, 10));
    await raw.remove(`/watch-${count}/k00000`);
    const revision = await raw.put(`/watch-${count}/k00009`, 'y');
    await raw.compact(revision);
    lab.proxy.restore();
    await until('the list', () => lab.lists.length >= 2);
    expect(lab.problems).toContain('compacted');
    const later = await putMany(server.url, names(10, 12));
    await until('the events after it', () => lab.present.size >= 11);
    expect([...lab.present].sort()).toEqual(names(1, 12).map((name) => lab.prefix + name));
    expect(lab.events.slice(-2)).toEqual(later);
    expect(new Set(lab.events).size).toBe(lab.events.length);
    expect(lab.events.length).toBeLessThanOrEqual(early.length + later.length);
  });

  it('on a connection that died without a word', async () => {
    count += 1;
    const server = await etcd;
    const lab = await watchLab(server);
    await until('the first list', () => lab.lists.length === 1);
    const before = await putMany(server.url, names(0, 3));
    await until('the events before', () => lab.events.length >= 3);
    lab.proxy.blackHole();
    const missed = await putMany(server.url, names(3, 6));
    await until('the silence is noticed', () => lab.problems.length > 0, 40_000);
    lab.proxy.restore();
    await until('the missed events', () => lab.events.length >= 6, 20_000);
    expect(lab.events).toEqual([...before, ...missed]);
  });
});
