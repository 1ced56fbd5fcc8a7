import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { isSampled } from '../../../jobs/verify-plan.js';
import type { MigrationStatus, VerificationStatus } from '../../../jobs/work-queue.js';
import { definition } from '../../contracts/queue-cases.js';
import { joinDigests, tileDigest } from '../../support/digests.js';
import { startJob } from '../../support/migration-processes.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import {
  descriptorBody,
  keysOf,
  startTileSource,
  type TileSource,
  tileBody,
} from '../../support/tile-source.js';
import { until } from '../../support/until.js';
import { copyAll, copyByPrograms, type Ended, zhVerify } from '../../support/verification.js';

/** Of 45 tiles. */
const IMAGE = { width: 500, height: 400, tileSize: 100, overlap: 1, format: 'jpg' };
const KEYS = (id: string): string[] => keysOf(id, IMAGE).slice(1);
const TILES = KEYS('x').length;
const ground = useGround('verify');
let redis: TestServer;
let source: TileSource;
let queue: RedisQueue;
let created = 0;

beforeAll(async () => {
  redis = await testRedis(ground);
  source = await startTileSource();
  queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5_000 });
});
afterAll(async () => {
  await queue.close();
  await source.close();
});

/** A migration of these images to a disk: which tells no MD5, so that only --read proves anything. */
class OnDisk {
  readonly name = `v${++created}`;
  readonly directory = join(ground.dir, this.name);
  readonly env = { REDIS_URL: redis.url };

  constructor(readonly ids: readonly string[]) {}

  async copied(): Promise<this> {
    mkdirSync(this.directory);
    await queue.createMigration(
      definition({ name: this.name, source: source.url, destination: `file://${this.directory}` }),
    );
    for (const id of this.ids) source.addImage(id, IMAGE);
    await queue.addImages(
      this.name,
      this.ids.map((id) => ({ id, geometry: IMAGE })),
    );
    await queue.closePlan(this.name, null);
    await copyAll(queue, this.name);
    return this;
  }

  path(key: string): string {
    return join(this.directory, key);
  }

  verify(...args: string[]): Promise<Ended> {
    return zhVerify(['--migration', this.name, ...args], this.env);
  }

  async status(): Promise<MigrationStatus> {
    return (await queue.status(this.name))!;
  }

  async round(): Promise<VerificationStatus> {
    return (await this.status()).verification!;
  }

  /** Byte for byte what the source has. */
  isWhole(): void {
    for (const id of this.ids) {
      for (const key of KEYS(id)) expect(readFileSync(this.path(key)).equals(tileBody(key)), key).toBe(true);
      expect(readFileSync(this.path(`${id}.dzi`), 'utf8')).toBe(descriptorBody(IMAGE));
    }
  }
}

/** Another JPEG of the same length. */
function otherBytes(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
}

