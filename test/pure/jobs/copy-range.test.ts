import { describe, expect, test } from 'vitest';
import { copyRange, type RangeDeps } from '../../../jobs/copy-range.js';
import { createTilePools } from '../../../jobs/tile-pool.js';
import {
  type Checkpoint,
  type CheckpointAnswer,
  type Claim,
  NO_LIMIT,
  type WorkerQueue,
} from '../../../jobs/work-queue.js';
import { aborted, transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { manualClock } from '../../support/clock.js';

const LIMIT = 4;
const WINDOW = 2 * LIMIT;
const MD5 = '0'.repeat(32);
const CLAIM: Claim = {
  ...{ token: 't', lane: 'tiles', first: 10, end: 60, attempt: 0, leaseMs: 10_000 },
  migration: {
    ...{ name: 'm', source: 'file:///s', destination: 'file:///d' },
    ...{
      rangeSize: 50,
      maxAttempts: 3,
      stopAfterFailures: 1,
      stopAfterTiles: 1,
      serverSide: 'auto' as const,
      incomplete: 'withhold' as const,
    },
  },
  ...{ lookFirst: false, share: NO_LIMIT, check: null },
  image: { number: 0, id: 'a', tiles: 100, width: 9, height: 9, tileSize: 1, overlap: 0, format: 'jpg' },
};

type Answer = CheckpointAnswer | Error | ((point: Checkpoint) => CheckpointAnswer);

/** A claim under way, on a clock that stands still and a queue that answers as told. */
function setUp(change: Partial<RangeDeps> = {}, claimedAgo = 0) {
  const clock = manualClock();
  const started: number[] = [];
  const points: Checkpoint[] = [];
  const stop = new AbortController();
  const giveUp = new AbortController();
  let answer: Answer = (point) => (point.next === CLAIM.end || point.release ? 'ended' : 'kept');
  const queue = {
    async checkpoint(_token: string, _migration: string, point: Checkpoint) {
      points.push(point);
      if (answer instanceof Error) throw answer;
      return { answer: typeof answer === 'function' ? answer(point) : answer, share: NO_LIMIT };
    },
  } as unknown as WorkerQueue;
  const outage = {
    ...{ open: async () => undefined, blames: async () => false, suspect: () => undefined },
    ...{ served: () => undefined, away: null, stop: async () => undefined },
  };
  const done = copyRange(CLAIM, clock.steady() - claimedAgo, {
    ...{
      queue,
      outage,
      clock,
      random: () => 0.5,
      log: silentLog,
      onSlack: () => undefined,
      onLast: () => undefined,
    },
    onTold: () => undefined,
    spare: [],
    ...{ pool: createTilePools(LIMIT, clock).open(), stop: stop.signal, giveUp: giveUp.signal },
    ...change,
    async copy(index, signal, leased) {
      started.push(index);
      // Not before the test has got what this answers.
      await Promise.resolve();
      return change.copy?.(index, signal, leased) ?? { kind: 'done', bytes: 1, md5: MD5 };
    },
  });
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  done.then(end, end);
  return {
    ...{ clock, started, points, stop, giveUp, done },
    ended: () => ended,
    answerWith(next: Answer) {
      answer = next;
    },
    /** Lets what is ready run, and time pass. */
    async pass(ms = 0) {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(ms);
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const UNANSWERED = transient('no answer');
const RUN = {
  kept: (point: Checkpoint) => (point.next === CLAIM.end ? 'ended' : 'kept') as CheckpointAnswer,
};

describe('a claim', () => {
  test('is copied tile by tile and told of in order', async () => {
    const run = setUp();
    while (!run.ended()) await run.pass(500);
    await run.done;
    expect(run.started).toEqual(Array.from({ length: 50 }, (_, i) => 10 + i));
    expect(run.points.map(({ sequence }) => sequence)).toEqual(run.points.map((_, i) => i + 1));
    expect(run.points.reduce((sum, { done }) => sum + done, 0)).toBe(50);
    expect(run.points.at(-1)).toMatchObject({ next: 60, release: false });
  });

  test('starts no tile beyond a window of what the queue has confirmed, and resends unchanged', async () => {
    const run = setUp();
    run.answerWith(UNANSWERED);
    for (let i = 0; i < 10; i++) await run.pass(500);
    expect(run.started).toHaveLength(WINDOW);
    expect(run.points.length).toBeGreaterThan(3);
    for (const point of run.points) expect(point).toEqual(run.points[0]);
    run.answerWith(RUN.kept);
    while (!run.ended()) await run.pass(500);
    expect(run.started).toHaveLength(50);
  });

  test('starts no tile once its lease may have run out, until it is renewed', async () => {
    const run = setUp({}, CLAIM.leaseMs);
    run.answerWith(UNANSWERED);
    for (let i = 0; i < 20; i++) await run.pass(500);
    expect(run.started).toEqual([]);
    run.answerWith(RUN.kept);
    while (!run.ended()) await run.pass(500);
    expect(run.started).toHaveLength(50);
  });

  test('that is lost is forgotten: what is in flight is cut short, nothing more is told', async () => {
    const cut: number[] = [];
    const run = setUp({
      copy: (index, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            cut.push(index);
            reject(aborted('cut short'));
          });
        }),
    });
    run.answerWith('lost');
    await run.pass(500);
    await run.done;
    await run.pass(5_000);
    expect(cut).toHaveLength(LIMIT);
    expect(run.points).toHaveLength(1);
  });

  test('that is paused finishes what is in flight, then goes back', async () => {
    const finish: (() => void)[] = [];
    const started: number[] = [];
    const run = setUp({
      copy: (index) =>
        new Promise((resolve) => {
          started.push(index);
          finish.push(() => resolve({ kind: 'done', bytes: 1, md5: MD5 }));
        }),
    });
    run.answerWith((point) => (point.release ? 'ended' : 'pausing'));
    await run.pass(500);
    expect(run.ended()).toBe(false);
    for (const one of finish.splice(0)) one();
    await run.pass(500);
    await run.done;
    expect(started).toHaveLength(LIMIT);
    expect(run.points.at(-1)).toMatchObject({ next: 10 + LIMIT, release: true });
    expect(run.points.reduce((sum, { done }) => sum + done, 0)).toBe(LIMIT);
  });

  test('is told of twice a second though nothing is settled: that is how a pause is heard', async () => {
    const run = setUp({ copy: () => new Promise(() => undefined) });
    for (let i = 0; i < 10; i++) await run.pass(500);
    expect(run.points.length).toBeGreaterThanOrEqual(9);
    expect(run.points.every(({ next, done }) => next === 10 && done === 0)).toBe(true);
  });

  test('whose lease ran out between reading and writing a tile tries it again once it is renewed', async () => {
    const asked: number[] = [];
    const run = setUp({
      async copy(index, _, leased) {
        asked.push(index);
        if (asked.length === 1) {
          run.answerWith(UNANSWERED);
          await run.clock.advance(CLAIM.leaseMs);
          run.answerWith(RUN.kept);
        }
        if (!leased()) throw aborted('the lease has run out', { code: 'lease-over' });
        return { kind: 'done', bytes: 1, md5: MD5 };
      },
    });
    while (!run.ended()) await run.pass(500);
    expect(asked.filter((index) => index === CLAIM.first)).toHaveLength(2);
    expect(run.points.at(-1)).toMatchObject({ next: CLAIM.end, release: false });
  });

  test('of a worker that was frozen: what it read before may not be written after, by its own reckoning', async () => {
    const mayWrite: boolean[] = [];
    const run = setUp({
      async copy(_, __, leased) {
        // Frozen between the read and the write.
        await run.clock.advance(CLAIM.leaseMs);
        mayWrite.push(leased());
        throw aborted('the lease has run out', { code: 'lease-over' });
      },
    });
    run.answerWith(UNANSWERED);
    await run.pass(0);
    run.answerWith('lost');
    while (!run.ended()) await run.pass(500);
    expect(mayWrite.length).toBeGreaterThan(0);
    expect(mayWrite).not.toContain(true);
    expect(run.points.every(({ done }) => done === 0)).toBe(true);
  });

  test('whose store is away holds no place: its tiles come again when it is back, as if never tried', async () => {
    let away: { side: 'source'; since: number; detail: string } | null = null;
    const tried: number[] = [];
    const pool = createTilePools(LIMIT, manualClock()).open();
    const outage = {
      ...{ open: async () => undefined, suspect: () => undefined, served: () => undefined },
      ...{ stop: async () => undefined },
      get away() {
        return away;
      },
      async blames() {
        away = { side: 'source', since: 0, detail: 'gone' };
        pool.hold(true);
        return true;
      },
    };
    let back = false;
    const run = setUp({
      ...{ pool, outage },
      async copy(index) {
        tried.push(index);
        if (back) return { kind: 'done', bytes: 1, md5: MD5 };
        return { kind: 'failed', sides: ['source'], reason: 'reset', error: transient('reset') };
      },
    });
    for (let i = 0; i < 5; i++) await run.pass(500);
    expect(tried).toHaveLength(LIMIT);
    expect(pool.hasRoom).toBe(false);
    back = true;
    away = null;
    pool.hold(false);
    while (!run.ended()) await run.pass(500);
    expect(run.points.reduce((sum, { done }) => sum + done, 0)).toBe(50);
    expect(run.points.every(({ failed, delayed }) => failed.length + delayed.length === 0)).toBe(true);
  });

  test('of a worker told to stop is given up if the queue does not answer', async () => {
    const run = setUp();
    run.answerWith(UNANSWERED);
    run.stop.abort();
    await run.pass(500);
    run.giveUp.abort();
    await run.pass(2_000);
    await expect(run.done).rejects.toMatchObject({ kind: 'aborted' });
  });

  test('that came to its end leaves its signal to the next; one that was cut short fires it, and does not', async () => {
    const spare: AbortController[] = [];
    const signals = new Set<AbortSignal>();
    const seen = (signal: AbortSignal): void => {
      signals.add(signal);
    };
    for (let claims = 0; claims < 2; claims++) {
      const run = setUp({
        spare,
        async copy(_, signal) {
          seen(signal);
          return { kind: 'done', bytes: 1, md5: MD5 };
        },
      });
      while (!run.ended()) await run.pass(500);
      await run.done;
      expect(spare.map(({ signal }) => signal)).toEqual([...signals]);
    }
    const cut = setUp({
      spare,
      copy: (_, signal) =>
        new Promise((_resolve, reject) => {
          seen(signal);
          signal.addEventListener('abort', () => reject(aborted('cut short')), { once: true });
        }),
    });
    await cut.pass(0);
    cut.answerWith('lost');
    while (!cut.ended()) await cut.pass(500);
    expect([...signals].map(({ aborted: fired }) => fired)).toEqual([true]);
    expect(spare).toEqual([]);
  });
});
