import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isLeaseOver } from '../../../jobs/copy-tile.js';
import { createLimits } from '../../../jobs/limits.js';
import type { Route } from '../../../jobs/route.js';
import { checkKey } from '../../../jobs/verify-item.js';
import { openVerifyRoute } from '../../../jobs/verify-route.js';
import type { CheckedImage, Claim, Image } from '../../../jobs/work-queue.js';
import { systemClock } from '../../../runtime/clock.js';
import type { ConvoyError } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { silentMeter } from '../../../runtime/meter.js';
import { definition, SMALL } from '../../contracts/queue-cases.js';
import { descriptorBody, tileBody } from '../../support/tile-source.js';

const IMAGE: Image = { ...SMALL, number: 0, id: 'a', tiles: 9 };
const clock = systemClock();
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A whole image on a disk, but for its tile 3. */
async function opened(compares = false): Promise<{ route: Route; descriptor: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'convoy-verify-'));
  closers.push(() => rmSync(directory, { recursive: true }));
  for (const index of [0, 1, 2, 4, 5, 6, 7, 8]) write(checkKey(IMAGE, index), tileBody('x'));
  write('a.dzi', Buffer.from(descriptorBody(SMALL)));
  function write(key: string, bytes: Uint8Array): void {
    mkdirSync(dirname(join(directory, key)), { recursive: true });
    writeFileSync(join(directory, key), bytes);
  }
  const migration = definition({ source: 'http://127.0.0.1:1/', destination: `file://${directory}` });
  const route = await openVerifyRoute(migration, {
    ...{ clock, random: Math.random, log: silentLog, env: {}, meter: silentMeter, compares },
    ...{ limits: createLimits(null, clock), onThrottled() {}, onOutageChange() {} },
    latencyOf: () => () => undefined,
    signal: new AbortController().signal,
  });
  closers.push(() => route.close());
  return { route, descriptor: join(directory, 'a.dzi') };
}

function check(route: Route, index: number, change: Partial<CheckedImage> = {}, leased = () => true) {
  const options = { sample: 1, read: false, unpublish: true };
  const claim: Claim = {
    ...{ token: 't-1', migration: definition(), lane: 'checks', image: IMAGE, first: 0, end: 10, attempt: 0 },
    ...{ leaseMs: 1000, lookFirst: false, share: { requestsPerSecond: null, bytesPerSecond: null } },
    check: { options, round: 1, settled: true, published: true, failed: [], differs: false, ...change },
  };
  return route.copy(claim, index, new AbortController().signal, leased);
}
const missing = { kind: 'failed', reason: 'missing', restart: true };

test('the descriptor of an image that is wrong is gone before the finding is told', async () => {
  const { route, descriptor } = await opened();
  expect(await check(route, 2)).toMatchObject({ kind: 'done' });
  expect(existsSync(descriptor)).toBe(true);
  expect(await check(route, 3)).toMatchObject(missing);
  expect(existsSync(descriptor)).toBe(false);
});

test('it is taken away once in a round: what is published again meanwhile stays', async () => {
  const { route, descriptor } = await opened();
  await Promise.all([check(route, 3), check(route, 3)]);
  writeFileSync(descriptor, descriptorBody(SMALL));
  expect(await check(route, 3)).toMatchObject(missing);
  expect(existsSync(descriptor)).toBe(true);
  expect(await check(route, 3, { round: 2 })).toMatchObject(missing);
  expect(existsSync(descriptor)).toBe(false);
});

test('it stays if the round does not say so, or it was not published', async () => {
  const { route, descriptor } = await opened();
  const options = { sample: 1, read: false, unpublish: false };
  expect(await check(route, 3, { options })).toMatchObject(missing);
  expect(await check(route, 3, { published: false })).toMatchObject(missing);
  expect(existsSync(descriptor)).toBe(true);
});

test('nothing is taken away once the lease is over: another verifier has the claim', async () => {
  const { route, descriptor } = await opened();
  const late = await check(route, 3, {}, () => false).catch((error: unknown) => error);
  expect(isLeaseOver(late)).toBe(true);
  expect(existsSync(descriptor)).toBe(true);
});

test('an image is restarted also if its descriptor cannot be taken away for good', async () => {
  const { route, descriptor } = await opened();
  rmSync(descriptor);
  mkdirSync(join(descriptor, 'in-the-way'), { recursive: true });
  expect(await check(route, 3)).toMatchObject(missing);
});

test('a source that is away holds up a comparison, and no other round', async () => {
  expect((await opened()).route.outage.away).toBeNull();
  const { route } = await opened(true);
  expect(route.outage.away).toMatchObject({ side: 'source' });
});

test('a destination that is gone as a whole is an outage, and no tile is missing', async () => {
  const { route, descriptor } = await opened();
  renameSync(dirname(descriptor), `${dirname(descriptor)}-unmounted`);
  try {
    const found = await check(route, 2);
    expect(found).toMatchObject({ kind: 'failed', reason: 'container-absent', sides: ['destination'] });
    expect(found).not.toHaveProperty('restart');
    const { error } = found as { error: ConvoyError };
    expect(await route.outage.blames('destination', error)).toBe(true);
  } finally {
    renameSync(`${dirname(descriptor)}-unmounted`, dirname(descriptor));
  }
});
