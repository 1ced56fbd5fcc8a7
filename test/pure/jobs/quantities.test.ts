import { expect, test } from 'vitest';
import { duration, grouped, latencyWords, megabytes, rateWords, size } from '../../../jobs/quantities.js';

test.each([
  [0, '0 s'],
  [1, '1 s'],
  [59_000, '59 s'],
  [185_000, '3 min 5 s'],
  [180_000, '3 min'],
  [7_800_000, '2 h 10 min'],
  [4 * 86_400_000 + 3 * 3_600_000 + 60_000, '4 d 3 h'],
])('%d ms are %s', (ms, words) => {
  expect(duration(ms)).toBe(words);
});

test.each([
  [0, '0.0 MB'],
  [1_500, '0.002 MB'],
  [12_340_000, '12.3 MB'],
])('%d bytes are %s', (bytes, words) => {
  expect(megabytes(bytes)).toBe(words);
  expect(size(bytes)).toBe(words);
});

test.each([
  [9_999_000_000, '9999.0 MB'],
  [10_000_000_000, '10.0 GB'],
  [9_999_900_000_000, '9999.9 GB'],
  [18_400_000_000_000, '18.4 TB'],
])('%d bytes are %s', (bytes, words) => {
  expect(size(bytes)).toBe(words);
});

test('a rate is tiles and bytes', () => {
  expect(rateWords({ tilesPerSecond: 51.04, bytesPerSecond: 1_000_000 })).toBe('51.0 tiles/s, 1.0 MB/s');
});

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1_204_113, '1,204,113'],
  [-12_345.67891, '-12,345.67891'],
  ['8123.4 MB of 16000.0 MB', '8,123.4 MB of 16,000.0 MB'],
])('%j is told as %s', (told, words) => {
  expect(grouped(told)).toBe(words);
});

test.each([
  [0.04, '0.0 ms'],
  [9.94, '9.9 ms'],
  [9.96, '10 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [60_000, '60.0 s'],
])('a request that took %f ms took %s', (ms, words) => {
  expect(latencyWords(ms)).toBe(words);
});
