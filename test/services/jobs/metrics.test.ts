import { createServer } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressOf, exitOf, fetchText, useMigrations } from '../../support/migration-ground.js';
import type { JobProgram, Running } from '../../support/migration-processes.js';
import { type Family, lintMetrics, parseMetrics, sample } from '../../support/prometheus-text.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 50, overlap: 1, format: 'jpg' };
const ground = useMigrations('metrics');
afterEach(() => {
  ground.source.fault = () => null;
});

async function listening(job: JobProgram, ...args: string[]): Promise<{ running: Running; address: string }> {
  const running = ground.start(job, ['--listen', '127.0.0.1:0', ...args]);
  return { running, address: await addressOf(() => ground.logOf(running)) };
}
const metricsOf = async (address: string): Promise<Map<string, Family>> =>
  parseMetrics((await fetchText(`${address}/metrics`)).body);
/** Of a lane, by outcome. */
function itemsOf(families: ReadonlyMap<string, Family>, lane: string) {
  const of = (outcome: string): number =>
    sample(families, `convoy_zh_items_total{lane="${lane}",outcome="${outcome}"}`);
  return { done: of('done'), skipped: of('skipped'), failed: of('failed'), delayed: of('delayed') };
}

describe('of one program', () => {
  let families: Map<string, Family>;
  let name: string;
  beforeAll(async () => {
    name = await ground.plan({ one: IMAGE });
    // One tile is never there, another only at the second attempt.
    ground.source.fault = (key, times) =>
      key === 'one_files/10/0_0.jpg' || (key === 'one_files/10/1_0.jpg' && times <= 4)
        ? { kind: 'status', status: key.includes('/0_0') ? 404 : 500 }
        : null;
    const { running, address } = await listening('import-blobs', '--migration', name);
    await until(
      'all settled',
      async () => {
        const { done, failed, total } = (await ground.status(name)).tiles;
        return done + failed === total;
      },
      60_000,
    );
    families = await metricsOf(address);
    running.child.kill('SIGTERM');
    expect(await exitOf(running)).toEqual({ code: 0 });
  });

  test('the counters are exactly what the queue has', async () => {
    const { tiles, bytes } = await ground.status(name);
    expect(itemsOf(families, 'tiles')).toEqual({ done: tiles.done, skipped: 0, failed: 1, delayed: 1 });
    expect(sample(families, 'convoy_zh_bytes_total')).toBe(bytes);
    expect(sample(families, 'convoy_zh_claims_total{answer="claimed",lane="tiles"}')).toBeGreaterThan(3);
    expect(sample(families, 'convoy_zh_checkpoints_total{answer="ended",lane="tiles"}')).toBeGreaterThan(3);
    expect(sample(families, 'convoy_zh_checkpoints_total{answer="lost",lane="tiles"}')).toBe(0);
    expect(sample(families, 'convoy_zh_reclaimed_total')).toBeGreaterThanOrEqual(1);
    expect(families.has('convoy_zh_in_flight_limit')).toBe(true);
    expect(sample(families, 'convoy_zh_redis_away')).toBe(0);
  });

  test('the latencies of both stores are told by operation', async () => {
    const { done } = (await ground.status(name)).tiles;
    const counted = (side: string, kind: string, operation: string): number =>
      [...(families.get('convoy_zh_store_seconds')?.samples ?? [])]
        .filter(
          ([series]) =>
            series.includes('_count{') &&
            [`side="${side}"`, `kind="${kind}"`, `operation="${operation}"`].every((label) =>
              series.includes(label),
            ),
        )
        .reduce((sum, [, value]) => sum + value, 0);
    expect(counted('source', 'http', 'read')).toBeGreaterThanOrEqual(done + 1);
    expect(counted('destination', 'file', 'write')).toBe(done);
  });

  test('the page is as Prometheus wants it, and no label can grow without bound', () => {
    expect(lintMetrics(families)).toEqual([]);
    const labels = [...families.values()].flatMap(({ samples }) =>
      [...samples.keys()].flatMap((series) =>
        [...series.matchAll(/([a-z_]+)="/g)].map(([, label]) => label!),
      ),
    );
    expect(new Set(labels)).toEqual(
      new Set(['lane', 'outcome', 'answer', 'side', 'kind', 'operation', 'le']),
    );
  });
});

test('zh-upload-dzis counts its descriptors', async () => {
  const name = await ground.plan({ published: { ...IMAGE, width: 100, height: 100 } });
  const tiles = ground.start('import-blobs', ['--migration', name, '--until-empty']);
  expect(await exitOf(tiles, 60_000)).toEqual({ code: 0 });
  const { running, address } = await listening('upload-dzis', '--migration', name);
  await until('the descriptor', async () => (await ground.status(name)).finished, 30_000);
  const families = await metricsOf(address);
  expect(itemsOf(families, 'descriptors')).toEqual({ done: 1, skipped: 0, failed: 0, delayed: 0 });
  await running.kill();
});

describe('/healthz', () => {
  const healthOf = (address: string) => fetchText(`${address}/healthz`);

  test('is 503 with a sentence while Redis does not answer, and 200 again', async () => {
    const { running, address } = await listening('import-blobs');
    await until('it to be well', async () => (await healthOf(address)).status === 200);
    await ground.redis.freeze();
    try {
      const ill = await until('it to say so', async () => {
        const answer = await healthOf(address);
        return answer.status === 503 && answer;
      });
      expect(ill.body).toMatch(
        /^Redis at redis:\/\/127\.0\.0\.1:\d+ is unreachable: .* \(since \d{4}-.*Z\)\n$/,
      );
      expect(sample(await metricsOf(address), 'convoy_zh_redis_away')).toBe(1);
    } finally {
      ground.redis.thaw();
    }
    await until('it to be well again', async () => (await healthOf(address)).status === 200, 20_000);
    await running.kill();
  });

  test('is 503 with a sentence while the source is away, and 200 again', async () => {
    const name = await ground.plan({ away: { ...IMAGE, width: 4000 } });
    const { running, address } = await listening('import-blobs', '--migration', name);
    await until('tiles to be copied', async () => (await ground.status(name)).tiles.done > 0);
    ground.source.fault = () => ({ kind: 'reset' });
    const ill = await until(
      'it to say so',
      async () => {
        const answer = await healthOf(address);
        return answer.status === 503 && answer;
      },
      30_000,
    );
    expect(ill.body).toMatch(/^source unreachable since \d{4}-.*Z: .+\n$/);
    expect(sample(await metricsOf(address), 'convoy_zh_store_away{side="source"}')).toBe(1);
    expect(sample(await metricsOf(address), 'convoy_zh_store_away{side="destination"}')).toBe(0);
    expect(sample(await metricsOf(address), 'convoy_zh_in_flight_limit')).toBeGreaterThan(0);
    ground.source.fault = () => null;
    await until('it to be well again', async () => (await healthOf(address)).status === 200, 30_000);
    await running.kill();
    await ground.queue.cancel(name, 'the test');
  });

  test('is that of all processes: 503 only while none can work', async () => {
    const { running, address } = await listening('import-blobs', '--processes', '2');
    await until('it to be well', async () => (await healthOf(address)).status === 200, 20_000);
    await ground.redis.freeze();
    const ill = await until('it to say so', async () => {
      const answer = await healthOf(address);
      return answer.status === 503 && answer;
    }).finally(() => ground.redis.thaw());
    expect(ill.body).toMatch(/^none of the 2 processes can work; process 1: Redis at .* is unreachable/);
    await until('it to be well again', async () => (await healthOf(address)).status === 200, 20_000);
    await running.kill();
  });
});

test('with --processes the page adds up all, and keeps what one that died had counted', async () => {
  const name = await ground.plan({ many: { ...IMAGE, width: 3000 } });
  ground.source.fault = () => ({ kind: 'slow', ms: 20 });
  const { running, address } = await listening('import-blobs', '--migration', name, '--processes', '2');
  const seen = await until(
    'both to have counted',
    async () => {
      const families = await metricsOf(address);
      return (
        families.has('convoy_zh_items_total') &&
        sample(families, 'convoy_zh_claims_total{answer="claimed",lane="tiles"}') >= 2 &&
        itemsOf(families, 'tiles').done > 50 &&
        families
      );
    },
    30_000,
  );
  const [, first] = /"pid":(\d+),"msg":"process started"/.exec(ground.logOf(running))!;
  process.kill(Number(first), 'SIGKILL');
  let last = itemsOf(seen, 'tiles').done;
  await until(
    'another process, and all tiles',
    async () => {
      const families = await metricsOf(address);
      const { done } = itemsOf(families, 'tiles');
      expect(done).toBeGreaterThanOrEqual(last);
      last = done;
      const { tiles } = await ground.status(name);
      return tiles.done === tiles.total && sample(families, 'convoy_zh_process_deaths_total') === 1;
    },
    90_000,
  );
  const { tiles } = await ground.status(name);
  // The one that died took with it what it had not told yet: a second's worth.
  await until('the last numbers', async () => {
    const { done } = itemsOf(await metricsOf(address), 'tiles');
    return done > tiles.total * 0.5 && done <= tiles.total;
  });
  const families = await metricsOf(address);
  expect(lintMetrics(families)).toEqual([]);
  expect(sample(families, 'process_start_time_seconds')).toBeLessThanOrEqual(Date.now() / 1000);
  await running.kill();
}, 180_000);

test('an address that is taken is said in one sentence, exit code 1; one that is none, exit code 2', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  for (const [address, code, words] of [
    [`127.0.0.1:${port}`, 1, 'EADDRINUSE'],
    ['9100', 2, 'zh-import-blobs: --listen: expected host:port, got "9100"'],
  ] as const) {
    const running = ground.start('import-blobs', ['--listen', address, '--log-level', 'error']);
    expect(await exitOf(running)).toEqual({ code });
    expect(ground.logOf(running).trim().split('\n')).toEqual([expect.stringContaining(words)]);
  }
  await new Promise((resolve) => taken.close(resolve));
});
