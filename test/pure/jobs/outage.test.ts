import { describe, expect, test } from 'vitest';
import { createOutage } from '../../../jobs/outage.js';
import { permanent, transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { manualClock } from '../../support/clock.js';

const RESET = transient('connection reset', { code: 'connection-lost' });

function setUp() {
  const clock = manualClock();
  const answers: Record<'source' | 'destination', Error | null | 'silence'> = {
    source: null,
    destination: null,
  };
  const probed = { source: 0, destination: 0 };
  const changes: (string | null)[] = [];
  const probe = (side: 'source' | 'destination') => async () => {
    probed[side]++;
    const answer = answers[side];
    if (answer === 'silence') return new Promise(() => undefined);
    if (answer !== null) throw answer;
  };
  const outage = createOutage({
    ...{ clock, random: () => 0.5, log: silentLog },
    probes: { source: probe('source'), destination: probe('destination') },
    onChange: () => changes.push(outage.away?.side ?? null),
  });
  return { clock, outage, answers, probed, changes };
}

const never = new AbortController().signal;

describe('an outage', () => {
  test('is told from one bad object by a probe: answered means the object is to blame', async () => {
    const { outage, probed, changes } = setUp();
    expect(await outage.blames('source', RESET)).toBe(false);
    expect(probed.source).toBe(1);
    expect(changes).toEqual([]);
    await outage.stop();
  });

  test.each([permanent('gone', { code: 'not-found', status: 404 }), permanent('no', { code: 'rejected' })])(
    'is no matter for a permanent error of an object: %s',
    async (error) => {
      const { outage, answers, probed } = setUp();
      answers.source = RESET;
      expect(await outage.blames('source', error)).toBe(false);
      expect(probed.source).toBe(0);
      await outage.stop();
    },
  );

  test('an answer to the probe that refuses the object is an answer', async () => {
    const { outage, answers } = setUp();
    answers.source = permanent('no HEAD here', { code: 'rejected', status: 405 });
    expect(await outage.blames('source', RESET)).toBe(false);
    await outage.stop();
  });

  test('holds everybody until the store is back, and tells since when and why', async () => {
    const { clock, outage, answers, changes } = setUp();
    answers.source = RESET;
    const since = clock.now();
    expect(await outage.blames('source', RESET)).toBe(true);
    expect(outage.away).toEqual({ side: 'source', since, detail: 'connection reset' });
    let open = 0;
    const waiting = [1, 2, 3].map(() => outage.open(never).then(() => open++));
    await clock.advance(60_000);
    expect(open).toBe(0);
    expect(outage.away?.since).toBe(since);
    answers.source = null;
    await clock.advance(20_000);
    await Promise.all(waiting);
    expect(outage.away).toBeNull();
    expect(changes).toEqual(['source', null]);
    await outage.stop();
  });

  test('of a store that accepts and never answers is seen as well', async () => {
    const { clock, outage, answers } = setUp();
    answers.destination = 'silence';
    const blamed = outage.blames('destination', RESET);
    await clock.sleeping();
    await clock.advance(6_000);
    expect(await blamed).toBe(true);
    expect(outage.away?.side).toBe('destination');
    await outage.stop();
  });

  test.each(['disk-full', 'wrong-credentials', 'container-absent'])(
    '%s is the whole store’s trouble whatever a probe says; it keeps its beginning until something goes through',
    async (code) => {
      const { clock, outage } = setUp();
      const since = clock.now();
      const error = permanent('trouble', { code });
      expect(await outage.blames('destination', error)).toBe(true);
      await clock.advance(2_000);
      expect(outage.away).toBeNull();
      expect(await outage.blames('destination', error)).toBe(true);
      expect(outage.away?.since).toBe(since);
      await clock.advance(20_000);
      outage.served();
      expect(await outage.blames('destination', error)).toBe(true);
      expect(outage.away?.since).toBeGreaterThan(since);
      await outage.stop();
    },
  );

  test('many who wonder at once share one probe', async () => {
    const { outage, answers, probed } = setUp();
    answers.source = RESET;
    const blamed = await Promise.all(Array.from({ length: 50 }, () => outage.blames('source', RESET)));
    expect(new Set(blamed)).toEqual(new Set([true]));
    expect(probed.source).toBe(1);
    await outage.stop();
  });

  test('is found on a hint, before any object has failed', async () => {
    const { outage, answers } = setUp();
    answers.source = RESET;
    outage.suspect('source');
    await new Promise((resolve) => setImmediate(resolve));
    expect(outage.away?.side).toBe('source');
    await outage.stop();
  });

  test('waiting for its end stops with the signal', async () => {
    const { outage, answers } = setUp();
    answers.source = RESET;
    await outage.blames('source', RESET);
    const stop = new AbortController();
    const waiting = outage.open(stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
    await outage.stop();
  });
});
