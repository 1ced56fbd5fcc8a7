import { describe, expect, it } from 'vitest';
import { createChangeFeed } from '../../../registry/change-feed.js';
import { type ClusterChange, MOST_UNDELIVERED } from '../../../registry/registry.js';
import { permanent } from '../../../runtime/errors.js';

const PART = 100;
const change = (revision: number, count = PART): ClusterChange => ({
  revision,
  events: Array.from({ length: count }, () => ({ kind: 'leader', value: null })),
});
const forever = new AbortController().signal;

/** A feed, how often it has ended, and what reading it on gives. */
function lab() {
  const seen = { ends: 0 };
  const feed = createChangeFeed(() => {
    seen.ends += 1;
  });
  const reader = feed.read(forever);
  async function rest(): Promise<unknown[]> {
    const got: unknown[] = [];
    try {
      for await (const { revision } of reader) got.push(revision);
    } catch (error) {
      got.push((error as { code?: string }).code);
    }
    return got;
  }
  return { feed, reader, seen, rest };
}

describe('a feed of changes', () => {
  it('gives what was pushed, in order, to who reads before or after', async () => {
    const { feed, reader } = lab();
    const first = reader.next();
    feed.push(change(1));
    feed.push(change(2));
    expect([(await first).value, (await reader.next()).value]).toEqual([change(1), change(2)]);
  });

  it('of a reader that falls behind ends once with what came until then, and then the error', async () => {
    const { feed, seen, rest } = lab();
    const fit = MOST_UNDELIVERED / PART;
    for (let i = 1; i <= fit; i += 1) feed.push(change(i));
    expect(seen.ends).toBe(0);
    for (let i = 1; i <= 3; i += 1) feed.push(change(fit + i));
    expect(seen.ends).toBe(1);
    expect(await rest()).toEqual([...Array.from({ length: fit }, (_, i) => i + 1), 'lagging']);
  });

  it('counts what waits, not what was read, and takes a revision of whatever length', async () => {
    const { feed, reader, seen } = lab();
    for (let i = 1; i <= (3 * MOST_UNDELIVERED) / PART; i += 1) {
      feed.push(change(i));
      expect((await reader.next()).value?.revision).toBe(i);
    }
    feed.push(change(0, 2 * MOST_UNDELIVERED));
    expect(seen.ends).toBe(0);
    expect((await reader.next()).value?.events).toHaveLength(2 * MOST_UNDELIVERED);
  });

  it('ends with the first error given, or without one, once what is there was read', async () => {
    const [bad, good] = [lab(), lab()];
    bad.feed.push(change(1));
    bad.feed.end(permanent('one', { code: 'one' }));
    bad.feed.end(permanent('two', { code: 'two' }));
    bad.feed.push(change(2));
    expect(await bad.rest()).toEqual([1, 'one']);
    const rest = good.rest();
    good.feed.end();
    expect(await rest).toEqual([]);
    expect([bad.seen.ends, good.seen.ends]).toEqual([1, 1]);
  });

  it('leaves a reader whose signal fires at once, with what is there unread', async () => {
    const feed = createChangeFeed(() => undefined);
    const stop = new AbortController();
    const reader = feed.read(stop.signal);
    const waiting = reader.next();
    stop.abort();
    expect((await waiting).done).toBe(true);
    feed.push(change(1));
    expect((await feed.read(stop.signal).next()).done).toBe(true);
  });
});
