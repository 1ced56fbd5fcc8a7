import { progressOf, type Rate, settledOf } from '../jobs/progress.js';
import { LANES, type MigrationStatus, type StateCounts, type WorkerReport } from '../jobs/work-queue.js';
import type { Meter, Reading } from '../runtime/meter.js';
import { failureCount } from './migration-text.js';
import type { Picture } from './stats.js';

/**
 * What zh-stats tells Prometheus: how each migration stands, and who works. All is read from Redis when it is asked for
 * and nothing is kept, so labels may be names that people gave (migration, unit, machine): a series is there as long
 * as what it tells of. Worker ids are random and new with every start, so they are none; workers of one unit are added up.
 */
export function statsMetrics(meter: Meter, picture: () => Picture | null): void {
  const statuses = (): MigrationStatus[] =>
    [...(picture()?.migrations.values() ?? [])].flatMap((found) => ('trouble' in found ? [] : [found]));

  /** A gauge with a value, or some, for each migration; null is not told. */
  function each<const Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
    look: (status: MigrationStatus) => readonly { labels: Record<Label, string>; value: number | null }[],
  ): void {
    meter.reading<Label | 'migration'>('gauge', { name, help, labels: ['migration', ...labels] }, () =>
      statuses().flatMap((status) =>
        look(status).flatMap(({ labels: more, value }) =>
          value === null ? [] : [{ labels: { migration: status.definition.name, ...more }, value }],
        ),
      ),
    );
  }
  const only = (value: number | null): readonly [{ labels: Record<never, string>; value: number | null }] => [
    { labels: {}, value },
  ];

  each(
    'convoy_zh_migration_items',
    'Tiles, descriptors, and checks of the last verification, by state.',
    ['lane', 'state'],
    (status) =>
      lanesOf(status).flatMap(([lane, { total: _, ...counts }]) =>
        Object.entries(counts).map(([state, value]) => ({ labels: { lane, state }, value })),
      ),
  );
  each('convoy_zh_migration_images', 'Images planned, by what became of them.', ['state'], ({ images }) =>
    Object.entries(images).map(([state, value]) => ({ labels: { state }, value })),
  );
  each('convoy_zh_migration_state', '1 for the state it is in.', ['state'], (status) => {
    const now = status.finished && status.state !== 'cancelled' ? 'finished' : status.state;
    return ['running', 'paused', 'cancelled', 'finished'].map((state) => ({
      labels: { state },
      value: state === now ? 1 : 0,
    }));
  });
  each('convoy_zh_migration_stored_bytes', 'Bytes of tiles and descriptors done.', [], ({ bytes }) =>
    only(bytes),
  );
  each('convoy_zh_migration_failures', 'Tiles, descriptors and images that failed for good.', [], (status) =>
    only(failureCount(status)),
  );
  each(
    'convoy_zh_migration_failures_by_reason',
    'The same by reason, a short constant word.',
    ['reason'],
    ({ failures }) => Object.entries(failures).map(([reason, value]) => ({ labels: { reason }, value })),
  );
  each(
    'convoy_zh_migration_reclaimed',
    'Tiles and descriptors handed out again because their claim was lost.',
    [],
    ({ reclaimed }) => only(reclaimed),
  );
  const rates = (status: MigrationStatus, of: keyof Rate) => {
    const { last10s, lastMinute, whole } = progressOf(status);
    const windows = { '10s': last10s, '1m': lastMinute, run: whole };
    return Object.entries(windows).map(([window, rate]) => ({
      labels: { window },
      value: rate === null ? null : rate[of],
    }));
  };
  each(
    'convoy_zh_migration_tiles_per_second',
    'Tiles settled per second, over 10 s, 1 minute and the whole run.',
    ['window'],
    (status) => rates(status, 'tilesPerSecond'),
  );
  each(
    'convoy_zh_migration_bytes_per_second',
    'Bytes stored per second, over 10 s, 1 minute and the whole run.',
    ['window'],
    (status) => rates(status, 'bytesPerSecond'),
  );
  each(
    'convoy_zh_migration_left_seconds',
    'Time until all tiles are settled at the present rate; not told while it is not known.',
    [],
    (status) => {
      const { leftMs } = progressOf(status);
      return only(leftMs === null ? null : leftMs / 1000);
    },
  );
  workerMetrics(meter, () => picture()?.workers ?? []);
}

function lanesOf({ tiles, descriptors, verification }: MigrationStatus): [string, StateCounts][] {
  return LANES.flatMap((lane) => {
    const counts = { tiles, descriptors, checks: verification?.checks }[lane];
    return counts === undefined ? [] : [[lane, counts] as [string, StateCounts]];
  });
}

const OF_WORKERS = ['lane', 'unit', 'machine'] as const;
type OfWorkers = (typeof OF_WORKERS)[number];

function workerMetrics(meter: Meter, workers: () => readonly WorkerReport[]): void {
  /** Added up over the workers of a lane, unit and machine. */
  function sums(look: (report: WorkerReport) => number): Reading<OfWorkers>[] {
    const found = new Map<string, Reading<OfWorkers>>();
    for (const report of workers()) {
      const { lane, unit, machine } = report;
      const key = JSON.stringify([lane, unit, machine]);
      const value = (found.get(key)?.value ?? 0) + look(report);
      found.set(key, { labels: { lane, unit, machine }, value });
    }
    return [...found.values()];
  }
  function gauge(name: string, help: string, look: (report: WorkerReport) => number): void {
    meter.reading('gauge', { name, help, labels: OF_WORKERS }, () => sums(look));
  }

  gauge('convoy_zh_workers', 'Workers that have reported within 15 s.', () => 1);
  gauge(
    'convoy_zh_workers_waiting',
    'Those of them whose source or destination is unreachable.',
    ({ state }) => (state.endsWith('unreachable') ? 1 : 0),
  );
  gauge('convoy_zh_worker_items', 'Items they have settled since they started.', (report) =>
    settledOf(report),
  );
  gauge('convoy_zh_worker_failed_items', 'Of these, those that failed for good.', ({ failed }) => failed);
  gauge('convoy_zh_worker_bytes', 'Bytes they have carried since they started.', ({ bytes }) => bytes);
  gauge('convoy_zh_worker_items_per_second', 'Items settled per second, over 10 s.', ({ rate }) => rate);
  gauge('convoy_zh_worker_in_flight_limit', 'Objects they may have in flight.', ({ limit }) => limit);
}
