import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
import { ConvoyError } from '../../runtime/errors.js';
import { type Ability, can, type Store } from '../../stores/store.js';
import { startProxy } from '../support/proxy.js';
import { busy, type Fault, type FaultProxy, HTML, startFaultProxy } from '../support/stores/fault-proxy.js';
import { until } from '../support/until.js';
import {
  coded,
  collect,
  type Excuse,
  LIMIT,
  md5,
  noise,
  properties,
  registerCases,
  text,
} from './store-cases.js';
import { afterwards, type Faulty, operationsOf, outcomesOf } from './store-faults-operations.js';
import { storeHealing } from './store-healing.js';

/** A store that can be asked through a proxy. */
export interface FaultsUnderTest {
  /** The real server: `http://127.0.0.1:port`. */
  readonly target: string;
  /** The store on a container that is there, with the proxy's address in place of the server's. */
  open(url: string, options: { readonly timeoutMs: number }): Promise<Store>;
  /** Puts an object behind the back of a store that cannot write. */
  put?(key: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface FaultsSetUp {
  /** All abilities of the store. */
  readonly abilities: readonly Ability[];
  /** It has tokens, and gets a new one when its own is refused. */
  readonly renewsTokens?: boolean;
  readonly skip?: readonly Excuse[];
}

/** For faults that are answered; and for those that only a time-out ends. */
const PATIENT_MS = 20_000;
const HASTY_MS = 1_000;

/**
 * What a store that is asked over a network promises in spite of it: each fault has its kind and code, and comes in
 * time; the store goes on working, and holds nothing half-written.
 */
export function storeFaults(
  name: string,
  start: () => Promise<FaultsUnderTest>,
  { abilities, renewsTokens = false, skip = [] }: FaultsSetUp,
): void {
  describe(`store faults: ${name}`, () => {
    let under: FaultsUnderTest;
    let proxy: FaultProxy;
    let patient: Store;
    let hasty: Store;
    let keys = 0;
    beforeAll(async () => {
      under = await start();
      proxy = await startFaultProxy(under.target);
      patient = await under.open(proxy.url, { timeoutMs: PATIENT_MS });
      hasty = await under.open(proxy.url, { timeoutMs: HASTY_MS });
    });
    beforeEach(() => proxy.clear());
    afterAll(async () => {
      await Promise.all([patient?.close(), hasty?.close()]);
      await proxy?.close();
      await under?.close();
    });

    const newKey = (): string => `faults/${keys++}/key`;
    const put = async (key: string, bytes: Uint8Array): Promise<void> => {
      if (can(patient, 'write')) await patient.write(key, bytes, properties(bytes));
      else await under.put?.(key, bytes);
    };
    const newObject = async (bytes: Uint8Array): Promise<string> => {
      const key = newKey();
      await put(key, bytes);
      return key;
    };
    const faulty: Faulty = { proxy: () => proxy, patient: () => patient, newKey, put, newObject };
    const cases = registerCases(abilities, skip, () => patient, 30_000);

    /** What each operation comes to when this befalls every request of it. */
    const befallen = async (fault: Fault, which = operationsOf(patient)): Promise<Record<string, unknown>> =>
      outcomesOf(faulty, patient, which, [{ fault }]);
    const each = (expected: unknown, which = operationsOf(patient)): Record<string, unknown> =>
      Object.fromEntries(which.map(({ name: operation }) => [operation, expected]));
    const bodied = () => operationsOf(patient).filter(({ answersBody }) => answersBody);

    cases.test('a connection that is reset is transient/connection-lost', [], async () => {
      expect(await befallen({ kind: 'reset', when: 'at-once' })).toEqual(each('transient/connection-lost'));
    });

    cases.test(
      'an answer that is lost is transient/connection-lost, and asking again is done',
      [],
      async () => {
        expect(await befallen({ kind: 'reset', when: 'answered' })).toEqual(
          each('transient/connection-lost'),
        );
      },
    );

    for (const fault of [
      { kind: 'reset', when: 'receiving', after: 10 },
      { kind: 'truncate', after: 10, length: 'true' },
    ] as const)
      cases.test(`a body cut short (${fault.kind}) is transient, never a short answer`, [], async () => {
        const cut = expect.stringMatching(/^transient\/(connection-lost|truncated)$/);
        expect(await befallen(fault, bodied())).toEqual(each(cut, bodied()));
      });

    for (const [fault, what, expected] of [
      [busy(429, 7), '429 with Retry-After in seconds', 'transient/throttled after 7000'],
      [busy(503, 9, 'date'), '503 with Retry-After as a date', 'transient/throttled after 9000'],
      [{ kind: 'answer', status: 503 }, '503 alone', 'transient/throttled'],
      [{ kind: 'answer', status: 500, body: '<h1>Oops</h1>' }, '500', 'transient/server-error'],
      [{ kind: 'answer', status: 502 }, '502', 'transient/server-error'],
      [{ kind: 'answer', status: 504 }, '504', 'transient/server-error'],
      [{ kind: 'answer', status: 401 }, '401 to everything', 'permanent/wrong-credentials'],
      [{ kind: 'answer', status: 403 }, '403', 'permanent/forbidden'],
    ] as const)
      cases.test(`${what} is ${expected}, and asked only once`, [], async () => {
        // A base that may not be listed is nevertheless there.
        const which = operationsOf(patient).filter((one) => !(what === '403' && one.name === 'check'));
        expect(await befallen(fault, which)).toEqual(each(expected, which));
        // Repeating is the wrappers' business; a new token may be asked for, and tried once.
        const most = renewsTokens && expected.endsWith('wrong-credentials') ? 3 : 1;
        for (const operation of operationsOf(patient)) {
          const key = await newObject(text('x'));
          proxy.add({ fault });
          await operation.ask(patient, key).catch(() => undefined);
          expect({ [operation.name]: proxy.struck <= most }).toEqual({ [operation.name]: true });
          proxy.clear();
        }
      });

    if (renewsTokens)
      cases.test('a token that expired is renewed, and nobody notices', [], async () => {
        const fault: Fault = { kind: 'answer', status: 401 };
        const outcomes = await outcomesOf(faulty, patient, operationsOf(patient), [{ fault, first: 1 }]);
        expect(outcomes).toEqual(each('done'));
      });

    cases.test('a page of HTML is no listing and no proof of a write', ['write'], async () => {
      const which = operationsOf(patient).filter((one) =>
        ['listPage', 'listFolder', 'write'].includes(one.name),
      );
      expect(await befallen(HTML, which)).toEqual(each(expect.not.stringMatching(/^done/), which));
    });

    cases.test(
      'a listing cut short under a length that fits is no listing',
      ['listPage', 'write'],
      async (store) => {
        const key = await newObject(text('x'));
        proxy.add({ fault: { kind: 'truncate', after: 60, length: 'fitting' } });
        await expect(store.listPage(key, null)).rejects.toBeInstanceOf(ConvoyError);
      },
    );

    for (const fault of [
      { kind: 'truncate', after: 50_000, length: 'fitting' },
      { kind: 'corrupt', of: 'answer', at: 50_000 },
    ] as const)
      cases.test(`what came damaged (${fault.kind}) is refused, or told by the MD5`, [], async (store) => {
        const bytes = noise(100_000);
        const key = await newObject(bytes);
        proxy.add({ fault, method: 'GET' });
        const object = await store.read(key, LIMIT).catch((error: unknown) => {
          expect(error).toBeInstanceOf(ConvoyError);
          return null;
        });
        expect(proxy.struck).toBe(1);
        proxy.clear();
        const told = (await store.head(key))?.md5 ?? null;
        if (object === null || told === null) return;
        expect(object.md5).toBe(told);
        expect(md5(object.bytes)).not.toBe(object.md5);
      });

    cases.test('what is damaged on its way is refused where the store checks', ['write'], async (store) => {
      const key = await newObject(text('old'));
      const bytes = noise(100_000);
      proxy.add({ fault: { kind: 'corrupt', of: 'request', at: 50_000 } });
      const writing = store.write(key, bytes, properties(bytes));
      if (!store.traits.checksWrites) return void (await writing);
      await expect(writing).rejects.toMatchObject(coded('checksum-mismatch'));
      proxy.clear();
      expect((await store.read(key, LIMIT)).size).toBe(3);
    });

    cases.test('a request cut in the middle writes nothing', ['write'], async (store) => {
      const key = await newObject(text('old'));
      const bytes = noise(500_000);
      proxy.add({ fault: { kind: 'reset', when: 'sending', after: 100_000 } });
      await expect(store.write(key, bytes, properties(bytes))).rejects.toMatchObject({ kind: 'transient' });
      if (can(store, 'writeStream'))
        await expect(
          store.writeStream(key, one(bytes), bytes.length, properties(bytes)),
        ).rejects.toMatchObject({
          kind: 'transient',
        });
      proxy.clear();
      expect((await store.read(key, LIMIT)).size).toBe(3);
      await store.write(key, bytes, properties(bytes));
      expect(md5((await store.read(key, LIMIT)).bytes)).toBe(md5(bytes));
    });

    cases.test('whoever never answers is transient/timeout, in time', [], async () => {
      const operations = operationsOf(hasty);
      const outcomes = await outcomesOf(faulty, hasty, operations, [
        { fault: { kind: 'hang', after: 'nothing' } },
      ]);
      expect(outcomes).toEqual(each('transient/timeout'));
    });

    cases.test('whoever stops in the middle of a body is transient/timeout, in time', [], async () => {
      const outcomes = await outcomesOf(faulty, hasty, bodied(), [{ fault: { kind: 'hang', after: 10 } }]);
      expect(outcomes).toEqual(each('transient/timeout', bodied()));
    });

    cases.test('whoever reads nothing of a request is transient/timeout, in time', ['write'], async () => {
      const bytes = new Uint8Array(8_000_000);
      proxy.add({ fault: { kind: 'deaf' } });
      const timeout = { kind: 'transient', code: 'timeout' };
      if (!can(hasty, 'write')) throw new Error('opened without its abilities');
      await expect(hasty.write(newKey(), bytes, properties(bytes))).rejects.toMatchObject(timeout);
      if (can(hasty, 'writeStream'))
        await expect(
          hasty.writeStream(newKey(), one(bytes), bytes.length, properties(bytes)),
        ).rejects.toMatchObject(timeout);
    });

    cases.test(
      'a machine that takes connections and is silent is transient/timeout, in time',
      [],
      async () => {
        const key = await newObject(text('x'));
        const silent = await startProxy(proxy.port);
        const store = await under.open(`http://127.0.0.1:${silent.port}`, { timeoutMs: HASTY_MS });
        try {
          silent.blackHole();
          await expect(store.read(key, LIMIT)).rejects.toMatchObject({ kind: 'transient', code: 'timeout' });
          silent.restore();
          expect((await afterwards(() => store.read(key, LIMIT))).size).toBe(1);
        } finally {
          await store.close();
          await silent.close();
        }
      },
    );

    cases.test('a machine that is gone is transient, and found again when it is back', [], async () => {
      const key = await newObject(text('x'));
      const gone = await startProxy(proxy.port);
      const store = await under.open(`http://127.0.0.1:${gone.port}`, { timeoutMs: HASTY_MS });
      try {
        expect((await afterwards(() => store.read(key, LIMIT))).size).toBe(1);
        gone.cut();
        await expect(store.read(key, LIMIT)).rejects.toMatchObject({ kind: 'transient' });
        gone.restore();
        expect((await afterwards(() => store.read(key, LIMIT))).size).toBe(1);
      } finally {
        await store.close();
        await gone.close();
      }
    });

    cases.test(
      'a stream may take longer than the time-out, as long as it moves',
      ['readStream'],
      async () => {
        const bytes = noise(50_000);
        const key = await newObject(bytes);
        proxy.add({ fault: { kind: 'throttle', of: 'answer', bytesPerSecond: 30_000 } });
        if (!can(hasty, 'readStream')) throw new Error('opened without its abilities');
        const began = performance.now();
        const { body } = await hasty.readStream(key, 0);
        expect((await collect(body)).equals(bytes)).toBe(true);
        // Else the throttle did not hold, and nothing was shown.
        expect(performance.now() - began).toBeGreaterThan(HASTY_MS);
      },
    );

    cases.test(
      'more requests that were given up than there are connections block nobody',
      [],
      async (store) => {
        const key = await newObject(text('x'));
        proxy.add({ fault: { kind: 'hang', after: 'nothing' } });
        const stop = new AbortController();
        const asked = Array.from({ length: 150 }, () => store.read(key, LIMIT, stop.signal));
        const settled = Promise.allSettled(asked);
        await until('requests hang', () => proxy.struck >= 32);
        stop.abort();
        for (const outcome of await settled)
          expect(outcome).toMatchObject({ status: 'rejected', reason: { kind: 'aborted' } });
        proxy.clear();
        expect((await store.read(key, LIMIT)).size).toBe(1);
      },
    );

    cases.test('a signal ends at once what nobody answers', [], async () => {
      const stop = new AbortController();
      const asking = outcomesOf(
        faulty,
        patient,
        operationsOf(patient),
        [{ fault: { kind: 'hang', after: 'nothing' } }],
        stop.signal,
      );
      await until('all hang', () => proxy.struck >= operationsOf(patient).length);
      stop.abort();
      expect(await asking).toEqual(each('aborted/undefined'));
    });

    storeHealing(faulty, cases);
    cases.refuseUnknownExcuses();
  });
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