describe('zh-verify --read', () => {
  test('finds everything that can be wrong with a destination, has it copied again, and proves it then', {
    timeout: 120_000,
  }, async () => {
    const names = ['gone', 'other', 'short', 'empty', 'html', 'no-dzi', 'other-dzi', 'fine'];
    const m = await new OnDisk(names).copied();
    const before = await m.status();
    const tile = (id: string): string => KEYS(id)[30]!;
    rmSync(m.path(tile('gone')));
    otherBytes(m.path(tile('other')));
    const short = m.path(tile('short'));
    writeFileSync(short, readFileSync(short).subarray(0, 20));
    writeFileSync(m.path(tile('empty')), '');
    writeFileSync(m.path(tile('html')), '<html>Sorry</html>');
    rmSync(m.path('no-dzi.dzi'));
    writeFileSync(m.path('other-dzi.dzi'), descriptorBody({ ...IMAGE, width: 501 }));

    // The source may be gone: what was stored is known by its digests.
    source.fault = () => ({ kind: 'reset' });
    const asked = source.requests.length;
    const { code, out } = await m.verify('--read', '--unpublish');
    expect(source.requests.length).toBe(asked);
    source.fault = () => null;
    expect(code).toBe(1);
    for (const line of [
      `${tile('gone')}: missing`,
      'other.dzi: digest-differs',
      'short.dzi: digest-differs',
      `${tile('empty')}: empty`,
      `${tile('html')}: not-an-image`,
      'no-dzi.dzi: missing',
      'other-dzi.dzi: descriptor-changed',
    ])
      expect(out).toContain(`  ${line}\n`);
    expect(out).toContain('Images: 1 matched, 7 restarted, 0 unproven');
    const total = names.length * (TILES + 1);
    // A descriptor that was taken away before it was looked at is no finding.
    expect(out).toMatch(new RegExp(`Checks: \\d+ of ${total} done, \\d skipped, 7 failed`));
    // Viewers see whole images or none.
    for (const id of names) expect(existsSync(m.path(`${id}.dzi`)), id).toBe(id === 'fine');
    expect(await m.status()).toMatchObject({
      ...{ finished: false, images: { published: 1 }, tiles: { ready: 7 * TILES, done: TILES } },
      failures: {},
    });
    const unfinished = await m.verify('--read', '--unpublish');
    expect(unfinished).toMatchObject({ code: 1, out: '' });
    expect(unfinished.err).toContain(`migration ${m.name} is not finished, and cannot be verified before`);

    await copyByPrograms(ground, m.name, m.env);
    m.isWhole();
    const after = await m.status();
    expect([after.digest, after.bytes]).toEqual([before.digest, before.bytes]);
    expect(after.tiles).toEqual(before.tiles);
    const again = await m.verify('--read', '--unpublish');
    expect(again.out).toContain('Images: 8 matched, 0 restarted, 0 unproven\nVerified:');
    expect(again.code).toBe(0);
    expect(await m.round()).toMatchObject({ round: 2, finished: true, checks: { total, done: total } });
    m.isWhole();
  });

  test('compares with the digest of what was stored, tile by tile', { timeout: 60_000 }, async () => {
    const m = await new OnDisk(['one']).copied();
    const parts = KEYS('one').map((key, index) =>
      tileDigest(
        index,
        createHash('md5')
          .update(readFileSync(m.path(key)))
          .digest('hex'),
      ),
    );
    expect((await m.status()).digest).toBe(joinDigests(parts));
    // Two tiles in each other's place: the same bytes in all, and both are images.
    const [a, b] = [m.path(KEYS('one')[20]!), m.path(KEYS('one')[21]!)];
    const [bytes, others] = [readFileSync(a), readFileSync(b)];
    writeFileSync(a, others);
    writeFileSync(b, bytes);
    const { code, out } = await m.verify('--read');
    expect(out).toContain('one.dzi: digest-differs');
    expect(code).toBe(1);
    expect(existsSync(m.path('one.dzi'))).toBe(true);
  });
});

describe('zh-verify by what a disk tells', () => {
  test('finds what is missing, and says that the bytes are not proven', { timeout: 60_000 }, async () => {
    const m = await new OnDisk(['a', 'b']).copied();
    const clean = await m.verify();
    expect(clean.out).toContain('Images: 0 matched, 0 restarted, 2 unproven');
    expect(clean.out).toContain('The bytes of 2 images are not proven; zh-verify --read proves them.');
    expect(clean.code).toBe(0);
    for (const key of [5, 6, 7].map((index) => KEYS('b')[index]!)) rmSync(m.path(key));
    const { code, out } = await m.verify();
    expect(code).toBe(1);
    expect(out).toContain('Failures: missing 3\n');
    for (const index of [5, 6, 7]) expect(out).toContain(`  ${KEYS('b')[index]}: missing\n`);
    expect(out).toContain('Images: 0 matched, 1 restarted, 1 unproven');
    expect(await m.round()).toMatchObject({ round: 2, checks: { failed: 3 } });
  });

  test('asks for no tile that had failed to be copied', { timeout: 60_000 }, async () => {
    const m = new OnDisk(['c']);
    const [bad, worse] = [KEYS('c')[12]!, KEYS('c')[13]!];
    source.fault = (key) => ([bad, worse].includes(key) ? { kind: 'status', status: 404 } : null);
    await m.copied();
    source.fault = () => null;
    expect(await m.status()).toMatchObject({ finished: true, tiles: { failed: 2 }, images: { withheld: 1 } });
    const { code, out } = await m.verify('--read');
    expect(out).toContain(`Checks: ${TILES - 2} of ${TILES + 1} done, 3 skipped, 0 failed`);
    expect(out).toContain('Images: 1 matched');
    expect(code).toBe(0);
  });
});

