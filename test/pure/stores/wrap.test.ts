import { describe, expect, test } from 'vitest';
import { permanent, transient } from '../../../runtime/errors.js';
import { createLimiter } from '../../../stores/limiter.js';
import { NO_PROPERTIES, type PartialWrite } from '../../../stores/store.js';
import { withCare } from '../../../stores/wrap.js';
import { collect } from '../../contracts/store-cases.js';
import { type MemoryStore, memoryStore } from '../../fakes/memory-store.js';
import { manualClock } from '../../support/clock.js';

const PROPERTIES = { ...NO_PROPERTIES, md5: '93b885adfe0da089cdf634904fd59f71' };
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

describe('retry', () => {
  const busy = () => transient('busy', { status: 503 });

  test('heals what passes within seconds, and every error is heard', async () => {
    const clock = manualClock();
    const { store, calls } = failing(busy(), busy(), busy());
    const heard: unknown[] = [];
    const retrying = withCare(store, {
      retry: { clock, random: () => 0.5, onError: (error) => heard.push(error.status) },
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
    await expect(
      settle(clock, withCare(stubborn.store, { retry: options }).read('k', 1)),
    ).rejects.toMatchObject({
      status: 503,
    });
    expect(stubborn.calls()).toBe(4);
    for (const error of [permanent('no'), transient('later', { retryAfterMs: 60_000 })]) {
      const { store, calls } = failing(error);
      await expect(withCare(store, { retry: options }).read('k', 1)).rejects.toBe(error);
      expect(calls()).toBe(1);
    }
  });

  test('waits as long as the store asked', async () => {
    const clock = manualClock();
    const { store } = failing(transient('busy', { retryAfterMs: 4_000 }));
    await settle(clock, withCare(store, { retry: { clock, random: () => 0 } }).read('k', 1));
    expect(clock.now() - 1_000_000).toBeGreaterThanOrEqual(4_000);
  });

  test.each([
    ['at its failure', 1],
    ['after the waiting', 2],
  ])('nothing is repeated that must not be any more: known %s', async (_, knownAt) => {
    const clock = manualClock();
    const { store, calls } = failing(busy());
    const { signal } = new AbortController();
    const heard: unknown[] = [];
    let asked = 0;
    const retry = {
      ...{ clock, random: () => 0 },
      onError: (error: unknown) => heard.push(error),
      beforeRepeat(given: unknown) {
        expect(given).toBe(signal);
        if (++asked === knownAt) throw permanent('over');
      },
    };
    const reading = withCare(store, { retry }).read('k', 1, signal);
    await expect(settle(clock, reading)).rejects.toThrow('over');
    expect(calls()).toBe(1);
    // What nobody waits for any more says nothing of the store.
    expect(heard.length).toBe(knownAt - 1);
  });

  test('a signal ends the waiting', async () => {
    const clock = manualClock();
    const { store } = failing(busy());
    const stop = new AbortController();
    const reading = withCare(store, { retry: { clock, random: () => 0 } }).read('k', 1, stop.signal);
    await clock.sleeping();
    stop.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'aborted' });
  });
});

type Ask = (store: MemoryStore, signal?: AbortSignal) => Promise<unknown>;
/** Each operation once, with the key it is about: what a wrapper must stand around. */
const EACH: [name: string, key: string, ask: Ask][] = [
  ['check', '', (store, signal) => store.check(signal)],
  ['head', 'k', (store, signal) => store.head('k', signal)],
  ['read', 'k', (store, signal) => store.read('k', 10, signal)],
  ['write', 'k', (store, signal) => store.write('k', BODY.bytes, PROPERTIES, signal)],
  ['remove', 'other', (store, signal) => store.remove('other', signal)],
  ['createContainer', '', (store, signal) => store.createContainer(signal)],
  ['listPage', 'k', (store, signal) => store.listPage('k', null, signal)],
  ['listFolder', 'k/', (store, signal) => store.listFolder('k/', null, signal)],
  ['readStream', 'k', (store, signal) => store.readStream('k', 0, signal)],
  ['beginParts', 'k', (store, signal) => store.beginParts('k', 1, NO_PROPERTIES, signal)],
  ['copyAddress', 'k', (store, signal) => store.copyAddress('k', signal)],
  ['readStart', 'k', (store, signal) => store.readStart('k', 1, signal)],
  [
    'copyFrom',
    'k2',
    async (store, signal) => {
      const address = { kind: 's3', endpoint: store.endpoint, path: '/k' } as const;
      return store.copyFrom(address, 'k2', { ...PROPERTIES, size: 1 }, signal);
    },
  ],
];

