import { describe, expect, it } from 'vitest';
import { encodeKnown } from '../../../registry/codec.js';
import type { CountedListing, Entry, EtcdClient } from '../../../registry/etcd-calls.js';
import { KeptTables } from '../../../registry/etcd-kept.js';
import { keysUnder } from '../../../registry/keys.js';

const keys = keysUnder('/convoy/');

/** The record of a machine, told apart by when it was first seen. */
function machine(id: string, modified: number, created = modified): Entry {
  const record = { id, firstSeen: modified, cordoned: false, draining: false, away: null, metadata: {} };
  return { ...{ key: keys.knownMachine(id), value: encodeKnown(record), lease: '0' }, created, modified };
}

/** An etcd whose every answer is chosen; `asked` tells since when each was asked for, `all` for all. */
function lab() {
  const asked: (number | 'all')[] = [];
  const waiting: ((listing: CountedListing) => void)[] = [];
  const list: EtcdClient['list'] = (_, { since } = {}) => {
    asked.push(since ?? 'all');
    return new Promise((resolve) => waiting.push(resolve));
  };
  const client = { breaks: 0, list };
  const kept = new KeptTables(client, keys, keys.root);
  const machines = (revision: number, ...ids: readonly string[]) => ({ revision, ids });
  return {
    ...{ asked, kept, machines, client },
    answer(entries: readonly Entry[], revision: number, count: number): void {
      waiting.shift()!({ entries, revision, count });
    },
    /** What is read next. */
    async read() {
      const { revision, known } = await kept.read();
      return machines(revision, ...[...known.values()].map(({ id, firstSeen }) => `${id}@${firstSeen}`));
    },
  };
}

/** A lab that has read two machines at revision 10. */
async function afterOne(): Promise<ReturnType<typeof lab>> {
  const at = lab();
  const read = at.read();
  at.answer([machine('a', 5), machine('b', 7)], 10, 2);
  expect(await read).toEqual(at.machines(10, 'a@5', 'b@7'));
  return at;
}

describe('all is read anew', () => {
  it.each([
    { why: 'a key went', count: 1, revision: 12, entries: [] },
    { why: 'a key went and another came', count: 2, revision: 12, entries: [machine('c', 12)] },
    { why: 'a key went and came again', count: 2, revision: 12, entries: [machine('a', 12)] },
    { why: 'etcd has gone back', count: 2, revision: 9, entries: [] },
  ])('when $why', async ({ count, revision, entries }) => {
    const at = await afterOne();
    const read = at.read();
    at.answer(entries, revision, count);
    await Promise.resolve();
    at.answer([machine('z', 3)], revision, 1);
    expect(await read).toEqual(at.machines(revision, 'z@3'));
    expect(at.asked).toEqual(['all', 10, 'all']);
  });

  it('when the connection has broken, whatever the new one would tell', async () => {
    const at = await afterOne();
    at.client.breaks += 1;
    const read = at.read();
    at.answer([machine('z', 3)], 11, 2);
    expect(await read).toEqual(at.machines(11, 'z@3'));
    const again = at.read();
    at.answer([], 11, 2);
    expect(await again).toEqual(at.machines(11, 'z@3'));
    expect(at.asked).toEqual(['all', 'all', 11]);
  });

  it('when what was read is to be forgotten, be it while more is read', async () => {
    const at = await afterOne();
    const read = at.read();
    at.kept.forget();
    at.answer([], 10, 2);
    await Promise.resolve();
    at.answer([machine('z', 3)], 11, 1);
    expect(await read).toEqual(at.machines(11, 'z@3'));
    expect(at.asked).toEqual(['all', 10, 'all']);
  });
});

describe('what was written since is asked for', () => {
  it('and added to what is known, which earlier readers keep as it was', async () => {
    const at = await afterOne();
    const first = at.kept.read();
    at.answer([], 10, 2);
    const before = await first;
    const second = at.read();
    at.answer([machine('a', 11, 5), machine('c', 12)], 12, 3);
    expect(await second).toEqual(at.machines(12, 'a@11', 'b@7', 'c@12'));
    expect([...before.known.values()].map(({ firstSeen }) => firstSeen)).toEqual([5, 7]);
    expect(at.asked).toEqual(['all', 10, 10]);
  });

  it('by several at once, of whom each gets what is no older than its answer', async () => {
    const at = await afterOne();
    const [one, two] = [at.read(), at.read()];
    at.answer([machine('a', 11, 5), machine('c', 14)], 14, 3);
    at.answer([machine('a', 11, 5)], 12, 2);
    expect(await one).toEqual(at.machines(14, 'a@11', 'b@7', 'c@14'));
    expect(await two).toEqual(at.machines(14, 'a@11', 'b@7', 'c@14'));
    expect(at.asked).toEqual(['all', 10, 10]);
  });

  it('and what another call has added already is not counted twice', async () => {
    const at = await afterOne();
    const [one, two] = [at.read(), at.read()];
    at.answer([machine('c', 11)], 11, 3);
    at.answer([machine('c', 13, 11), machine('d', 12)], 13, 4);
    expect(await one).toEqual(at.machines(11, 'a@5', 'b@7', 'c@11'));
    expect(await two).toEqual(at.machines(13, 'a@5', 'b@7', 'c@13', 'd@12'));
  });
});
