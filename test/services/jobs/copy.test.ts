import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { joinDigests, tileDigest } from '../../../jobs/digest.js';
import { openRoute } from '../../../jobs/route.js';
import type { Lane, MigrationDefinition } from '../../../jobs/work-queue.js';
import { createWorker, type Worker } from '../../../jobs/worker.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { keysOf, startTileSource, type TileSource } from '../../support/tile-source.js';
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
  start(lane: Lane): { worker: Worker; stop: () => Promise<void> };
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
    ...{ rangeSize: 50, maxAttempts: 3, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
    ...change,
  };
  await queue.createMigration(definition);
  let workers = 0;
  return {
    ...{ source, directory, queue, definition },
    start(lane) {
      const stopping = new AbortController();
      const random = Math.random;
      const log = silentLog;
      const worker = createWorker({
        ...{ queue, lane, id: `w${++workers}`, clock, random, log, concurrency: 16 },
        openRoute: (one, hooks) => openRoute(one, { clock, random, log, ...hooks }),
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
    await queue.addImage('m', id, IMAGE);
  }
  await queue.closePlan('m');
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
});
