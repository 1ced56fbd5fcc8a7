import { expect, test } from 'vitest';
import { reasonWords } from '../../../cli/reason-text.js';
import type { FailureRecord } from '../../../jobs/work-queue.js';

test.each([
  ['tiles', 'http-404', 'reading from the source: answered with status 404'],
  ['tiles', 'write-http-503', 'writing at the destination: answered with status 503'],
  ['tiles', 'look-timeout', 'looking before it is carried: no answer in time'],
  [
    'tiles',
    'copy-checksum-mismatch',
    'copied by the destination itself: the bytes do not have the MD5 that was told',
  ],
  ['tiles', 'copy-refused', 'the destination cannot copy it from the source by itself'],
  ['tiles', 'truncated', 'reading from the source: the body is shorter than promised'],
  ['tiles', 'worker-died', 'each worker that had it was lost'],
  ['descriptors', 'descriptor-changed', 'not the descriptor that was planned'],
  ['images', 'http-403', 'reading from the source: answered with status 403'],
  ['images', 'collection', 'a collection, not an image'],
  ['checks', 'missing', 'at the destination: no such object is there'],
  ['checks', 'http-500', 'at the destination: answered with status 500'],
  ['checks', 'source-http-404', 'at the source: answered with status 404'],
  [
    'checks',
    'digest-differs',
    'its tiles do not have the digest of what was stored; which of them cannot be told',
  ],
  ['tiles', 'a-word-of-tomorrow', 'a-word-of-tomorrow'],
  ['tiles', 'constructor', 'constructor'],
] satisfies [FailureRecord['lane'], string, string][])('%s: %s is %s', (lane, reason, words) => {
  expect(reasonWords({ lane, reason })).toBe(words);
});
