import { hash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { md5All, md5Of } from '../../../jobs/md5.js';
import { seeded } from '../../support/seed.js';

const sumOf = (body: Uint8Array): string => hash('md5', body, 'hex');

/** Up to some more than what is hashed side by side, and often where a block or the last one's padding ends. */
const size = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 70_000 }),
  fc
    .tuple(fc.integer({ min: 1, max: 1_040 }), fc.constantFrom(-9, -8, -1, 0, 1))
    .map(([blocks, more]) => blocks * 64 + more),
);

function bodyOf([bytes, seed]: readonly [number, number]): Uint8Array {
  const body = new Uint8Array(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    body[at] = state >>> 16;
  }
  return body;
}

const bodies = fc
  .array(fc.tuple(size, fc.nat()), { maxLength: 40 })
  .map((described) => described.map(bodyOf));

afterEach(() => vi.restoreAllMocks());

describe('MD5 of many bodies', () => {
  test('is that of each, in their order, batch after batch', () => {
    fc.assert(
      fc.property(bodies, (many) => {
        expect(md5All(many)).toEqual(many.map(sumOf));
      }),
      seeded(150),
    );
  });

  test('is right for every length up to some blocks, beside others', () => {
    const many = Array.from({ length: 400 }, (_, bytes) => bodyOf([bytes, bytes]));
    expect(md5All(many)).toEqual(many.map(sumOf));
  });

  test('reads a body that is a part of a larger memory, and changes nothing of it', () => {
    const memory = bodyOf([20_000, 1]);
    const before = sumOf(memory);
    const parts = Array.from({ length: 9 }, (_, nth) =>
      memory.subarray(nth * 2_000 + 3, nth * 2_000 + 1_999),
    );
    expect(md5All(parts)).toEqual(parts.map(sumOf));
    expect(sumOf(memory)).toBe(before);
  });

  test('is the same on a processor without the vectors', async () => {
    vi.resetModules();
    const validate = vi.spyOn(
      (globalThis as unknown as { WebAssembly: { validate(code: Uint8Array): boolean } }).WebAssembly,
      'validate',
    );
    validate.mockReturnValue(false);
    const { md5All: plain } = await import('../../../jobs/md5.js');
    const many = Array.from({ length: 12 }, (_, nth) => bodyOf([nth * 100, nth]));
    expect(plain(many)).toEqual(many.map(sumOf));
    expect(plain(many)).toEqual(many.map(sumOf));
    expect(validate).toHaveBeenCalledTimes(1);
  });
});

test('who asks one by one gets the sum of the own body, in this turn and the next', async () => {
  for (const count of [1, 3, 20]) {
    const many = Array.from({ length: count }, (_, nth) => bodyOf([count * 1_000 + nth, nth]));
    expect(await Promise.all(many.map(md5Of))).toEqual(many.map(sumOf));
  }
});
