import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { aborted } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { type OpenOptions, openDestination, openSource, openStore } from '../../../stores/open.js';
import type { Store } from '../../../stores/store.js';
import { properties } from '../../contracts/store-cases.js';
import { manualClock } from '../../support/clock.js';
import { ROOT } from '../../support/programs.js';
import { lintMetrics, parseMetrics } from '../../support/prometheus-text.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
const closing = <S extends Store>(store: S): S => {
  closers.push(() => store.close());
  return store;
};

/** A source of one tile, whose answers have these statuses, one after the other, then 200. */
async function sourceOf(...statuses: number[]): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(statuses.shift() ?? 200, { 'content-length': 4 }).end('tile');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'convoy-metrics-'));
  closers.push(() => rmSync(made, { recursive: true }));
  return `file://${made}`;
}

/** Nobody waits for what is tried again. */
function impatient(): OpenOptions['retry'] {
  return { clock: { ...manualClock(), sleep: async () => undefined }, random: () => 0 };
}

test('every attempt at a store is counted and timed by side, kind, operation and outcome, bytes as well', async () => {
  const meter = prometheusMeter();
  const retry = impatient();
  const options = { log: silentLog, env: {}, meter, ...(retry === undefined ? {} : { retry }) };
  const source = closing(await openSource(await sourceOf(503, 500, 200, 404), options));
  const destination = closing(await openDestination(directory(), options));
  const tile = await source.read('a/b.jpg', 100);
  await destination.write('a/b.jpg', tile.bytes, properties(tile.bytes));
  expect(await source.head('none')).toBeNull();
  await expect(destination.read('none', 1)).rejects.toMatchObject({ code: 'not-found' });
  const stopped = AbortSignal.abort();
  await expect(destination.head('a/b.jpg', stopped)).rejects.toMatchObject({ kind: 'aborted' });
  // Neither of a migration's, and of a kind that is open already.
  await closing(await openStore(directory(), null, options)).check();

  const families = parseMetrics(await meter.text());
  expect(lintMetrics(families)).toEqual([]);
  const counts = [...(families.get('convoy_zh_store_seconds')?.samples ?? [])].filter(([series]) =>
    series.startsWith('convoy_zh_store_seconds_count'),
  );
  const labels = (side: string, kind: string, operation: string, outcome: string) =>
    `convoy_zh_store_seconds_count{kind="${kind}",operation="${operation}",outcome="${outcome}",side="${side}"}`;
  expect(new Map(counts)).toEqual(
    new Map([
      [labels('source', 'http', 'read', 'transient'), 2],
      [labels('source', 'http', 'read', 'ok'), 1],
      [labels('source', 'http', 'head', 'ok'), 1],
      [labels('destination', 'file', 'write', 'ok'), 1],
      [labels('destination', 'file', 'read', 'permanent'), 1],
      [labels('destination', 'file', 'head', 'aborted'), 1],
      [labels('other', 'file', 'check', 'ok'), 1],
    ]),
  );
  expect([...(families.get('convoy_zh_store_bytes_total')?.samples ?? [])]).toEqual([
    ['convoy_zh_store_bytes_total{kind="http",operation="read",side="source"}', 4],
    ['convoy_zh_store_bytes_total{kind="file",operation="write",side="destination"}', 4],
  ]);
});

test('the document has them, by their labels and values', async () => {
  const meter = prometheusMeter();
  closing(await openSource(await sourceOf(), { log: silentLog, env: {}, meter }));
  const told = parseMetrics(await meter.text());
  const rows = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8').split('\n');
  for (const [name, { type }] of told) {
    const row = rows.find((line) => line.startsWith(`| \`${name}\` | ${type}, \`side\``));
    for (const label of ['kind', 'operation']) expect(row).toContain(`\`${label}\``);
  }
  expect([...told.keys()]).toEqual(['convoy_zh_store_seconds', 'convoy_zh_store_bytes_total']);
});

test('who gave up waiting for a turn has asked no store', async () => {
  const meter = prometheusMeter();
  const limiter = {
    turn: async () => {
      throw aborted('gave up');
    },
  };
  const options = { log: silentLog, env: {}, meter, limiter };
  const source = closing(await openSource(await sourceOf(), options));
  await expect(source.read('x', 10)).rejects.toMatchObject({ kind: 'aborted' });
  const families = parseMetrics(await meter.text());
  expect(families.get('convoy_zh_store_seconds')?.samples.size).toBe(0);
});

test('how long each attempt took is heard by side and kind, with or without a meter, but for what was broken off here', async () => {
  for (const meter of [undefined, prometheusMeter()]) {
    const heard: string[] = [];
    const options: OpenOptions = {
      ...{ log: silentLog, env: {}, retry: impatient()!, ...(meter === undefined ? {} : { meter }) },
      latencyOf: (side, kind) => (ms) => {
        heard.push(`${side} ${kind}`);
        expect(ms).toBeGreaterThan(0);
      },
    };
    const source = closing(await openSource(await sourceOf(503, 200, 404), options));
    const destination = closing(await openDestination(directory(), options));
    await source.read('a', 100);
    expect(await source.head('none')).toBeNull();
    await expect(destination.read('none', 1)).rejects.toMatchObject({ code: 'not-found' });
    await expect(destination.head('a', AbortSignal.abort())).rejects.toMatchObject({ kind: 'aborted' });
    await closing(await openStore(directory(), null, options)).check();
    expect(heard).toEqual([...Array.from({ length: 3 }, () => 'source http'), 'destination file']);
  }
});
