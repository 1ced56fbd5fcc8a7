import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { addressOf, exitOf, fetchText, useMigrations } from '../../support/migration-ground.js';
import { program } from '../../support/programs.js';
import { lintMetrics, parseMetrics, sample } from '../../support/prometheus-text.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 50, overlap: 1, format: 'jpg' };
const TILES = tileCount(IMAGE);
const WIDE = { ...IMAGE, width: 2000 };
const WIDE_TILES = tileCount(WIDE);
const ground = useMigrations('stats');
const children: ChildProcess[] = [];
afterEach(() => {
  ground.source.fault = () => null;
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** zh-stats as a process: the lines it has printed so far, and its log. */
function startStats(...args: string[]) {
  const child = spawn(process.execPath, [program('cli/stats-main.js'), ...args], {
    env: { PATH: process.env.PATH, REDIS_URL: ground.redis.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal ?? -1)),
  );
  return {
    child,
    ended,
    lines: () => out.split('\n').slice(0, -1),
    log: () => err,
  };
}

test('prints lines while a migration runs, is away, and is complete; just started it knows the rates', async () => {
  const name = await ground.plan({ lines: WIDE });
  const first = startStats('--interval', '100ms');
  await until('its first line', () =>
    first
      .lines()
      .some(
        (line) => line === `${name}: 0 of ${WIDE_TILES} tiles (0.0 %), 0 failed, time left not known yet`,
      ),
  );
  ground.source.fault = () => ({ kind: 'slow', ms: 30 });
  const worker = ground.start('import-blobs', ['--migration', name]);
  await until('some seconds of work', async () => (await ground.status(name)).samples.length > 2, 30_000);
  const second = startStats('--interval', '100ms');
  const [line] = await until('its first line', () => second.lines().length > 0 && second.lines());
  expect(line).toMatch(
    new RegExp(
      `^${name}: \\d+ of ${WIDE_TILES} tiles \\(\\d+\\.\\d %\\), [1-9]\\d*\\.\\d tiles/s, [\\d.]+ MB/s, 0 failed, .* left at the rate of the last minute$`,
    ),
  );
  ground.source.fault = () => ({ kind: 'reset' });
  await until(
    'the source to be named',
    () =>
      second.lines().some((one) => /source unreachable since \d\d:\d\d:\d\dZ \(1 of 1 worker\): /.test(one)),
    30_000,
  );
  ground.source.fault = () => null;
  const publisher = ground.start('upload-dzis', ['--migration', name, '--until-empty']);
  expect(await exitOf(publisher, 60_000)).toEqual({ code: 0 });
  const last = `${name}: ${WIDE_TILES} of ${WIDE_TILES} tiles (100.0 %), 0 failed, complete`;
  await until('the end', () => second.lines().at(-1) === last);
  expect(second.lines().filter((one) => one === last)).toHaveLength(1);
  const shares = first.lines().flatMap((one) => /\((\d+\.\d) %\)/.exec(one)?.slice(1).map(Number) ?? []);
  expect(shares.every((share, at) => share <= 100 && share >= (shares[at - 1] ?? 0))).toBe(true);
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  await worker.kill();
}, 180_000);

test('says that Redis is away, and that Redis lost a migration, and goes on', async () => {
  const name = await ground.plan({ lost: { ...IMAGE, width: 100, height: 100 } });
  const stats = startStats('--interval', '100ms');
  await until('a line', () => stats.lines().some((line) => line.startsWith(`${name}: `)));
  await ground.redis.freeze();
  await until('it to say so', () => stats.lines().at(-1)?.includes('is unreachable'));
  const said = stats.lines().length;
  ground.redis.thaw();
  await until('more lines', () => stats.lines().length > said + 1);
  await ground.emptyRedis();
  await until('it to say so', () =>
    stats.lines().includes(`${name}: Redis lost it: its record was there and is gone`),
  );
  stats.child.kill('SIGTERM');
  expect(await stats.ended).toBe(0);
});

test('with --json each line is an object', async () => {
  const name = await ground.plan({ json: IMAGE });
  const stats = startStats('--interval', '100ms', '--json');
  const lines = await until('lines', () => stats.lines().length > 1 && stats.lines());
  const shown = lines.map((line) => JSON.parse(line)).find(({ migration }) => migration === name);
  expect(shown).toMatchObject({
    ...{ migration: name, words: 'running', leftMs: null, last10s: null },
    tiles: { total: TILES, ready: TILES },
    workers: [],
  });
});

test('with --listen tells Prometheus how all migrations stand at that moment, and whether Redis is there', async () => {
  const name = await ground.plan({ served: IMAGE });
  const stats = startStats('--interval', '1h', '--listen', '127.0.0.1:0');
  const address = await addressOf(stats.log);
  const page = async () => parseMetrics((await fetchText(`${address}/metrics`)).body);
  const ready = `convoy_zh_migration_items{lane="tiles",migration="${name}",state="ready"}`;
  expect(sample(await page(), ready)).toBe(TILES);
  const worker = ground.start('import-blobs', ['--migration', name, '--until-empty']);
  expect(await exitOf(worker, 60_000)).toEqual({ code: 0 });
  const families = await page();
  expect(lintMetrics(families)).toEqual([]);
  expect(sample(families, ready)).toBe(0);
  expect(sample(families, ready.replace('ready', 'done'))).toBe(TILES);
  const { bytes } = await ground.status(name);
  expect(sample(families, `convoy_zh_migration_stored_bytes{migration="${name}"}`)).toBe(bytes);
  expect((await fetchText(`${address}/healthz`)).status).toBe(200);
  await ground.redis.freeze();
  try {
    const away = await page();
    expect(away.get('convoy_zh_migration_items')?.samples.size).toBe(0);
    expect(sample(away, 'convoy_zh_redis_away')).toBe(1);
    expect(await fetchText(`${address}/healthz`)).toMatchObject({
      status: 503,
      body: expect.stringContaining('is unreachable'),
    });
  } finally {
    ground.redis.thaw();
  }
  expect(sample(await page(), ready.replace('ready', 'done'))).toBe(TILES);
});
