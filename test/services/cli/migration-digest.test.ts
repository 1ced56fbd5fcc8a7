import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convoyctl } from '../../support/convoyctl.js';
import { type JobProgram, startJob } from '../../support/migration-processes.js';
import { ROOT } from '../../support/programs.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { keysOf, startTileSource, type TileSource } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

/** docs/digest.py, which knows nothing of Convoy, finds the digests that `migration status` tells. */

const IMAGES = [
  { id: 'Fj2', geometry: { width: 900, height: 641, tileSize: 100, overlap: 1, format: 'jpg' } },
  { id: 'a.9', geometry: { width: 130, height: 777, tileSize: 64, overlap: 0, format: 'jpeg' } },
  { id: 'dot', geometry: { width: 1, height: 1, tileSize: 254, overlap: 1, format: 'jpg' } },
];
/** Is not at the source: an image that misses a tile has the digest of the others. */
const MISSING = 'a.9_files/9/1_3.jpeg';
const ground = useGround('cli-migration-digest');
let redis: TestServer;
let source: TileSource;
const directory = join(ground.dir, 'tiles');

beforeAll(async () => {
  redis = await testRedis(ground);
  source = await startTileSource();
  for (const { id, geometry } of IMAGES) source.addImage(id, geometry);
  source.fault = (key) => (key === MISSING ? { kind: 'status', status: 404 } : null);
});
afterAll(() => source.close());

test('of each image and of all together, moved by the programs themselves', async () => {
  const env = { REDIS_URL: redis.url };
  const ctl = async (args: string): Promise<string> => {
    const { stdout, stderr, exit } = await convoyctl(args.split(' '), { cwd: ground.dir, env });
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: expect.not.stringContaining('rror') });
    return stdout;
  };
  const start = (job: JobProgram, ...args: string[]) =>
    startJob(ground, job, ['--migration', 'zoom', ...args], env);
  const create = `migration create zoom --source ${source.url} --destination file://${directory}`;
  await ctl(`${create} --create-container --incomplete publish`);
  const list = join(ground.dir, 'total.txt');
  writeFileSync(list, IMAGES.map(({ id }) => `${id}\n`).join(''));
  expect(await start('populate', '--ids', list).ended).toBe(0);
  const workers = [start('import-blobs'), start('upload-dzis')];
  const status = await until(
    'the migration to finish',
    async () => {
      const now = JSON.parse(await ctl('migration status zoom -o json'));
      return now.finished ? now : null;
    },
    60_000,
  );
  for (const worker of workers) worker.child.kill('SIGTERM');
  await Promise.all(workers.map(({ ended }) => ended));
  expect(status).toMatchObject({ words: 'complete with 1 failure', images: { published: 3, incomplete: 1 } });

  const python = (...args: string[]): string[] =>
    execFileSync('python3', [join(ROOT, 'docs/digest.py'), directory, ...args], { encoding: 'utf8' })
      .trimEnd()
      .split('\n');
  const told = (await ctl('migration images zoom -o json'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { image: string; digest: string });
  const digestOf = (id: string): string | undefined => told.find(({ image }) => image === id)?.digest;
  expect(new Set(told.map(({ digest }) => digest)).size).toBe(3);
  expect(python()).toEqual([
    `${digestOf('Fj2')}  Fj2`,
    `${digestOf('a.9')}  a.9  (1 missing)`,
    `${digestOf('dot')}  dot`,
    `${status.digest}  total`,
  ]);
  expect(python('dot')).toEqual([`${digestOf('dot')}  dot`, `${digestOf('dot')}  total`]);
  expect(await ctl('migration status zoom')).toContain(`  Digest:       ${status.digest}\n`);
  expect(await ctl('migration status zoom --image Fj2')).toContain(`  Digest:       ${digestOf('Fj2')}\n`);

  // A tile changed, two tiles of one image exchanged, and one taken away all show.
  const [, first = '', second = ''] = keysOf('Fj2', IMAGES[0]!.geometry).map((key) => join(directory, key));
  const before = python('Fj2')[0];
  writeFileSync(first, 'another');
  expect(python('Fj2')[0]).not.toBe(before);
  writeFileSync(second, 'another');
  const equal = python('Fj2')[0];
  expect(equal).not.toBe(before);
  rmSync(second);
  expect(python('Fj2')[0]).toMatch(/^[0-9a-f]{32} {2}Fj2 {2}\(1 missing\)$/);
  expect(python('Fj2')[0]?.slice(0, 32)).not.toBe(equal?.slice(0, 32));
}, 240_000);

test('is a script of at most 30 lines', () => {
  const lines = execFileSync('wc', ['-l', join(ROOT, 'docs/digest.py')], { encoding: 'utf8' });
  expect(Number.parseInt(lines, 10)).toBeLessThanOrEqual(30);
});