/** A store of which every method fails so many times before it works; counts the calls of each. */
async function flaky(failures: number): Promise<{ store: MemoryStore; calls: Record<string, number> }> {
  const store = memoryStore();
  await store.write('k', BODY.bytes, PROPERTIES);
  const calls: Record<string, number> = {};
  const stumbling =
    (name: string, method: (...args: unknown[]) => Promise<unknown>) =>
    async (...args: unknown[]): Promise<unknown> => {
      calls[name] = (calls[name] ?? 0) + 1;
      if (calls[name] <= failures) throw transient(`${name} stumbles`, { code: 'connection-lost' });
      return method(...args);
    };
  const methods = store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  for (const name of [...EACH.map(([name]) => name), 'writeStream'])
    methods[name] = stumbling(name, methods[name]!);
  const begin = store.beginParts;
  store.beginParts = async (...args) => {
    const writing = (await begin(...args)) as unknown as typeof methods;
    for (const name of ['writePart', 'complete', 'abandon']) writing[name] = stumbling(name, writing[name]!);
    return writing as unknown as PartialWrite;
  };
  return { store, calls };
}

test.each(EACH)('%s is repeated, logged and limited', async (name, key, ask) => {
  const clock = manualClock();
  const { store, calls } = await flaky(2);
  const lines: { operation?: string; key?: string }[] = [];
  let turns = 0;
  const limiter = { turn: async () => void turns++ };
  const log = { debug: (fields: object) => lines.push(fields) } as never;
  const wrapped = withCare(store, { log, limiter, retry: { clock, random: () => 0 } });
  await settle(clock, ask(wrapped));
  expect([calls[name], turns]).toEqual([3, 3]);
  expect(lines.map((line) => [line.operation, line.key])).toEqual([
    [name, key],
    [name, key],
  ]);
});

test.each(EACH)('a signal ends the waiting of %s', async (name, _, ask) => {
  const clock = manualClock();
  const { store, calls } = await flaky(1);
  const stop = new AbortController();
  const asking = ask(withCare(store, { retry: { clock, random: () => 0 } }), stop.signal);
  await clock.sleeping();
  stop.abort();
  await expect(asking).rejects.toMatchObject({ kind: 'aborted' });
  expect(calls[name]).toBe(1);
});

test('a stream that is written waits for its turn no longer than its signal lets it', async () => {
  const stop = new AbortController();
  const limiter = { turn: async (signal?: AbortSignal) => expect(signal).toBe(stop.signal) };
  async function* body(): AsyncGenerator<Uint8Array> {
    yield BODY.bytes;
  }
  const store = memoryStore();
  await withCare(store, { limiter }).writeStream('k', body(), 1, NO_PROPERTIES, stop.signal);
  expect(store.objects.get('k')?.size).toBe(1);
});

test('the steps of a writing in parts are repeated, logged and limited', async () => {
  const clock = manualClock();
  const { store, calls } = await flaky(1);
  const lines: { operation?: string; key?: string }[] = [];
  let turns = 0;
  const log = { debug: (fields: object) => lines.push(fields) } as never;
  const limiter = { turn: async () => void turns++ };
  const wrapped = withCare(store, { log, limiter, retry: { clock, random: () => 0 } });
  const writing = await settle(clock, wrapped.beginParts('large', 1, NO_PROPERTIES));
  await settle(clock, writing.writePart(0, BODY.bytes, PROPERTIES.md5));
  await settle(clock, writing.complete(PROPERTIES.md5));
  await settle(clock, writing.abandon());
  expect(calls).toEqual({ beginParts: 2, writePart: 2, complete: 2, abandon: 2 });
  expect([turns, lines.map(({ operation, key }) => `${operation} ${key}`)]).toEqual([
    8,
    ['beginParts large', 'writePart large', 'complete large', 'abandon large'],
  ]);
  expect(store.objects.get('large')?.size).toBe(1);
});

test('a stream that is written is never repeated, yet its error is heard', async () => {
  const { store, calls } = await flaky(1);
  const heard: unknown[] = [];
  const wrapped = withCare(store, {
    retry: { clock: manualClock(), random: () => 0, onError: ({ code }) => heard.push(code) },
  });
  async function* body(): AsyncGenerator<Uint8Array> {
    yield BODY.bytes;
  }
  const writing = wrapped.writeStream('k', body(), 1, NO_PROPERTIES);
  await expect(writing).rejects.toMatchObject({ code: 'connection-lost' });
  expect([calls.writeStream, heard]).toEqual([1, ['connection-lost']]);
});

