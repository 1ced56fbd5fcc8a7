import type { Cargo, Snapshot } from '../../cli/dashboard/snapshot.js';
import { LATENCY_BOUNDS_MS } from '../../jobs/latency.js';
import type {
  FailedAttempt,
  Image,
  MigrationStatus,
  StateCounts,
  StoreLatency,
  WorkerReport,
} from '../../jobs/work-queue.js';

/** What a dashboard may read of Redis, made up: for tests of pages, and for eyes. */

/** Sat 2026-11-21 12:00:00 UTC. */
export const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

export const COUNTS: StateCounts = {
  ...{ total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 },
};

/** A migration that was defined, and no more. */
export function aMigration(change: Partial<MigrationStatus> = {}, name = 'zoom'): MigrationStatus {
  return {
    definition: {
      ...{ name, source: 'azure://zoom/content', destination: 'swift://zoom/dzis' },
      ...{ rangeSize: 1000, maxAttempts: 5, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
      ...{ serverSide: 'auto', incomplete: 'withhold' },
    },
    ...{ state: 'running', reason: '', planClosed: true, planOpen: [], finished: false },
    images: { total: 0, published: 0, withheld: 0, incomplete: 0, refused: 0 },
    limit: { requestsPerSecond: null, bytesPerSecond: null },
    ...{ tiles: COUNTS, descriptors: COUNTS, bytes: 0, reclaimed: 0, failures: {}, digest: '0'.repeat(32) },
    ...{ startedAt: null, finishedAt: null, now: NOW, samples: [], verification: null },
    ...change,
  };
}

/** In full swing, at the size that Convoy was made for: 1.2 billion tiles, of which everything is to be said. */
export const BUSY = aMigration({
  images: { total: 1_200_000, published: 1_100_000, withheld: 3, incomplete: 2, refused: 14 },
  tiles: {
    ...{ total: 1_200_000_000, done: 1_099_999_900, skipped: 40, failed: 60 },
    ...{ claimed: 64_000, delayed: 1_000, ready: 99_935_000 },
  },
  descriptors: { ...COUNTS, total: 1_100_005, done: 1_100_000, claimed: 5 },
  ...{ bytes: 18_400_000_000_000, reclaimed: 12, digest: '0123456789abcdef'.repeat(2) },
  limit: { requestsPerSecond: 5000, bytesPerSecond: 10_000_000 },
  failures: { truncated: 14, 'http-404': 60 },
  startedAt: NOW - 86_400_000,
  samples: Array.from({ length: 62 }, (_, at) => {
    const ago = 61 - at;
    const fast = Math.min(ago, 10) * 2000 + Math.max(0, ago - 10) * 1000;
    return {
      ...{ at: NOW - ago * 1000, settled: 1_100_000_000 - fast },
      bytes: 18_400_000_000_000 - ago * 5_000_000,
    };
  }),
});

export const MACHINE = '472d6cb2'.padEnd(32, '0');

export function aWorker(change: Partial<WorkerReport> = {}): WorkerReport {
  return {
    ...{ worker: 'f00dfeed-0000-4000-8000-000000000001', lane: 'tiles' },
    ...{ unit: 'zh-import-blobs@1.service', machine: MACHINE },
    ...{ state: 'copying', since: NOW - 60_000, detail: 'copying', done: 1200, skipped: 3, failed: 2 },
    ...{ bytes: 12_345_678, rate: 51.04, limit: 64, latency: [] },
    ...change,
  };
}

/** So many requests each of which took `ms`. */
export function latencyOf(
  side: StoreLatency['side'],
  kind: string,
  requests: Readonly<Record<number, number>>,
): StoreLatency {
  const counts = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0);
  for (const [ms, count] of Object.entries(requests)) {
    const place = LATENCY_BOUNDS_MS.findIndex((bound) => Number(ms) <= bound);
    counts[place < 0 ? LATENCY_BOUNDS_MS.length : place] = count;
  }
  return { side, kind, counts };
}

/** 73 tiles on levels 0 to 11: of the last, 8 columns and 6 rows. */
export const IMAGE: Image = {
  ...{ number: 0, id: 'abc', width: 2000, height: 1500, tileSize: 256, overlap: 1, format: 'jpg' },
  tiles: 73,
};

export function anAttempt(change: Partial<FailedAttempt> = {}): FailedAttempt {
  return {
    ...{ lane: 'tiles', image: 'abc', first: 40, count: 1, reason: 'http-404', status: 404, attempt: 1 },
    ...{ at: NOW - 5_000, final: true, worker: 'f00dfeed-0000-4000-8000-000000000001' },
    ...change,
  };
}

export function aCargo(migrations: readonly MigrationStatus[], change: Partial<Cargo> = {}): Cargo {
  return {
    migrations: new Map(migrations.map((status) => [status.definition.name, status])),
    ...{ workers: [], failures: [], images: new Map([[IMAGE.id, IMAGE]]) },
    history: new Map(migrations.map((status) => [status.definition.name, status.samples])),
    ...change,
  };
}

/** Read half a second ago. */
export function aSnapshot(cargo: Cargo | null, change: Partial<Snapshot> = {}): Snapshot {
  return {
    now: NOW,
    cargo: { value: cargo, readAt: cargo === null ? null : NOW - 500, trouble: null },
    fleet: { value: null, readAt: null, trouble: null },
    opened: null,
    ...change,
  };
}
