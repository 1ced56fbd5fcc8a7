import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkpointProblem, settledBy } from '../../../jobs/checkpoint.js';
import { DigestSum, NO_DIGEST } from '../../../jobs/digest.js';
import { createLedger, type Settled } from '../../../jobs/ledger.js';
import { RETRY_BACKOFF } from '../../../jobs/retry.js';
import type { Checkpoint } from '../../../jobs/work-queue.js';
import { joinDigests, tileDigest } from '../../support/digests.js';

const seed = Number(process.env.TEST_SEED ?? 6);
const retry = { maxAttempts: 3, backoff: RETRY_BACKOFF };
const MD5 = createHash('md5').update('x').digest('hex');
const done: Settled = { kind: 'done', bytes: 10, md5: MD5 };
const failed = (permanent: boolean): Settled => ({
  ...{ kind: 'failed', reason: permanent ? 'http-404' : 'timeout', status: permanent ? 404 : 0 },
  ...{ permanent, retryAfterMs: 0, attempt: 1 },
});

describe('ledger', () => {
  test('tells only what is settled without a gap', () => {
    const ledger = createLedger({ first: 5, retry, lane: 'tiles' });
    ledger.settle(6, done);
    expect([ledger.edge(), ledger.pending()]).toEqual([5, 0]);
    ledger.settle(5, failed(true));
    expect([ledger.edge(), ledger.pending()]).toEqual([7, 2]);
    expect(ledger.cut(false, () => 0)).toEqual({
      ...{ sequence: 1, next: 7, bytes: 10, done: 1, skipped: 0, release: false, delayed: [], found: null },
      failed: [{ first: 5, count: 1, reason: 'http-404', status: 404, attempt: 1 }],
      digest: tileDigest(6, MD5),
    });
    expect(ledger.cut(true, () => 0)).toMatchObject({
      sequence: 2,
      next: 7,
      done: 0,
      release: true,
      digest: NO_DIGEST,
    });
  });

  test('what was skipped counts, and moves the digest by the MD5 found; without one it does not', () => {
    const ledger = createLedger({ first: 0, retry, lane: 'tiles' });
    ledger.settle(0, { kind: 'skipped', md5: MD5 });
    ledger.settle(1, { kind: 'skipped', md5: null });
    expect(ledger.cut(false, () => 0)).toMatchObject({
      ...{ done: 0, skipped: 2, bytes: 0, next: 2, found: null },
      digest: tileDigest(0, MD5),
    });
  });

  test('of checks it tells whether one saw nothing, and whether one found the image wrong', () => {
    const ledger = createLedger({ first: 0, retry, lane: 'checks' });
    ledger.settle(0, { kind: 'done', bytes: 0, md5: MD5 });
    expect(ledger.cut(false, () => 0).found).toEqual({ blind: false, restart: false });
    ledger.settle(1, { kind: 'skipped', md5: null, blind: true });
    ledger.settle(2, { ...failed(true), restart: true } as Settled);
    expect(ledger.cut(false, () => 0)).toMatchObject({
      ...{ skipped: 1, found: { blind: true, restart: true } },
      failed: [{ first: 2, count: 1, reason: 'http-404', status: 404, attempt: 1 }],
    });
    ledger.settle(3, { kind: 'done', bytes: 0, md5: null, blind: true });
    expect(ledger.cut(false, () => 0)).toMatchObject({ found: { blind: true, restart: false } });
  });

  test('tiles settled in any order, checkpoints cut at any time: each tile is told exactly once', () => {
    const outcome = fc.constantFrom(done, failed(true), failed(false));
    fc.assert(
      fc.property(fc.array(fc.tuple(outcome, fc.nat(), fc.boolean()), { maxLength: 40 }), (tiles) => {
        const ledger = createLedger({ first: 0, retry, lane: 'tiles' });
        const points: Checkpoint[] = [];
        const order = tiles.map((_, i) => i).sort((a, b) => tiles[a]![1] - tiles[b]![1]);
        for (const index of order) {
          ledger.settle(index, tiles[index]![0]);
          if (tiles[index]![2]) points.push(ledger.cut(false, () => 0.5));
        }
        points.push(ledger.cut(false, () => 0.5));
        let next = 0;
        for (const [i, point] of points.entries()) {
          expect(checkpointProblem(point)).toBeNull();
          expect(point.sequence).toBe(i + 1);
          next += settledBy(point);
          expect(point.next).toBe(next);
        }
        expect(next).toBe(tiles.length);
        const kinds = (kind: Settled) =>
          tiles.filter(([one]) => one === kind || JSON.stringify(one) === JSON.stringify(kind)).length;
        const sum = (part: 'failed' | 'delayed') =>
          points.flatMap((point) => point[part]).reduce((total, { count }) => total + count, 0);
        expect(sum('failed')).toBe(kinds(failed(true)));
        expect(sum('delayed')).toBe(kinds(failed(false)));
        expect(joinDigests(points.map(({ digest }) => digest))).toBe(
          joinDigests(tiles.flatMap(([one], i) => (one.kind === 'done' ? [tileDigest(i, MD5)] : []))),
        );
      }),
      { seed, verbose: true },
    );
  });

  test('the digest is as documented: MD5 over 8 bytes of index, big-endian, and the 16 of the MD5, in any order', () => {
    const sum = new DigestSum();
    const indices = [0, 1, 0x102, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3];
    for (const index of indices) {
      sum.add(index, MD5);
      expect(sum.cut()).toBe(tileDigest(index, MD5));
    }
    for (const index of indices.toReversed()) sum.add(index, MD5);
    expect(sum.cut()).toBe(joinDigests(indices.map((index) => tileDigest(index, MD5))));
    expect(sum.cut()).toBe(NO_DIGEST);
  });
});