test('of a stream that is read only the opening is repeated', async () => {
  const clock = manualClock();
  const { store, calls } = await flaky(1);
  const open = store.readStream;
  store.readStream = async (...args) => {
    const stream = await open(...args);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield BODY.bytes;
      throw transient('broken', { code: 'truncated' });
    }
    return { ...stream, body: broken() };
  };
  const { body } = await settle(
    clock,
    withCare(store, { retry: { clock, random: () => 0 } }).readStream('k', 0),
  );
  await expect(collect(body)).rejects.toMatchObject({ code: 'truncated' });
  expect(calls.readStream).toBe(2);
});

test('a limiter spaces requests evenly, also after a rest: no bursts', async () => {
  const clock = manualClock();
  const { store } = failing();
  const times: number[] = [];
  const read = store.read;
  store.read = (...args) => {
    times.push(clock.now() - 1_000_000);
    return read(...args);
  };
  const limited = withCare(store, { limiter: createLimiter(10, clock) });
  await settle(clock, Promise.all(Array.from({ length: 5 }, () => limited.read('k', 1))));
  await clock.advance(60_000);
  await settle(clock, Promise.all(Array.from({ length: 3 }, () => limited.read('k', 1))));
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(times).toHaveLength(8);
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(100);
});

test.each([...EACH.map(([name, , ask]) => [name, ask] as const)])(
  '%s is timed at every attempt, and what it reads or writes is counted',
  async (name, ask) => {
    const clock = manualClock();
    const { store, calls } = await flaky(1);
    const methods = store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const method = methods[name]!;
    methods[name] = async (...args) => {
      await clock.advance(250);
      return method(...args);
    };
    const told: unknown[] = [];
    const counts = {
      seconds: (...one: unknown[]) => told.push(one),
      bytes: (...one: unknown[]) => told.push(one),
    };
    const counted = withCare(store, { meter: { counts, clock } });
    await expect(ask(counted)).rejects.toMatchObject({ kind: 'transient' });
    await ask(counted);
    expect(calls[name]).toBe(2);
    expect(told).toEqual([
      [name, 'transient', 0.25],
      [name, 'ok', 0.25],
      ...(['read', 'write', 'readStart'].includes(name) ? [[name, 1]] : []),
    ]);
  },
);

test('the parts of a large object are timed and counted each by itself', async () => {
  const clock = manualClock();
  const told: unknown[] = [];
  const counts = {
    seconds: (operation: string, outcome: string) => told.push(`${operation} ${outcome}`),
    bytes: (operation: string, bytes: number) => told.push(`${operation} ${bytes}`),
  };
  const counted = withCare(memoryStore(), { meter: { counts, clock } });
  const writing = await counted.beginParts('large', 1, NO_PROPERTIES);
  await expect(writing.writePart(0, BODY.bytes, 'f'.repeat(32))).rejects.toThrow('damaged');
  await writing.writePart(0, BODY.bytes, PROPERTIES.md5);
  await writing.complete(PROPERTIES.md5);
  expect(told).toEqual([
    ...['beginParts ok', 'writePart permanent', 'writePart ok', 'writePart 1', 'complete ok'],
  ]);
});

test('the log tells of a failure what a person needs, and it is handed on', async () => {
  const { store } = failing(transient('busy', { status: 503, code: 'throttled' }));
  const lines: object[] = [];
  const log = { debug: (fields: object) => lines.push(fields) } as never;
  await expect(withCare(store, { log }).read('some/key', 1)).rejects.toThrow('busy');
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

test('the log shows no signature and no password that an error quotes', async () => {
  const url = 'https://user:pass-word@account.example/c/k?sv=1&sig=SIGNATURE';
  const { store } = failing(transient(`GET ${url} failed`, { cause: new Error(`at ${url}`) }));
  const lines: string[] = [];
  const log = { debug: (fields: object, message: string) => lines.push(JSON.stringify(fields) + message) };
  await expect(withCare(store, { log: log as never }).read('some/key', 1)).rejects.toThrow('failed');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('https://***@account.example/c/k?***');
  expect(lines[0]).not.toMatch(/SIGNATURE|pass-word/);
});

test('wrappers keep everything else of a store, and add nothing it has not', async () => {
  const options = { clock: manualClock(), random: () => 0 };
  const store = memoryStore();
  const { name, traits, close, partBytes, canCopyFrom } = withCare(store, { retry: options });
  expect({ name, traits, close, partBytes, canCopyFrom }).toEqual({
    ...{ name: store.name, traits: store.traits, close: store.close },
    ...{ partBytes: store.partBytes, canCopyFrom: store.canCopyFrom },
  });
  const { check, head, read } = store;
  const least = { name, traits, check, head, read, close };
  expect(Object.keys(withCare(least, { retry: options })).sort()).toEqual(Object.keys(least).sort());
});
