import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createIdSet } from '../../../jobs/id-set.js';
import { seeded } from '../../support/seed.js';

test('tells what was there before as a Set does', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 2 }), { maxLength: 3_000 }), (ids) => {
      const ours = createIdSet();
      const twin = new Set<string>();
      for (const id of ids) {
        expect(ours.add(id)).toBe(!twin.has(id));
        twin.add(id);
      }
    }),
    seeded(50),
  );
});

test('grows', () => {
  const ids = createIdSet();
  for (let at = 0; at < 20_000; at++) expect(ids.add(`id${at}`)).toBe(true);
  for (let at = 0; at < 20_000; at++) expect(ids.add(`id${at}`)).toBe(false);
});
