import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DryRun, dryRun } from '../../../jobs/dry-run.js';
import { dryRunText } from '../../../jobs/dry-run-text.js';
import { estimateBytes } from '../../../jobs/estimate.js';
import { tileCount } from '../../../jobs/pyramid.js';
import { seededRandom } from '../../../jobs/tile-sample.js';
import { systemClock } from '../../../runtime/clock.js';
import { permanent, transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { memoryStore } from '../../fakes/memory-store.js';
import { seeded } from '../../support/seed.js';
import { descriptorBody, keysOf } from '../../support/tile-source.js';

const SMALL = { width: 600, height: 400, tileSize: 254, overlap: 1, format: 'jpg' };
const LARGE = { ...SMALL, width: 20_000, height: 10_000 };
const never = new AbortController().signal;
const clock = { ...systemClock(), sleep: () => Promise.resolve() };

function sourceOf(images: Readonly<Record<string, typeof SMALL>>, tileBytes: number) {
  const store = memoryStore();
  const put = (key: string, bytes: Buffer): void =>
    void store.objects.set(key, { ...NO_PROPERTIES, bytes, size: bytes.length, md5: null, modifiedMs: null });
  for (const [id, geometry] of Object.entries(images)) {
    const [descriptor = '', ...tiles] = keysOf(id, geometry);
    put(descriptor, Buffer.from(descriptorBody(geometry)));
    for (const key of tiles) put(key, Buffer.alloc(tileBytes));
  }
  return store;
}

function run(source: ReturnType<typeof memoryStore>, ids: readonly string[], rates = [10]): Promise<DryRun> {
  return dryRun(
    {
      ...{ source, clock, random: () => 0, log: silentLog, rangeSize: 100, rates },
      outage: { open: async () => undefined, blames: async () => false, served: () => undefined },
      list: {
        name: 'ids',
        async *pages() {
          yield { listed: ids.length + 2, images: ids.map((id) => ({ id, refusal: null })) };
        },
      },
    },
    never,
  );
}

test('counts what is listed, and knows the sizes of few tiles exactly', async () => {
  const source = sourceOf({ a: SMALL, b: LARGE }, 7);
  source.objects.delete('a_files/0/0_0.jpg');
  const tiles = tileCount(SMALL) + tileCount(LARGE);
  const found = await run(source, ['a', 'b', 'a', 'gone', '../x', 'gone']);
  // More than a thousand tiles: whether the one that is missing was drawn, chance decides.
  expect(found).toMatchObject({
    ...{ list: 'ids', listed: 8, filtered: 2, images: 2, duplicates: 2, rangeSize: 100, tiles },
    refused: { 'not-found': 1, 'bad-id': 1 },
    ranges: 1 + Math.ceil(tileCount(LARGE) / 100),
    times: [{ tilesPerSecond: 10, seconds: Math.ceil(tiles / 10) }],
    sample: { tiles: 1000, unread: 0 },
  });
  expect(found.bytes.descriptors).toBe(descriptorBody(SMALL).length + descriptorBody(LARGE).length);

  const few = await run(source, ['a']);
  expect(few).toMatchObject({
    sample: { tiles: tileCount(SMALL), missing: 1, unread: 0 },
    bytes: { tiles: 7 * (tileCount(SMALL) - 1), plusMinus: 0 },
  });
});

test('tiles that cannot be asked for are told apart, and hold up nothing', async () => {
  const source = sourceOf({ a: SMALL }, 7);
  const { head } = source;
  const refusing = {
    ...source,
    head: (key: string) => {
      if (key.includes('/0/')) return Promise.reject(permanent('no', { code: 'forbidden' }));
      return key.includes('/1/') ? Promise.reject(transient('busy')) : head(key);
    },
  };
  const tiles = tileCount(SMALL);
  expect(await run(refusing, ['a'])).toMatchObject({
    sample: { tiles, missing: 0, unread: 2 },
    bytes: { tiles: 7 * tiles, plusMinus: 0 },
  });
  const none = await run({ ...source, head: () => Promise.reject(permanent('no')) }, ['a']);
  expect(none.bytes).toMatchObject({ tiles: null, plusMinus: null });
  expect(dryRunText('memory:', none)).toContain(
    `Bytes         not known: none of all ${tiles} tiles could be looked at`,
  );
  expect(await run(source, [])).toMatchObject({ images: 0, tiles: 0, bytes: { tiles: 0, plusMinus: 0 } });
});

test('a sample holds the true sum within what it says, 95 times of 100', () => {
  const random = seededRandom(3);
  const all = Array.from({ length: 5_000 }, () => Math.floor(20_000 * random() ** 3));
  const truth = all.reduce((sum, size) => sum + size, 0);
  let within = 0;
  for (let draw = 0; draw < 1_000; draw++) {
    const sizes = Array.from({ length: 500 }, () => all[Math.floor(random() * all.length)]!);
    const { bytes, plusMinus } = estimateBytes(sizes, all.length)!;
    if (Math.abs(bytes - truth) <= plusMinus) within++;
  }
  // Drawn with replacement the interval, corrected for a finite population, is a little too narrow.
  expect(within).toBeGreaterThan(900);
  expect(within).toBeLessThan(980);
});

test('all tiles are the truth itself', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100_000), { minLength: 1, maxLength: 50 }), (sizes) => {
      const sum = sizes.reduce((total, size) => total + size, 0);
      const estimate = estimateBytes(sizes, sizes.length)!;
      expect(Math.abs(estimate.bytes - sum)).toBeLessThanOrEqual(1);
      expect(estimate.plusMinus).toBe(0);
    }),
    seeded(),
  );
});

test('is told in words', () => {
  const text = dryRunText('azure://zoom/content', {
    ...{ list: 'total.txt --top 1200000', listed: 1_300_000, filtered: 100_000, images: 1_199_990 },
    ...{ duplicates: 7, refused: { 'sparse-image': 1, 'http-404': 2 }, tiles: 1_200_345_678 },
    ...{ ranges: 1_800_000, rangeSize: 1000, redisBytes: 312_000_000 },
    bytes: { descriptors: 300_000_000, tiles: 17_900_000_000_000, plusMinus: 358_000_000_000 },
    sample: { tiles: 1000, missing: 2, unread: 1 },
    times: [
      { tilesPerSecond: 100, seconds: 12_003_457 },
      { tilesPerSecond: 10_000, seconds: 120_035 },
    ],
  });
  expect(text.split('\n')).toEqual([
    'Source        azure://zoom/content',
    'List          total.txt --top 1200000: 1,300,000 ids, 100,000 of them not meant',
    'Images        1,199,990',
    'Duplicates    7',
    'Refused       3: http-404 2, sparse-image 1',
    'Tiles         1,200,345,678',
    'Ranges        1,800,000 of up to 1,000 tiles',
    'Bytes         17.9 TB ± 358.0 GB (from the sizes of 1,000 sampled tiles, 2 of them missing, 1 not readable)',
    'Redis memory  312.0 MB when all is done; failures come on top',
    'Time          138 d 22 h at 100 tiles/s',
    '              1 d 9 h at 10,000 tiles/s',
    '',
  ]);
});
