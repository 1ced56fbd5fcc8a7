import { describe, expect, test } from 'vitest';
import { permanent, transient } from '../../../runtime/errors.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { createLimiter, withLimit, withLog, withRetry } from '../../../stores/wrap.js';
import { type MemoryStore, memoryStore } from '../../fakes/memory-store.js';
import { manualClock } from '../../support/clock.js';

const BODY = { ...NO_PROPERTIES, bytes: new Uint8Array(1), size: 1, md5: null, modifiedMs: null };

/** A store whose reads fail with these errors, one after the other, then succeed. */
function failing(...errors: Error[]): { store: MemoryStore; calls: () => number } {
  const store = memoryStore();
  let calls = 0;
  store.read = async () => {
    calls++;
    const error = errors.shift();
    if (error !== undefined) throw error;
    return BODY;
  };
  return { store, calls: () => calls };
}

/** Lets sleepers run, in their order, until the promise settles. */
async function settle<T>(clock: ReturnType<typeof manualClock>, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = (): void => {
    settled = true;
  };
  promise.then(end, end);
  await new Promise((resolve) => setImmediate(resolve));
  while (!settled) await clock.advance(100);
  return promise;
}

describe('withRetry', () => {
  const busy = () => transient('busy', { status: 503 });

  test('heals what passes within seconds, and every error is heard', async () => {
    const clock = manualClock();
    const { store, calls } = failing(busy(), busy(), busy());
    const heard: unknown[] = [];
    const retrying = withRetry(store, {
      clock,
      random: () => 0.5,
      onError: (error) => heard.push(error.status),
    });
    expect(await settle(clock, retrying.read('k', 1))).toBe(BODY);
    expect(calls()).toBe(4);
    expect(heard).toEqual([503, 503, 503]);
    expect(clock.now() - 1_000_000).toBeLessThan(10_000);
  });

  test('gives up after a few attempts, at once if permanent or asked for long patience', async () => {
    const clock = manualClock();
    const options = { clock, random: () => 0.5 };
    const stubborn = failing(busy(), busy(), busy(), busy(), busy());
    await expect(settle(clock, withRetry(stubborn.store, options).read('k', 1))).rejects.toMatchObject({
      status: 503,
    });
    expect(stubborn.calls()).toBe(4);
    for (const error of [permanent('no'), transient('later', { retryAfterMs: 60_000 })]) {
      const { store, calls } = failing(error);
      await expect(withRetry(store, options).read('k', 1)).rejects.toBe(error);
      expect(calls()).toBe(1);
    }
  });

  test('waits as long as the store asked', async () => {
    const clock = manualClock();
    const { store } = failing(transient('busy', { retryAfterMs: 4_000 }));
    await settle(clock, withRetry(store, { clock, random: () => 0 }).read('k', 1));
    expect(clock.now() - 1_000_000).toBeGreaterThanOrEqual(4_000);
  });

  test('a signal ends the waiting', async () => {
    const clock = manualClock();
    const { store } = failing(busy());
    const stop = new AbortController();
    const reading = withRetry(store, { clock, random: () => 0 }).read('k', 1, stop.signal);
    await clock.sleeping();
    stop.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'aborted' });
  });
});

test('withLimit spaces requests evenly, also after a rest: no bursts', async () => {
  const clock = manualClock();
  const { store } = failing();
  const times: number[] = [];
  const read = store.read;
  store.read = (...args) => {
    times.push(clock.now() - 1_000_000);
    return read(...args);
  };
  const limited = withLimit(store, createLimiter(10, clock));
  await settle(clock, Promise.all(Array.from({ length: 5 }, () => limited.read('k', 1))));
  await clock.advance(60_000);
  await settle(clock, Promise.all(Array.from({ length: 3 }, () => limited.read('k', 1))));
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(times).toHaveLength(8);
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(100);
});

test('withLog tells of a failure what a person needs and hands it on', async () => {
  const { store } = failing(transient('busy', { status: 503, code: 'throttled' }));
  const lines: object[] = [];
  const log = { debug: (fields: object) => lines.push(fields) } as never;
  await expect(withLog(store, log).read('some/key', 1)).rejects.toThrow('busy');
  expect(lines).toEqual([
    {
      store: 'memory:',
      operation: 'read',
      key: 'some/key',
      kind: 'transient',
      code: 'throttled',
      status: 503,
    },
  ]);
});

test('wrappers keep everything else of a store', async () => {
  const clock = manualClock();
  const store = memoryStore();
  const wrapped = withRetry(store, { clock, random: () => 0 });
  expect([wrapped.name, wrapped.traits]).toEqual([store.name, store.traits]);
});
