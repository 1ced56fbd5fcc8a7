import fc from 'fast-check';
import { expect, test } from 'vitest';
import { filterWords, readFilterWords } from '../../../../cli/dashboard/filter-words.js';
import { seeded } from '../../../support/seed.js';

test.each([
  ['', {}, ''],
  ['reason=http-404', { reason: 'http-404' }, ''],
  ['lane=images  image=a=b', { lane: 'images', image: 'a=b' }, ''],
  ['status=0 timed out', { status: 0 }, 'timed out'],
  ['status=404 status=503', { status: 503 }, ''],
  ['Reason=x reason= x=y', {}, 'Reason=x reason= x=y'],
])('"%s" chooses %j and looks for "%s"', (text, filter, rest) => {
  expect(readFilterWords(text)).toEqual({ filter, rest });
});

test.each([
  ['lane=tile', 'lane=tile: expected one of tiles, descriptors, checks, images'],
  ['status=x', 'status=x: expected a number from 0 (none) to 999'],
  ['status=1000', 'status=1000: expected a number from 0 (none) to 999'],
])('"%s" is refused', (text, problem) => {
  expect(readFilterWords(text)).toEqual({ problem });
});

test('what was read is told in words that read as the same', () => {
  const word = fc.constantFrom('reason=a', 'image=b', 'status=7', 'lane=checks', 'x', 'lane', '=', 'image=');
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const read = readFilterWords(words.join(' '));
      if ('problem' in read) throw new Error(read.problem);
      expect(readFilterWords(filterWords(read))).toEqual(read);
    }),
    seeded(),
  );
});
