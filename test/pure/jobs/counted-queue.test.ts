import { expect, test } from 'vitest';
import { countedQueue, workCounts } from '../../../jobs/counted-queue.js';
import type { Checkpoint, WorkQueue } from '../../../jobs/work-queue.js';
import { aborted, conflict, permanent, transient } from '../../../runtime/errors.js';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { manualClock } from '../../support/clock.js';
import { parseMetrics, sample } from '../../support/prometheus-text.js';

const POINT: Checkpoint = {
  ...{
    sequence: 1,
    next: 10,
    bytes: 500,
    done: 4,
    skipped: 1,
    digest: '0'.repeat(32),
    release: false,
    found: null,
  },
  failed: [{ first: 5, count: 2, reason: 'http-404', status: 404, attempt: 1 }],
  delayed: [{ first: 7, count: 3, reason: 'http-500', status: 500, attempt: 1, delayMs: 1 }],
};
const away = transient('Redis is unreachable');

/** A queue that gives these answers, one after the other; an error is rejected with. */
function watched(answers: readonly unknown[]) {
  const left = [...answers];
  const answer = async (): Promise<unknown> => {
    const next = left.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const queue = { claim: answer, checkpoint: answer, reclaim: answer, status: answer };
  const clock = manualClock();
  const meter = prometheusMeter();
  const { queue: counted, trouble } = countedQueue(
    queue as unknown as WorkQueue,
    clock,
    workCounts('tiles')(meter),
  );
  const numbers = async () => {
    const families = parseMetrics(await meter.text());
    return (series: string): number => sample(families, `convoy_zh_${series}`);
  };
  return { queue: counted, trouble, numbers, clock };
}

test('a checkpoint counts once it is answered, and not if the claim was lost', async () => {
  const share = { requestsPerSecond: null, bytesPerSecond: null };
  const { queue, numbers } = watched([
    ...[away, { answer: 'kept', share }, { answer: 'lost', share }, { answer: 'ended', share }],
  ]);
  await expect(queue.checkpoint('t', 'm', POINT)).rejects.toBe(away);
  const unanswered = await numbers();
  expect(unanswered('items_total{lane="tiles",outcome="done"}')).toBe(0);
  for (let times = 0; times < 3; times++) await queue.checkpoint('t', 'm', POINT);
  const count = await numbers();
  const items = ['done', 'skipped', 'failed', 'delayed'].map((outcome) =>
    count(`items_total{lane="tiles",outcome="${outcome}"}`),
  );
  expect(items).toEqual([8, 2, 4, 6]);
  expect(count('bytes_total')).toBe(1000);
  const answers = ['unanswered', 'kept', 'lost', 'ended', 'pausing'].map((answer) =>
    count(`checkpoints_total{answer="${answer}",lane="tiles"}`),
  );
  expect(answers).toEqual([1, 1, 1, 1, 0]);
});

test('claims and reclaims are counted by what the queue answers', async () => {
  const { queue, numbers } = watched([
    ...[{ token: 't' }, { kind: 'idle', why: 'paused', dueInMs: null }, away],
    ...[3, away],
  ]);
  const request = { token: 't', lane: 'tiles', leaseMs: 1 } as const;
  await queue.claim(request);
  await queue.claim(request);
  await expect(queue.claim(request)).rejects.toBe(away);
  await queue.reclaim(100);
  await expect(queue.reclaim(100)).rejects.toBe(away);
  const count = await numbers();
  const claims = ['claimed', 'paused', 'unanswered', 'empty'].map((answer) =>
    count(`claims_total{answer="${answer}",lane="tiles"}`),
  );
  expect(claims).toEqual([1, 1, 1, 0]);
  expect(count('reclaimed_total')).toBe(3);
});

test('trouble is a Redis that cannot be had, since the first call it did not answer, until it answers one', async () => {
  const refused = permanent('Redis refused the password', { code: 'wrong-credentials' });
  const answers = [null, away, away, null, refused, conflict('verifying'), aborted('x')];
  const { queue, trouble, clock } = watched(answers);
  const ask = () => queue.status('m').catch(() => undefined);
  expect(trouble()).toBeNull();
  await ask();
  expect(trouble()).toBeNull();
  await ask();
  const first = `Redis is unreachable (since ${new Date(clock.now()).toISOString()})`;
  expect(trouble()).toBe(first);
  await clock.advance(3_000);
  await ask();
  expect(trouble()).toBe(first);
  await ask();
  expect(trouble()).toBeNull();
  await ask();
  expect(trouble()).toContain('refused the password');
  await ask();
  expect(trouble()).toBeNull();
  await ask();
  expect(trouble()).toBeNull();
});

test('a call that is answered by nobody is trouble after five seconds', async () => {
  const clock = manualClock();
  let answer: (value: null) => void = () => undefined;
  const status = (): Promise<null> =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const { queue, trouble } = countedQueue({ status } as unknown as WorkQueue, clock, {});
  const asked = queue.status('m');
  await clock.advance(4_999);
  expect(trouble()).toBeNull();
  await clock.advance(3_001);
  expect(trouble()).toMatch(/^Redis has not answered for 8 s/);
  answer(null);
  await asked;
  await new Promise((resolve) => setImmediate(resolve));
  expect(trouble()).toBeNull();
});
