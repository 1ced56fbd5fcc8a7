import { expect } from 'vitest';
import type { Clock } from '../../runtime/clock.js';
import { aborted } from '../../runtime/errors.js';
import { copyLarge } from '../../stores/large.js';
import { can, NO_PROPERTIES } from '../../stores/store.js';
import { withCare } from '../../stores/wrap.js';
import { memoryStore } from '../fakes/memory-store.js';
import { manualClock } from '../support/clock.js';
import { busy, type Fault } from '../support/stores/fault-proxy.js';
import { collect, LIMIT, md5, noise, properties, type registerCases, text } from './store-cases.js';
import { type Faulty, operationsOf, outcomesOf } from './store-faults-operations.js';

/** One fewer than the wrapper tries. */
const FAULTS = 3;

/** What a store's wrappers heal of what its network does. */
export function storeHealing(faulty: Faulty, cases: ReturnType<typeof registerCases>): void {
  const { proxy, patient, newKey, newObject } = faulty;

  const TRANSIENT: readonly [string, Fault][] = [
    ['connections that are reset', { kind: 'reset', when: 'at-once' }],
    ['answers that are lost', { kind: 'reset', when: 'answered' }],
    ['bodies cut short', { kind: 'truncate', after: 10, length: 'true' }],
    ['429 with Retry-After', busy(429, 1)],
    ['503 with a date', busy(503, 2, 'date')],
    ['500', { kind: 'answer', status: 500 }],
  ];
  for (const [what, fault] of TRANSIENT)
    cases.test(`in its wrappers nobody notices ${what}`, [], async () => {
      const { clock, slept } = quickClock();
      const store = withCare(patient(), { retry: { clock, random: () => 0 } });
      const which = operationsOf(store).filter(
        ({ name, answersBody }) => name !== 'readStream' && (answersBody || fault.kind !== 'truncate'),
      );
      const outcomes = await outcomesOf(faulty, store, which, [{ fault, first: FAULTS }]);
      expect(outcomes).toEqual(Object.fromEntries(which.map(({ name }) => [name, 'done'])));
      expect(slept).toHaveLength(FAULTS * which.length);
      const asked = fault.kind === 'answer' ? Number(fault.headers?.['retry-after'] ?? 0) * 1000 : 0;
      if (asked > 0) expect(Math.min(...slept)).toBeGreaterThanOrEqual(asked);
    });

  cases.test(
    'in its wrappers a few dozen tiles get through a bad network as they were',
    ['write'],
    async () => {
      const { clock } = quickClock();
      const store = withCare(patient(), { retry: { clock, random: () => 0 } });
      if (!can(store, 'write')) throw new Error('opened without its abilities');
      // Two of three requests are struck at most, by whatever rule comes first.
      proxy().add({ fault: { kind: 'reset', when: 'sending', after: 1_000 }, method: 'PUT', every: 7 });
      proxy().add({ fault: { kind: 'truncate', after: 1_000, length: 'true' }, method: 'GET', every: 5 });
      proxy().add({ fault: { kind: 'reset', when: 'answered' }, every: 6 });
      proxy().add({ fault: { kind: 'answer', status: 500 }, every: 4 });
      const tiles = Array.from({ length: 20 }, (_, index) => noise(5_000 + index, 100 + index));
      const keys: string[] = [];
      for (const bytes of tiles) {
        keys.push(newKey());
        await store.write(keys.at(-1)!, bytes, properties(bytes));
      }
      for (const [index, bytes] of tiles.entries())
        expect(md5((await store.read(keys[index]!, LIMIT)).bytes)).toBe(md5(bytes));
      expect(proxy().struck).toBeGreaterThan(10);
    },
  );

  cases.test(
    'in its wrappers an object in parts loses at most a part, and is whole',
    ['beginParts', 'partBytes', 'write'],
    async () => {
      const { clock } = quickClock();
      const store = withCare(patient(), { retry: { clock, random: () => 0 } });
      if (!can(store, 'beginParts', 'partBytes')) throw new Error('opened without its abilities');
      const key = await newObject(text('old'));
      const bytes = noise(store.partBytes(1) * 2 + 5, 30);
      const part = store.partBytes(bytes.length);
      for (const rule of [
        { fault: { kind: 'reset', when: 'answered' }, every: 2 },
        { fault: { kind: 'reset', when: 'sending', after: 100_000 }, method: 'PUT', every: 3 },
      ] as const)
        proxy().add(rule);
      const writing = await store.beginParts(key, bytes.length, properties(bytes));
      for (let index = 0; index * part < bytes.length; index++) {
        const piece = bytes.subarray(index * part, (index + 1) * part);
        await writing.writePart(index, piece, md5(piece));
      }
      await writing.complete(md5(bytes));
      expect(proxy().struck).toBeGreaterThan(1);
      proxy().clear();
      expect(md5((await store.read(key, bytes.length)).bytes)).toBe(md5(bytes));
    },
  );

  cases.test(
    'a large object is read on where its connection broke, and is whole',
    ['readStream'],
    async () => {
      const bytes = noise(6_000_000, 40);
      const key = await newObject(bytes);
      const store = withCare(patient(), { retry: { clock: quickClock().clock, random: () => 0 } });
      proxy().add({ fault: { kind: 'reset', when: 'receiving', after: 1_500_000 }, method: 'GET', first: 3 });
      const destination = memoryStore();
      const copied = await copyLarge(store, key, destination);
      expect(proxy().struck).toBe(3);
      expect([copied.md5, destination.objects.get(key)?.md5]).toEqual([md5(bytes), md5(bytes)]);
    },
  );

  cases.test(
    'a large object that came damaged is not taken for a copy, if its MD5 is told',
    ['readStream'],
    async (store) => {
      const bytes = noise(1_000_000, 41);
      const key = await newObject(bytes);
      const told = (await store.head(key))?.md5 ?? null;
      proxy().add({ fault: { kind: 'corrupt', of: 'answer', at: 500_000 }, method: 'GET' });
      const destination = memoryStore();
      const copying = copyLarge(store, key, destination);
      if (told === null) return expect((await copying).verified).toBe(false);
      await expect(copying).rejects.toMatchObject({ code: 'checksum-mismatch' });
      expect([destination.objects.size, destination.unfinished.size]).toEqual([0, 0]);
    },
  );

  cases.test(
    'a part damaged on its way is refused where the store checks, and sent again',
    ['beginParts', 'partBytes', 'readStream'],
    async (store) => {
      const bytes = noise(store.partBytes(1) + 5, 42);
      const part = store.partBytes(bytes.length);
      const key = newKey();
      const pieces = [bytes.subarray(0, part), bytes.subarray(part)] as const;
      const writing = await store.beginParts(key, bytes.length, NO_PROPERTIES);
      proxy().add({ fault: { kind: 'corrupt', of: 'request', at: 100_000 }, nth: 1 });
      const sending = writing.writePart(0, pieces[0], md5(pieces[0]));
      if (store.traits.checksWrites)
        await expect(sending).rejects.toMatchObject({ code: 'checksum-mismatch' });
      else await sending;
      expect(proxy().struck).toBe(1);
      for (const [index, piece] of pieces.entries()) await writing.writePart(index, piece, md5(piece));
      await writing.complete(md5(bytes));
      expect(md5(await collect((await store.readStream(key, 0)).body))).toBe(md5(bytes));
    },
  );
}

/** Sleeps no time, and remembers for how long. */
function quickClock(): { clock: Clock; slept: number[] } {
  const slept: number[] = [];
  let time = 0;
  const clock: Clock = {
    ...manualClock(),
    now: () => time,
    steady: () => time,
    async sleep(ms, signal) {
      if (signal?.aborted) throw aborted('sleep ended early');
      slept.push(ms);
      time += ms;
    },
  };
  return { clock, slept };
}
