import { inspect as show } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { type Checkpoint, LANES, type Lane, type WorkQueue } from '../../../jobs/work-queue.js';
import { definition, point, SMALL } from '../../contracts/queue-cases.js';
import { startProxy } from '../../support/proxy.js';
import { inspect } from '../../support/queue-inspector.js';
import { testRedis, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

const ground = useGround('queue-connection');
const PASSWORD = 'geheim-4711';
const queues: WorkQueue[] = [];
afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
});

function open(url: string | (() => Promise<string>), timeoutMs = 5000): WorkQueue {
  const locate = typeof url === 'string' ? async () => url : url;
  const queue = new RedisQueue({ locate, timeoutMs });
  queues.push(queue);
  return queue;
}

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it did not reject',
    (error: unknown) => error,
  );

it('says which Redis is unreachable, and finds it when it comes', async () => {
  const redis = await testRedis(ground, { name: 'late' });
  await redis.kill();
  const queue = open(redis.url);
  const error = await caught(queue.status('m'));
  expect(error).toMatchObject({ kind: 'transient', code: 'unreachable' });
  expect(String(error)).toContain(`redis://127.0.0.1:${redis.port}`);
  await redis.restart();
  expect(await queue.status('m')).toBeNull();
});

it('never shows the password: not in messages, not in what hangs on the error', async () => {
  const redis = await testRedis(ground, { name: 'secret' });
  const admin = inspect(redis.url);
  await admin.command('CONFIG', 'SET', 'requirepass', PASSWORD);
  await admin.close();
  const at = `127.0.0.1:${redis.port}`;
  expect(await open(`redis://:${PASSWORD}@${at}`).migrations()).toEqual([]);
  const wrong = await caught(open(`redis://:${PASSWORD}x@${at}`).migrations());
  const none = await caught(open(`redis://${at}`).migrations());
  for (const error of [wrong, none])
    expect(error).toMatchObject({ kind: 'permanent', code: 'wrong-credentials' });
  await redis.kill();
  const gone = await caught(open(`redis://:${PASSWORD}@${at}`).migrations());
  expect(gone).toMatchObject({ code: 'unreachable' });
  const nonsense = await caught(open(`rediss//:${PASSWORD}@${at}`).migrations());
  expect(nonsense).toMatchObject({ code: 'usage' });
  for (const error of [wrong, none, gone, nonsense])
    expect(show(error, { depth: 10, showHidden: true })).not.toContain(PASSWORD);
});

it('names a Redis that is out of memory, while claimed work goes on', async () => {
  const redis = await testRedis(ground, { name: 'full' });
  const queue = open(redis.url);
  await queue.createMigration(definition());
  await queue.beginPlan('m', 'ids.txt');
  await queue.addImages('m', [
    { id: 'a', geometry: SMALL },
    { id: 'c', geometry: SMALL },
  ]);
  const admin = inspect(redis.url);
  const full = (bytes: string): Promise<unknown> => admin.command('CONFIG', 'SET', 'maxmemory', bytes);
  await full('1mb');
  const refused = { kind: 'transient', code: 'out-of-memory' };
  const error = await caught(queue.addImages('m', [{ id: 'b', geometry: SMALL }]));
  expect(error).toMatchObject(refused);
  expect(String(error)).toContain('maxmemory');
  expect(await queue.knownImages('m', ['a', 'b'])).toEqual([true, false]);
  const settle = async (lane: Lane, change: Partial<Checkpoint> = {}): Promise<unknown> => {
    const token = `${lane}-${Math.random()}`;
    const claim = await queue.claim({ token, lane, leaseMs: 1000 });
    if ('kind' in claim) return claim.why;
    const next = point(1, claim.end, { done: claim.end - claim.first, ...change });
    return (await queue.checkpoint(token, 'm', next)).answer;
  };
  await queue.limit('m', { requestsPerSecond: 5, bytesPerSecond: null });
  expect(await settle('tiles')).toBe('ended');
  const failed = [{ first: 0, count: 1, reason: 'http-404', status: 404, attempt: 1 }];
  expect(await settle('tiles', { done: 8, failed })).toBe('ended');
  expect(await queue.accept('m', 'c')).toBe('accepted');
  for (let image = 0; image < 2; image++) expect(await settle('descriptors')).toBe('ended');
  await queue.closePlan('m', 'ids.txt');
  const options = { sample: 1, read: false, unpublish: false };
  expect(await caught(queue.beginVerification('m', options))).toMatchObject(refused);
  await full('0');
  await queue.beginVerification('m', options);
  await full('1mb');
  expect(await settle('checks', { found: { blind: false, restart: true } })).toBe('ended');
  expect((await queue.status('m'))!).toMatchObject({
    images: { published: 1, incomplete: 1 },
    tiles: { ready: 9, done: 8, failed: 1 },
  });
  for (const lane of LANES) await admin.states('m', lane);
  await admin.close();
});

