import { describe, expect, it } from 'vitest';
import { isClean, manner, percent, reportLines } from '../../../jobs/verify-report.js';
import type { VerificationStatus } from '../../../jobs/work-queue.js';

const ROUND: VerificationStatus = {
  options: { sample: 1, read: false, unpublish: false },
  round: 2,
  checks: { total: 100, ready: 0, claimed: 0, delayed: 0, done: 97, skipped: 3, failed: 0 },
  images: { matched: 4, restarted: 0, unproven: 0 },
  finished: true,
  startedAt: 1_000,
  finishedAt: 66_000,
};
const NOTHING = { reasons: new Map<string, number>(), first: [] };

describe('the report of a round', () => {
  it('of which all is proven', () => {
    expect(reportLines('zoom', ROUND, NOTHING)).toEqual([
      'zoom, round 2 of verification: every tile, by what the stores tell, in 1 min 5 s',
      'Checks: 97 of 100 done, 3 skipped, 0 failed',
      'Images: 4 matched, 0 restarted, 0 unproven',
      'Verified: the destination holds what was stored.',
    ]);
    expect(isClean(ROUND)).toBe(true);
  });

  it('that found something names the first, and counts the rest', () => {
    const images = { matched: 2, restarted: 2, unproven: 0 };
    const found = { ...ROUND, images, checks: { ...ROUND.checks, done: 93, failed: 4 } };
    const reasons = new Map([
      ['missing', 3],
      ['digest-differs', 1],
    ]);
    const first = [
      { key: 'a_files/8/0_0.jpg', reason: 'missing' },
      { key: 'b.dzi', reason: 'digest-differs' },
    ];
    expect(reportLines('zoom', found, { reasons, first }).slice(3)).toEqual([
      'Failures: missing 3, digest-differs 1',
      '  a_files/8/0_0.jpg: missing',
      '  b.dzi: digest-differs',
      '  and 2 more',
      'Not verified: what is wrong is being copied again by the workers of zoom; then verify it again.',
    ]);
    expect(isClean(found)).toBe(false);
  });

  it('does not take what could not be looked at, or what was not yet, for clean', () => {
    const images = { matched: 3, restarted: 0, unproven: 1 };
    const failed = { ...ROUND, images, checks: { ...ROUND.checks, done: 96, failed: 1 } };
    expect(reportLines('zoom', failed, NOTHING).at(-1)).toContain('Not verified: some objects could not');
    expect(isClean(failed)).toBe(false);
    expect(isClean({ ...ROUND, finished: false })).toBe(false);
  });

  it('says what is not proven, and how it can be', () => {
    const blind = { ...ROUND, images: { matched: 0, restarted: 0, unproven: 4 } };
    const last = (change: Partial<VerificationStatus['options']>) =>
      reportLines('zoom', { ...blind, options: { ...blind.options, ...change } }, NOTHING).at(-1);
    const sentence = 'Nothing is missing or different. The bytes of 4 images are not proven';
    expect(last({})).toBe(`${sentence}; zh-verify --read proves them.`);
    expect(last({ read: true })).toBe(`${sentence}.`);
    expect(last({ sample: 0.01 })).toBe(`${sentence}.`);
    expect(isClean(blind)).toBe(true);
  });
});

describe('manner', () => {
  it('says which tiles, how, and what is done about them', () => {
    expect(manner({ sample: 0.005, read: true, unpublish: true })).toBe(
      '0.5% of the tiles, compared with the source, read whole, what is wrong is unpublished',
    );
  });

  it.each([
    [1, '100%'],
    [0.07, '7%'],
    [0.0001, '0.01%'],
  ])('writes %d as %s', (share, text) => expect(percent(share)).toBe(text));
});
