import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bag, type Place } from '../../../stores/bag.js';
import { seeded } from '../../support/seed.js';

/** A number takes out the item at that place in the order of coming; null adds one. */
const steps = fc.array(fc.option(fc.nat(40), { freq: 2 }), { maxLength: 200 });

function seen(bag: Bag<number>): number[] {
  return [...bag].sort((a, b) => a - b);
}

describe('a bag', () => {
  test('holds what was added and not taken out', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const bag = new Bag<number>();
        const held = new Map<number, Place<number>>();
        let count = 0;
        for (const step of all) {
          if (step === null) held.set(count, bag.add(count++));
          else {
            const [item, place] = [...held][step % Math.max(1, held.size)] ?? [];
            if (item === undefined || place === undefined) continue;
            bag.remove(place);
            held.delete(item);
          }
          expect(bag.size).toBe(held.size);
        }
        expect(seen(bag)).toEqual([...held.keys()]);
      }),
      seeded(),
    );
  });

  test('shows all that stay, and nothing that has gone, while a visit takes out others', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(19)), { maxLength: 20 }), (victims) => {
        const bag = new Bag<number>();
        const held = new Map(Array.from({ length: 20 }, (_, item) => [item, bag.add(item)]));
        const shown = new Set<number>();
        for (const item of bag) {
          expect(held.has(item)).toBe(true);
          shown.add(item);
          for (const victim of victims[item] ?? []) {
            const place = held.get(victim);
            if (place !== undefined) bag.remove(place);
            held.delete(victim);
          }
        }
        for (const item of held.keys()) expect(shown.has(item)).toBe(true);
      }),
      seeded(),
    );
  });
});
