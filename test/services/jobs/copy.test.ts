import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openRoute, type Route } from '../../../jobs/route.js';
import type { Lane, MigrationDefinition } from '../../../jobs/work-queue.js';
import { createWorker, type Worker } from '../../../jobs/worker.js';
import { systemClock } from '../../../runtime/clock.js';
import { permanent } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { silentMeter } from '../../../runtime/meter.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { joinDigests, tileDigest } from '../../support/digests.js';
import {
  descriptorBody,
  keysOf,
  startTileSource,
  type TileSource,
  tileBody,
} from '../../support/tile-source.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 100, overlap: 1, format: 'jpg' };
const clock = systemClock();
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Harness {
  readonly source: TileSource;
  readonly directory: string;
  readonly queue: MemoryQueue;
  readonly definition: MigrationDefinition;
  start(lane: Lane, wrapRoute?: (route: Route) => Route): { worker: Worker; stop: () => Promise<void> };
}

async function harness(change: Partial<MigrationDefinition> = {}): Promise<Harness> {
  const source = await startTileSource();
  const directory = mkdtempSync(join(tmpdir(), 'convoy-copy-'));
  closers.push(
    () => source.close(),
    () => rmSync(directory, { recursive: true }),
  );
  const queue = new MemoryQueue(clock);
  const definition = {
    name: 'm',
    source: source.url,
    destination: `file://${directory}`,
    ...{
      rangeSize: 50,
      maxAttempts: 3,
      stopAfterFailures: 0.01,
      stopAfterTiles: 10_000,
      serverSide: 'auto' as const,
      incomplete: 'withhold' as const,
    },
    ...change,
  };
  await queue.createMigration(definition);
  let workers = 0;
  return {
    ...{ source, directory, queue, definition },
    start(lane, wrapRoute = (route) => route) {
      const stopping = new AbortController();
      const random = Math.random;
      const log = silentLog;
      const worker = createWorker({
        ...{ queue, lane, id: `w${++workers}`, clock, random, log, concurrency: 16 },
        ...{ skipExisting: false, untilEmpty: false },
        openRoute: async (one, hooks) =>
          wrapRoute(await openRoute(one, { clock, random, log, env: {}, meter: silentMeter, ...hooks })),
      });
      const done = worker.run(stopping.signal);
      const stop = async (): Promise<void> => {
        stopping.abort();
        await done;
      };
      closers.push(stop);
      return { worker, stop };
    },
  };
}

async function plan({ source, queue }: Harness, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    source.addImage(id, IMAGE);
    await queue.addImages('m', [{ id, geometry: IMAGE }]);
  }
  await queue.closePlan('m', null);
}

const finished = (h: Harness) =>
  until(
    'the migration to finish',
    async () => {
      await h.queue.reclaim(100);
      const status = await h.queue.status('m');
      return status?.finished ? status : null;
    },
    60_000,
  );