it('gives up on an answer in time, and a call that was applied is answered when it is resent', async () => {
  const redis = await testRedis(ground, { name: 'frozen' });
  const queue = open(redis.url, 1000);
  await queue.createMigration(definition());
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const request = { token: 't', lane: 'tiles', leaseMs: 60_000 } as const;
  await redis.freeze();
  expect(await caught(queue.claim({ ...request, migration: 'm' }))).toMatchObject({ code: 'unreachable' });
  redis.thaw();
  expect(await queue.claim(request)).toMatchObject({ token: 't', first: 0, end: 9 });
  const checkpoint = point(1, 4, { done: 4 });
  await redis.freeze();
  expect(await caught(queue.checkpoint('t', 'm', checkpoint))).toMatchObject({ kind: 'transient' });
  redis.thaw();
  expect(await queue.checkpoint('t', 'm', checkpoint)).toMatchObject({ answer: 'kept' });
  const admin = inspect(redis.url);
  await until('the connections given up are closed', async () =>
    String(await admin.command('INFO', 'clients')).includes('connected_clients:2\r'),
  );
  await queue.close();
  await until('the last one too', async () =>
    String(await admin.command('INFO', 'clients')).includes('connected_clients:1\r'),
  );
  await admin.close();
});

it('tells Redis the text of a script that it does not know any more', async () => {
  const redis = await testRedis(ground, { name: 'forgetful' });
  const queue = open(redis.url);
  await queue.createMigration(definition());
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  const admin = inspect(redis.url);
  const texts = async (): Promise<string | undefined> =>
    /number_of_cached_scripts:(\d+)/.exec(String(await admin.command('INFO', 'memory')))?.[1];
  expect(await texts()).toBe('2');
  await admin.command('SCRIPT', 'FLUSH');
  expect(await queue.claim({ token: 't', lane: 'tiles', leaseMs: 60_000 })).toMatchObject({ token: 't' });
  expect(await queue.checkpoint('t', 'm', point(1, 4, { done: 4 }))).toMatchObject({ answer: 'kept' });
  expect(await queue.checkpoint('t', 'm', point(2, 9, { done: 5 }))).toMatchObject({ answer: 'ended' });
  expect(await texts()).toBe('2');
  await admin.close();
});

it('counts what was applied without an answer once', async () => {
  const redis = await testRedis(ground, { name: 'slow' });
  const queue = open(redis.url, 1000);
  await queue.createMigration(definition());
  await queue.addImages('m', [{ id: 'a', geometry: SMALL }]);
  await queue.claim({ token: 't', lane: 'tiles', leaseMs: 60_000 });
  await redis.freeze();
  for (let times = 0; times < 3; times++)
    expect(await caught(queue.checkpoint('t', 'm', point(1, 4, { done: 4 })))).toMatchObject({
      code: 'unreachable',
    });
  redis.thaw();
  expect(await queue.checkpoint('t', 'm', point(1, 4, { done: 4 }))).toMatchObject({ answer: 'kept' });
  expect((await queue.status('m'))!.tiles).toMatchObject({ done: 4, claimed: 5, ready: 0 });
});

it('leaves a link that swallows everything, and asks anew where Redis is', async () => {
  const redis = await testRedis(ground, { name: 'moved' });
  const proxy = await startProxy(redis.port);
  let asked = 0;
  let url = `redis://127.0.0.1:${proxy.port}`;
  const queue = open(async () => {
    asked++;
    return url;
  }, 1000);
  await queue.createMigration(definition());
  await queue.status('m');
  expect(asked).toBe(1);
  proxy.blackHole();
  url = redis.url;
  expect(await caught(queue.status('m'))).toMatchObject({ kind: 'transient', code: 'unreachable' });
  expect((await queue.status('m'))!.definition.name).toBe('m');
  expect(asked).toBe(2);
  await proxy.close();
});

it('goes on after a cut, with many calls in flight, and applies each checkpoint once', async () => {
  const redis = await testRedis(ground, { name: 'cut' });
  const proxy = await startProxy(redis.port);
  const queue = open(`redis://127.0.0.1:${proxy.port}`, 2000);
  await queue.createMigration(definition({ rangeSize: 1 }));
  for (const id of ['a', 'b', 'c', 'd']) await queue.addImages('m', [{ id, geometry: SMALL }]);
  const settle = async (token: string): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      try {
        const claim = await queue.claim({ token, lane: 'tiles', leaseMs: 60_000 });
        if (!('kind' in claim))
          await queue.checkpoint(token, 'm', point(1, claim.end, { done: 1, bytes: 1 }));
        return;
      } catch (error) {
        expect(error).toMatchObject({ kind: 'transient' });
        if (attempt > 50) throw error;
      }
    }
  };
  proxy.cutAfterBytes(3000);
  await Promise.all(Array.from({ length: 36 }, (_, worker) => settle(`w${worker}`)));
  expect((await queue.status('m'))!).toMatchObject({ bytes: 36, tiles: { done: 36, claimed: 0, ready: 0 } });
  await proxy.close();
});
