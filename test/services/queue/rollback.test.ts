import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { type Claim, LANES, type Lane, type WorkQueue } from '../../../jobs/work-queue.js';
import { kindOf } from '../../../runtime/errors.js';
import { definition, LARGE, point, SMALL } from '../../contracts/queue-cases.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';

/** Redis is killed and its append-only file cut back, which is what a machine's crash leaves of the last second. */
const ground = useGround('queue-rollback');
const SHORT = 300;
const LONG = 1_000_000;
let started = 0;
let name: string;
let redis: TestServer;
let queue: WorkQueue;
let inspector: Inspector;

beforeEach(async () => {
  name = `redis-${++started}`;
  redis = await testRedis(ground, { name });
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5000 });
  inspector = inspect(redis.url);
  // With everysec, a write waits for up to two seconds while a slow disk is being synced.
  await inspector.command('CONFIG', 'SET', 'appendfsync', 'no');
  await queue.createMigration(definition());
});
afterEach(async () => {
  await Promise.all([queue.close(), inspector.close()]);
  await redis.kill();
});

function appendOnlyFile(): string {
  const dir = join(ground.dir, name, 'appendonlydir');
  return join(dir, readdirSync(dir).find((file) => file.endsWith('.incr.aof'))!);
}

/** Redis writes its file before it answers, so the size after an answer is the moment of that answer. */
const written = (): number => statSync(appendOnlyFile()).size;

async function rollBackTo(size: number): Promise<void> {
  await redis.kill();
  truncateSync(appendOnlyFile(), size);
  await redis.restart();
}

/** The first call after a crash finds the connection gone. */
async function again<T>(ask: () => Promise<T>): Promise<T> {
  return ask().catch((error: unknown) => {
    if (kindOf(error) !== 'transient') throw error;
    return ask();
  });
}

let tokens = 0;
async function claim(leaseMs = LONG, lane: Lane = 'tiles'): Promise<Claim> {
  const answer = await again(() => queue.claim({ token: `w${++tokens}`, lane, leaseMs }));
  if ('kind' in answer) throw new Error(`nothing to claim: ${answer.why}`);
  return answer;
}

const FOUND = { blind: false, restart: false };

/** Settles everything that is left, then says how many tiles were done, and checks every structure. */
async function drained(): Promise<number> {
  for (const lane of LANES)
    for (;;) {
      const answer = await queue.claim({ token: `w${++tokens}`, lane, leaseMs: LONG });
      if ('kind' in answer) break;
      const done = answer.end - answer.first;
      const bytes = lane === 'tiles' ? done : 0;
      await queue.checkpoint(answer.token, 'm', point(1, answer.end, { done, bytes }));
    }
  for (const lane of LANES) await inspector.states('m', lane);
  const { tiles, descriptors, images } = (await queue.status('m'))!;
  expect([tiles.done, descriptors.done]).toEqual([tiles.total, images.total]);
  return tiles.done;
}

it('past a checkpoint: the gap ends the claim, and its tiles are counted once', async () => {
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const { token } = await claim();
  await queue.checkpoint(token, 'm', point(1, 2, { done: 2, bytes: 2 }));
  const size = written();
  await queue.checkpoint(token, 'm', point(2, 5, { done: 3, bytes: 3 }));
  await rollBackTo(size);
  const third = point(3, 7, { done: 2, bytes: 2 });
  expect(await again(() => queue.checkpoint(token, 'm', third))).toMatchObject({ answer: 'lost' });
  expect((await queue.status('m'))!).toMatchObject({ bytes: 2, tiles: { done: 2, ready: 7, claimed: 0 } });
  expect(await drained()).toBe(9);
});

it('past a claim: its range is ready again and its checkpoints are lost', async () => {
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const size = written();
  const { token } = await claim();
  await queue.checkpoint(token, 'm', point(1, 4, { done: 4 }));
  await rollBackTo(size);
  expect(await again(() => queue.checkpoint(token, 'm', point(2, 9, { done: 5 })))).toMatchObject({
    answer: 'lost',
  });
  expect(await drained()).toBe(9);
});

it('past the end of a claim: it comes to life again, runs out and is reclaimed', async () => {
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const { token } = await claim(SHORT);
  await queue.checkpoint(token, 'm', point(1, 4, { done: 4 }));
  const size = written();
  expect(await queue.checkpoint(token, 'm', point(2, 9, { done: 5 }))).toMatchObject({ answer: 'ended' });
  await rollBackTo(size);
  expect((await again(() => queue.status('m')))!.tiles).toMatchObject({ done: 4, claimed: 5 });
  await new Promise((resolve) => setTimeout(resolve, SHORT));
  expect(await queue.reclaim(10)).toBe(1);
  expect(await drained()).toBe(9);
});

it('past an answered checkpoint that is resent: applied again, once', async () => {
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const { token } = await claim();
  const size = written();
  const first = point(1, 4, { done: 4, bytes: 4 });
  await queue.checkpoint(token, 'm', first);
  await rollBackTo(size);
  expect(await again(() => queue.checkpoint(token, 'm', first))).toMatchObject({ answer: 'kept' });
  expect(await queue.checkpoint(token, 'm', first)).toMatchObject({ answer: 'kept' });
  expect((await queue.status('m'))!).toMatchObject({ bytes: 4, tiles: { done: 4, claimed: 5 } });
});