describe('zh-verify --sample', () => {
  test('compares a seeded share of the tiles with the source, other tiles each round', {
    timeout: 60_000,
  }, async () => {
    const m = await new OnDisk(['s', 't']).copied();
    const chosen = (round: number): string[] =>
      ['s', 't'].flatMap((id, image) => KEYS(id).filter((_, index) => isSampled(round, image, index, 0.3)));
    const rounds: string[][] = [];
    for (const round of [1, 2]) {
      const from = source.requests.length;
      const { code, out } = await m.verify('--sample', '30%');
      expect(out).toContain(`round ${round} of verification: 30% of the tiles, compared with the source`);
      expect(code).toBe(0);
      const asked = source.requests.slice(from).filter((key) => key.endsWith('.jpg'));
      expect(asked.sort()).toEqual(chosen(round).sort());
      const { checks, images } = await m.round();
      // The two descriptors are always looked at.
      expect([checks.done, checks.skipped]).toEqual([asked.length + 2, 2 * TILES - asked.length]);
      expect(images.unproven).toBe(2);
      rounds.push(asked);
    }
    expect(rounds[0]).not.toEqual(rounds[1]);

    const [longer, other] = [chosen(3)[0]!, chosen(3).find((key) => key.startsWith('t'))!];
    writeFileSync(m.path(longer), Buffer.concat([readFileSync(m.path(longer)), Buffer.from([0])]));
    otherBytes(m.path(other));
    const found = await m.verify('--sample', '30%', '--read');
    expect(found.code).toBe(1);
    for (const key of [longer, other]) expect(found.out).toContain(`  ${key}: different\n`);
    expect(found.out).toContain('Images: 0 matched, 2 restarted, 0 unproven');
  });
});

describe('a verifier that dies', () => {
  test('leaves nothing uncounted for two others that go on side by side', { timeout: 90_000 }, async () => {
    const ids = ['d', 'e', 'f', 'g', 'h', 'i'];
    const m = await new OnDisk(ids).copied();
    rmSync(m.path(KEYS('e')[3]!));
    const total = ids.length * (TILES + 1);
    const first = startJob(ground, 'verify', ['--read', '--max-rps', '40', '--migration', m.name], m.env);
    await until('some checks to be told', async () => ((await m.round())?.checks.done ?? 0) > 20);
    await first.kill();
    const { checks } = await m.round();
    expect(checks.claimed).toBeGreaterThan(0);
    expect(checks.done).toBeLessThan(total);
    const others = await Promise.all([m.verify('--read'), m.verify('--read')]);
    for (const { code, out } of others) {
      expect(code).toBe(1);
      expect(out).toContain(`${KEYS('e')[3]}: missing`);
      expect(out).toContain('Images: 5 matched, 1 restarted, 0 unproven');
    }
    const end = await m.round();
    expect(end).toMatchObject({ round: 1, finished: true });
    expect(end.checks).toMatchObject({ total, failed: 1, claimed: 0, ready: 0, delayed: 0 });
    expect(end.checks.done + end.checks.skipped).toBe(total - 1);
    // Checks of the others are never skipped; those of the restarted image are from then on.
    expect(end.checks.skipped).toBeLessThan(TILES + 1);
  });

  test('told to stop it gives back what it has, and does not say that all is well', {
    timeout: 60_000,
  }, async () => {
    const m = await new OnDisk(['j', 'k', 'l']).copied();
    const first = startJob(ground, 'verify', ['--max-rps', '20', '--migration', m.name], m.env);
    await until('some checks to be told', async () => ((await m.round())?.checks.done ?? 0) > 5);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(1);
    expect((await m.round()).checks).toMatchObject({ claimed: 0, failed: 0 });
    expect(readFileSync(join(ground.dir, `${first.name}.log`), 'utf8')).toContain(
      'stopped before the end of the round',
    );
    expect(await m.verify()).toMatchObject({ code: 0 });
    const total = 3 * (TILES + 1);
    expect(await m.round()).toMatchObject({ round: 1, checks: { total, done: total } });
  });
});