describe('a migration', () => {
  test('ends with every object at the destination, byte for byte, and the digest of all tiles', async () => {
    const h = await harness();
    await plan(h, 'a', 'b');
    h.start('tiles');
    h.start('descriptors');
    const status = await finished(h);
    expect(status).toMatchObject({ tiles: { failed: 0 }, images: { published: 2 }, reclaimed: 0 });
    const parts: string[] = [];
    for (const id of ['a', 'b'])
      for (const [i, key] of keysOf(id, IMAGE).entries()) {
        const bytes = readFileSync(join(h.directory, key));
        const answer = await fetch(`${h.source.url}/${key}`);
        expect(bytes.equals(Buffer.from(await answer.arrayBuffer())), key).toBe(true);
        if (i > 0) parts.push(tileDigest(i - 1, createHash('md5').update(bytes).digest('hex')));
      }
    expect(status.digest).toBe(joinDigests(parts));
  });

  test.each([
    [
      'an HTML page with status 200',
      'not-an-image',
      { kind: 'status', status: 200, body: '<html>Sorry</html>', headers: { 'content-length': '18' } },
    ],
    ['a missing tile', 'http-404', { kind: 'status', status: 404 }],
    ['a redirect', 'http-302', { kind: 'status', status: 302, headers: { location: '/sorry' } }],
  ] as const)('captures %s at once as %s, and withholds that image only', async (_, reason, fault) => {
    const h = await harness();
    const bad = keysOf('a', IMAGE)[40]!;
    h.source.fault = (key) => (key === bad ? fault : null);
    await plan(h, 'a', 'b');
    h.start('tiles');
    h.start('descriptors');
    const status = await finished(h);
    expect(status).toMatchObject({ tiles: { failed: 1 }, images: { published: 1, withheld: 1 } });
    expect(status.failures).toEqual({ [reason]: 1 });
    expect(h.source.requests.filter((key) => key === bad)).toHaveLength(1);
    expect(existsSync(join(h.directory, bad))).toBe(false);
    expect([existsSync(join(h.directory, 'a.dzi')), existsSync(join(h.directory, 'b.dzi'))]).toEqual([
      false,
      true,
    ]);
  });

  test.each([
    ['truncated on the wire', { kind: 'truncate' }],
    ['reset', { kind: 'reset' }],
    ['damaged, as its Content-MD5 tells', { kind: 'wrong-md5' }],
    ['refused with 500', { kind: 'status', status: 500 }],
  ] as const)('a tile %s for a while is copied whole in the end', async (_, fault) => {
    const h = await harness();
    const bad = keysOf('a', IMAGE)[40]!;
    h.source.fault = (key, times) => (key === bad && times <= 2 ? fault : null);
    await plan(h, 'a');
    h.start('tiles');
    h.start('descriptors');
    const status = await finished(h);
    expect(status).toMatchObject({ tiles: { failed: 0 }, images: { published: 1 } });
    expect(readFileSync(join(h.directory, bad)).equals(tileBody(bad))).toBe(true);
  });

  test('a tile truncated for ever is captured after its attempts, with the reason', async () => {
    const h = await harness({ maxAttempts: 1 });
    const bad = keysOf('a', IMAGE)[40]!;
    h.source.fault = (key) => (key === bad ? { kind: 'truncate' } : null);
    await plan(h, 'a');
    h.start('tiles');
    const status = await finished(h);
    expect(status.failures).toEqual({ 'connection-lost': 1 });
    expect(existsSync(join(h.directory, bad))).toBe(false);
  });

  test('a descriptor that has changed since the plan is not published', async () => {
    const h = await harness();
    await plan(h, 'a');
    h.source.put('a.dzi', descriptorBody({ ...IMAGE, width: 10 }));
    h.start('tiles');
    h.start('descriptors');
    const status = await finished(h);
    expect(status.failures).toEqual({ 'descriptor-changed': 1 });
    expect(existsSync(join(h.directory, 'a.dzi'))).toBe(false);
  });

  test('a wrong base URL pauses the migration within twice the tiles it looks at, with the reason', async () => {
    const h = await harness({ rangeSize: 100, stopAfterTiles: 1000 });
    const wrong = { ...h.definition, name: 'wrong', source: `${h.source.url}/no/such/base` };
    await h.queue.createMigration(wrong);
    const image = { width: 1600, height: 1600, tileSize: 30, overlap: 0, format: 'jpg' };
    await h.queue.addImages('wrong', [{ id: 'a', geometry: image }]);
    h.start('tiles');
    const status = await until(
      'the migration to pause',
      async () => {
        const now = await h.queue.status('wrong');
        return now?.state === 'paused' && now.tiles.claimed === 0 ? now : null;
      },
      20_000,
    );
    expect(status.tiles.total).toBeGreaterThan(3000);
    expect(status.tiles.failed).toBeGreaterThanOrEqual(1000);
    expect(status.tiles.failed).toBeLessThanOrEqual(2000);
    expect(status.tiles.done).toBe(0);
    expect(status.reason).toContain('http-404');
  });
});

describe('an outage', () => {
  test('of the source: claims are kept, no attempt is counted, and the worker says since when', async () => {
    const h = await harness({ maxAttempts: 1 });
    await plan(h, 'a', 'b');
    let away = false;
    h.source.fault = () => (away ? { kind: 'reset' } : null);
    const { worker } = h.start('tiles');
    h.start('descriptors');
    await until('some tiles', async () => (await h.queue.status('m'))!.tiles.done > 20);
    away = true;
    const before = Date.now();
    const told = await until('the worker to say so', () =>
      worker.state.state === 'source unreachable' ? worker.state : null,
    );
    expect(told.since).toBeGreaterThanOrEqual(before);
    expect(told.detail).toContain(h.source.url);
    const during = (await h.queue.status('m'))!.tiles;
    expect(during).toMatchObject({ failed: 0, delayed: 0 });
    expect(during.claimed).toBeGreaterThan(0);
    away = false;
    const status = await finished(h);
    expect(status).toMatchObject({ tiles: { failed: 0 }, images: { published: 2 }, reclaimed: 0 });
  });

  test('of the destination, a full disk: nothing fails, and it goes on once there is room', async () => {
    const h = await harness({ maxAttempts: 1 });
    await plan(h, 'a');
    let full = true;
    const { worker } = h.start('tiles', (route) => ({
      ...route,
      async copy(claim, index, signal, leased) {
        if (!full) return route.copy(claim, index, signal, leased);
        const error = permanent('write: ENOSPC: no space left on device', { code: 'disk-full' });
        return { kind: 'failed', sides: ['destination'], reason: 'write-disk-full', error };
      },
    }));
    h.start('descriptors');
    await until('the worker to say so', () => worker.state.state === 'destination unreachable');
    expect(worker.state.detail).toContain('no space left');
    expect((await h.queue.status('m'))!.tiles).toMatchObject({ failed: 0, delayed: 0, done: 0 });
    full = false;
    const status = await finished(h);
    expect(status).toMatchObject({ tiles: { failed: 0 }, images: { published: 1 } });
  });

  test('is not what one bad tile makes', async () => {
    const h = await harness({ maxAttempts: 1 });
    await plan(h, 'a');
    const bad = keysOf('a', IMAGE)[40]!;
    h.source.fault = (key) => (key === bad ? { kind: 'status', status: 500 } : null);
    const { worker } = h.start('tiles');
    const seen = new Set<string>();
    const status = await until('the migration to finish', async () => {
      seen.add(worker.state.state);
      const now = await h.queue.status('m');
      return now?.tiles.failed === 1 && now.tiles.claimed === 0 ? now : null;
    });
    expect(status.failures).toEqual({ 'http-500': 1 });
    expect(seen).not.toContain('source unreachable');
  });
});

