import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { definition, point, request, SMALL } from '../../contracts/queue-cases.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { zhVerify } from '../../support/verification.js';

const ground = useGround('verify-sentences');
let redis: TestServer;
let queue: RedisQueue;

beforeAll(async () => {
  redis = await testRedis(ground);
  queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5_000 });
});
afterAll(() => queue.close());

/** With one image that is still to be copied. */
async function migration(name: string): Promise<void> {
  mkdirSync(join(ground.dir, name));
  await queue.createMigration(definition({ name, destination: `file://${join(ground.dir, name)}` }));
  await queue.addImages(name, [{ id: 'a', geometry: SMALL }]);
  await queue.closePlan(name, null);
}

/** As if it were copied: nothing is at the destination. */
async function settle(name: string): Promise<void> {
  for (const lane of ['tiles', 'descriptors'] as const) {
    const claim = await queue.claim(request({ lane, migration: name }));
    if ('kind' in claim) throw new Error(`nothing to claim: ${claim.why}`);
    await queue.checkpoint(claim.token, name, point(1, claim.end, { done: claim.end }));
  }
}

test('without --migration takes the one that is finished, and says in a sentence why it cannot', {
  timeout: 120_000,
}, async () => {
  const verify = (...args: string[]) =>
    zhVerify([...args, '--log-level', 'silent'], { REDIS_URL: redis.url });
  const says = (code: number, sentence: string) => ({
    ...{ code, out: '', err: expect.stringMatching(`^zh-verify: ${sentence}\n$`) as string },
  });

  expect(await verify()).toEqual(says(1, 'there is no migration to verify'));
  await migration('m');
  expect(await verify()).toEqual(says(1, 'migration m is not finished, and cannot be verified before: .+'));
  expect(await verify('--migration', 'x')).toEqual(says(1, 'there is no migration x'));

  await settle('m');
  await migration('open');
  const found = await verify();
  expect(found.code).toBe(1);
  expect(found.out).toContain('m, round 1 of verification: every tile, by what the stores tell');
  expect(found.out).toContain('Failures: missing 10\n  a_files/0/0_0.jpg: missing\n');

  await settle('open');
  const only = await verify();
  expect(only.out).toContain('open, round 1 of verification');

  for (const name of ['n', 'o']) {
    await migration(name);
    await settle(name);
  }
  expect(await verify()).toEqual(says(2, '--migration is needed: n, o can be verified'));
  await queue.beginVerification('n', { sample: 0.01, read: true, unpublish: false });
  const joining =
    'n is being verified in another way .1% of the tiles, compared with the source, read whole.: join .+';
  expect(await verify('--migration', 'n')).toEqual(says(1, `migration ${joining}`));
  await queue.cancel('n', 'a test');
  expect(await verify('--migration', 'n')).toEqual(says(1, 'migration n is cancelled'));
  expect(await verify('--sample', '0%')).toMatchObject({ code: 2 });
});
