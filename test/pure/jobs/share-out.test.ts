import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shareOut } from '../../../jobs/share-out.js';
import { seeded } from '../../support/seed.js';

test.each([
  ['all get what they want where there is enough', 64, [8, 16], [8, 16]],
  ['who wants more than the others leave gets no more', 64, [200, 200], [32, 32]],
  ['what one leaves, the others have', 64, [4, 200, 200], [4, 30, 30]],
  ['who wants nothing gets nothing', 10, [0, 200], [0, 10]],
  ['nobody is nobody', 10, [], []],
] as const)('%s', (_, places, wants, shares) => {
  expect(shareOut(places, wants, 0)).toEqual(shares);
});

test('with fewer places than takers each has its turn', () => {
  const turns = [0, 1, 2, 3].map((turn) => shareOut(1, [5, 5, 5], turn));
  expect(turns).toEqual([
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [1, 0, 0],
  ]);
});

test('no place is given twice or left while somebody wants it, and nobody has much less than another but by its own wish', () => {
  const wants = fc.array(fc.nat(300), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.nat(400), wants, fc.nat(50), (places, wanted, turn) => {
      const shares = shareOut(places, wanted, turn);
      const sum = shares.reduce((total, share) => total + share, 0);
      expect(sum).toBe(
        Math.min(
          places,
          wanted.reduce((total, want) => total + want, 0),
        ),
      );
      const most = Math.max(...shares);
      for (const [i, share] of shares.entries()) {
        expect(share).toBeLessThanOrEqual(wanted[i]!);
        if (share < wanted[i]!) expect(share).toBeGreaterThanOrEqual(most - 1);
      }
    }),
    seeded(),
  );
});