describe('a migration whose stores cannot be used', () => {
  test('is left to itself, and said, while others are served; then it is served too', async () => {
    const h = await harness();
    const absent = join(h.directory, 'absent');
    await h.queue.createMigration({ ...h.definition, name: 'wrong', destination: `file://${absent}` });
    await h.queue.addImages('wrong', [{ id: 'a', geometry: IMAGE }]);
    await plan(h, 'a', 'b');
    const { worker } = h.start('tiles');
    const tiles = async (name: string) => (await h.queue.status(name))!.tiles;
    await until('the other to be copied', async () => (await tiles('m')).done === (await tiles('m')).total);
    expect(worker.state.detail).toMatch(
      /migration wrong is not served: the destination cannot be used: .*absent/,
    );
    const before = await tiles('wrong');
    expect(before).toMatchObject({ failed: 0, delayed: 0, done: 0, ready: before.total });
    mkdirSync(absent);
    const count = (): Promise<boolean> => tiles('wrong').then(({ done, total }) => done === total);
    await until('it to be served', count, 30_000);
    expect(worker.state.detail).not.toContain('wrong');
    const { reclaimed } = (await h.queue.status('wrong'))!;
    expect([reclaimed, (await tiles('wrong')).failed]).toEqual([0, 0]);
  });

  test('and that is away is an outage from the start: its claims are kept', async () => {
    const h = await harness({ maxAttempts: 1 });
    h.source.fault = () => ({ kind: 'reset' });
    await plan(h, 'a');
    const { worker } = h.start('tiles');
    h.start('descriptors');
    await until('the worker to say so', () => worker.state.state === 'source unreachable', 20_000);
    expect((await h.queue.status('m'))!.tiles).toMatchObject({ failed: 0, delayed: 0, done: 0 });
    h.source.fault = () => null;
    expect(await finished(h)).toMatchObject({ tiles: { failed: 0 }, reclaimed: 0 });
  });
});

test('a worker told to stop finishes what is in flight and gives the rest back', async () => {
  const h = await harness();
  await plan(h, 'a');
  h.source.fault = () => ({ kind: 'slow', ms: 200 });
  const { stop } = h.start('tiles');
  await until('tiles in flight', () => h.source.requests.length > 8);
  await stop();
  const { tiles, reclaimed } = (await h.queue.status('m'))!;
  const asked = h.source.requests.filter((key) => key.endsWith('.jpg'));
  expect(tiles).toMatchObject({ claimed: 0, failed: 0, delayed: 0, done: asked.length });
  expect(tiles.done + tiles.ready).toBe(tiles.total);
  expect(reclaimed).toBe(0);
});

test('a worker takes the next of the tiles that may kill it as soon as one is settled', async () => {
  const h = await harness({ rangeSize: 1000 });
  await plan(h, 'a');
  for (let times = 1; times <= 3; times++) {
    await h.queue.claim({ token: `lost${times}-1`, lane: 'tiles', leaseMs: 1 });
    await until('the claim to be lost', async () => (await h.queue.reclaim(1)) === 1);
  }
  h.start('tiles');
  // Were it asleep between two of them as it is where there is nothing to do, it would take most of a minute.
  await until(
    'all tiles to be copied',
    async () => (await h.queue.status('m'))?.tiles.done === keysOf('a', IMAGE).length - 1,
    20_000,
  );
});