it('past added images: their list is not closed without them', async () => {
  await queue.beginPlan('m', 'ids.txt');
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const size = written();
  await queue.addImages('m', [{ id: 'b', geometry: SMALL }]);
  await rollBackTo(size);
  const restarted = { kind: 'conflict', code: 'restarted' };
  await expect(again(() => queue.closePlan('m', 'ids.txt'))).rejects.toMatchObject(restarted);
  await expect(queue.closePlan('m', 'ids.txt')).rejects.toMatchObject(restarted);
  await queue.beginPlan('m', 'ids.txt');
  expect(await queue.knownImages('m', ['a', 'b'])).toEqual([true, false]);
  expect(await queue.addImages('m', [{ id: 'b', geometry: SMALL }])).toEqual(['added']);
  await queue.closePlan('m', 'ids.txt');
  expect(await drained()).toBe(18);
  expect((await queue.status('m'))!.finished).toBe(true);
});

it('past a restart of an image: its checks are made again, and it is restarted once', async () => {
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  await queue.closePlan('m', null);
  await drained();
  await queue.beginVerification('m', { sample: 1, read: false, unpublish: false });
  const check = await claim(LONG, 'checks');
  const size = written();
  const found = point(1, 10, { done: 10, found: { ...FOUND, restart: true } });
  expect(await queue.checkpoint(check.token, 'm', found)).toMatchObject({ answer: 'ended' });
  await rollBackTo(size);
  expect((await again(() => queue.status('m')))!).toMatchObject({ finished: true, tiles: { done: 9 } });
  for (let times = 0; times < 2; times++)
    expect(await queue.checkpoint(check.token, 'm', found)).toMatchObject({ answer: 'ended' });
  const { tiles, descriptors, verification } = (await queue.status('m'))!;
  expect([tiles.ready, tiles.total, descriptors.total]).toEqual([9, 9, 0]);
  expect(verification).toMatchObject({ finished: true, images: { restarted: 1 } });
  expect(await drained()).toBe(9);
});

it('past a limit and an acceptance: both are gone, and can be given again', async () => {
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const { token } = await claim();
  const failed = [{ first: 0, count: 1, reason: 'http-404', status: 404, attempt: 1 }];
  await queue.checkpoint(token, 'm', point(1, 9, { done: 8, failed }));
  const size = written();
  await queue.limit('m', { requestsPerSecond: 100, bytesPerSecond: null });
  expect(await queue.accept('m', 'a')).toBe('accepted');
  await rollBackTo(size);
  const before = (await again(() => queue.status('m')))!;
  expect(before).toMatchObject({
    limit: { requestsPerSecond: null },
    images: { withheld: 1, incomplete: 0 },
  });
  expect(await queue.accept('m', 'a')).toBe('accepted');
  expect((await queue.status('m'))!.descriptors).toMatchObject({ total: 1, ready: 1 });
  await inspector.states('m', 'tiles');
});

it('at any byte: a transition is there as a whole or not at all', { timeout: 60_000 }, async () => {
  await queue.addImages('m', [{ id: 'a', geometry: LARGE }]);
  const from = written();
  const failed = { reason: 'http-404', status: 404, attempt: 1 };
  for (let round = 0; round < 6; round++) {
    await queue.addImages('m', [{ id: `b${round}`, geometry: SMALL }]);
    const { token, first, end } = await claim();
    const one = { ...failed, first, count: 1 };
    const rest = end - first - 1;
    const bad = round % 2 === 0 ? { failed: [one] } : { delayed: [{ ...one, delayMs: 1 }] };
    await queue.checkpoint(token, 'm', point(1, end, { ...bad, done: rest, bytes: rest }));
    await queue.reclaim(10);
    if (round === 3) await queue.requeueFailures('m', { range: { first: 0, end: 5 } });
  }
  await queue.closePlan('m', null);
  await new Promise((resolve) => setTimeout(resolve, 2));
  await queue.reclaim(10);
  await queue.requeueFailures('m', {});
  await drained();
  await queue.beginVerification('m', { sample: 1, read: true, unpublish: false });
  for (let round = 0; round < 8; round++) {
    const { token, end, first } = await claim(LONG, 'checks');
    const found = { blind: false, restart: round % 3 === 0 };
    await queue.checkpoint(token, 'm', point(1, end, { done: end - first, found }));
  }
  // Backwards, so that one file serves: each cut lies before the last.
  const cuts = 12;
  const step = Math.floor((written() - from) / cuts) - 7;
  for (let cut = cuts; cut > 0; cut--) {
    await rollBackTo(from + cut * step);
    for (const lane of LANES) await again(() => inspector.states('m', lane));
    const { tiles, bytes } = (await again(() => queue.status('m')))!;
    expect(bytes).toBe(tiles.done);
  }
});
