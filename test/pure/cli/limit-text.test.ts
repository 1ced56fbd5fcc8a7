import { expect, test } from 'vitest';
import { limitWords, parseBandwidth, parseRps } from '../../../cli/limit-text.js';

test.each([
  ['1', 1],
  ['500', 500],
  ['1000000', 1_000_000],
  ['off', null],
])('--rps %s', (text, value) => {
  expect(parseRps(text)).toBe(value);
});

test.each(['', '0', '-1', '1.5', '5e2', '1000001', 'none', ' 5', 'OFF', '1_000'])(
  '--rps %j is refused, and said what is expected',
  (text) => {
    expect(() => parseRps(text)).toThrow('expected a whole number from 1 to 1000000, or off');
  },
);

test.each([
  ['10M', 10_000_000],
  ['500K', 500_000],
  ['500k', 500_000],
  ['1.5g', 1_500_000_000],
  ['0.001K', 1],
  ['off', null],
])('--bandwidth %s, in bytes per second', (text, value) => {
  expect(parseBandwidth(text)).toBe(value);
});

test.each(['', '10', '0', '0M', '0.0001K', '-1M', '10MB', '10MiB', '10 M', 'M', '1e3M', '1,5M', '99999999G'])(
  '--bandwidth %j is refused, and said what is expected',
  (text) => {
    expect(() => parseBandwidth(text)).toThrow('with K, M or G, such as 500K, 10M or 1.5G, or off');
  },
);

test.each([
  [null, null, 'none'],
  [500, null, 'at most 500 requests/s'],
  [null, 10_000_000, 'at most 10.0 MB/s'],
  [500, 500_000, 'at most 500 requests/s and 0.500 MB/s'],
])('%j requests and %j bytes are said as %s', (requestsPerSecond, bytesPerSecond, words) => {
  expect(limitWords({ requestsPerSecond, bytesPerSecond })).toBe(words);
});
