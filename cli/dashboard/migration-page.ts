import { progressOf } from '../../jobs/progress.js';
import { grouped, rateWords } from '../../jobs/quantities.js';
import type { MigrationStatus, WorkerReport } from '../../jobs/work-queue.js';
import { failureCount, stateWords } from '../migration-text.js';
import { shareWords } from '../stats-text.js';
import { counted } from '../table.js';
import { chosenMigration } from './chosen-migration.js';
import { type Fact, factLines, textBlock } from './facts.js';
import { attemptRows } from './failure-rows.js';
import { cargoAlarms } from './migration-alarms.js';
import { migrationKeys } from './migration-keys.js';
import { migrationFacts, migrationsBlock } from './migration-rows.js';
import { toneOf } from './migration-tone.js';
import type { Block, Line, Page } from './page.js';
import { latencyBlock, leftLine, progressBlock, statesBlock, tilesWords } from './progress-blocks.js';
import { rateCharts } from './rate-charts.js';
import { ratesOf } from './rates.js';
import { tableOf } from './rows.js';
import type { Cargo, Snapshot } from './snapshot.js';
import { bad, dim, span, strong, warn } from './spans.js';
import type { State } from './state.js';
import { workerNames, workersBlock } from './worker-rows.js';

/** One migration, its workers and what fails. */
export function migrationPage({ now, cargo: reading }: Snapshot, state: State): Page {
  const { value: cargo, readAt } = reading;
  const shown = cargo === null ? null : chosenMigration(cargo, state.migration);
  const alarms = cargoAlarms(reading, shown);
  if (cargo === null) return unreadCargo([strong('migration')], alarms);
  const status = shown === null ? undefined : cargo.migrations.get(shown);
  if (shown === null || status === undefined) return noMigration(cargo, state, alarms);
  const others = cargo.migrations.size > 1 ? [migrationsBlock(cargo, shown, state, 4)] : [];
  if ('trouble' in status) return unreadable(shown, cargo, state, alarms, others);
  // What was read a while ago is as old on the queue's clock as on ours.
  const queueNow = status.now + Math.max(0, now - (readAt ?? now));
  const rates = ratesOf(cargo.history.get(shown) ?? [], queueNow);
  return {
    title: titleOf(status, cargo),
    alarms,
    blocks: [
      ...[progressBlock(status, 0), statesBlock(status, 0), factsBlock(migrationFacts(status))],
      ...[...rateCharts(rates, 1), latencyBlock(cargo.workers, 1)],
      workersBlock(cargo.workers, state, 2),
      failuresBlock(shown, cargo, state, queueNow),
      ...others,
    ],
    about: { migration: shown },
    keys: migrationKeys('migration', cargo, shown),
    brief: briefOf(status, cargo.workers),
  };
}

/** In place of any page about migrations that were never read. */
export function unreadCargo(title: Line, alarms: readonly Line[]): Page {
  const line: Line = [dim(alarms.length === 0 ? 'asking Redis for the migrations' : 'nothing was read yet')];
  return {
    title,
    alarms,
    blocks: [textBlock({ ...FACTS, band: 0, spare: 0 }, [line])],
    about: {},
    keys: migrationKeys('migration', null, null),
    brief: [line],
  };
}

const FACTS = {
  id: 'facts',
  title: 'Migration',
  grow: { width: 1, height: 0 },
  least: { width: 46, height: 4 },
} as const;

function factsBlock(facts: readonly Fact[]): Block {
  return textBlock({ ...FACTS, band: 0, spare: 7 }, factLines(facts));
}

/** `zoom  running  azure://zoom/content to swift://zoom/dzis  1 of 3 migrations` */
function titleOf(status: MigrationStatus, { migrations }: Cargo): Line {
  const { name, source, destination } = status.definition;
  const at = [...migrations.keys()].indexOf(name) + 1;
  return [
    strong(name),
    span('  '),
    span(stateWords(status, grouped), toneOf(status)),
    ...(migrations.size > 1 ? [dim(`  ${grouped(at)} of ${grouped(migrations.size)} migrations`)] : []),
    dim(`  ${source} to ${destination}`),
  ];
}

function failuresBlock(name: string, { failures, images, workers }: Cargo, state: State, now: number): Block {
  const known = { image: (id: string) => images.get(id) ?? null, worker: workerNames(workers), now };
  const rows = attemptRows(name, failures, known);
  const listing = { ...rows, empty: 'nothing has failed lately' };
  return {
    ...{ id: 'failures', title: 'Newest failures', band: 3 },
    ...{ grow: { width: 1, height: 2 }, least: { width: 36, height: 4 } },
    most: { height: rows.rows.length + 3 },
    ...{ spare: 3, body: tableOf(state, 'failures', listing) },
  };
}

function briefOf(status: MigrationStatus, workers: readonly WorkerReport[]): Line[] {
  const { tiles } = status;
  const progress = progressOf(status);
  const failures = failureCount(status);
  const away = workers.filter(({ state }) => state.endsWith('unreachable')).length;
  return [
    [strong(shareWords(progress) ?? '0.0 %'), span('  '), ...leftLine(status, progress)],
    [span(tilesWords(tiles))],
    ...(progress.last10s === null ? [] : [[span(grouped(rateWords(progress.last10s)))]]),
    [failures === 0 ? dim('0 failures') : bad(counted(failures, 'failure', grouped))],
    [
      span(counted(workers.length, 'worker', grouped)),
      ...(away === 0 ? [] : [bad(`, ${grouped(away)} away from a store`)]),
    ],
    ...(['ready', 'claimed', 'delayed', 'done', 'skipped', 'failed'] as const).map(
      (name): Line => [span(`${name} ${grouped(tiles[name])}`)],
    ),
  ];
}

/** Redis lost it, or it cannot be read. */
function unreadable(
  name: string,
  cargo: Cargo,
  state: State,
  alarms: readonly Line[],
  others: Block[],
): Page {
  const lines: Line[] = [
    [bad(`${name} cannot be read.`)],
    [
      span(
        'If Redis lost it, create it again as it was and plan it; what is at the destination is found there:',
      ),
    ],
    [strong(`convoyctl migration create ${name} --source ... --destination ...`)],
    [strong(`zh-populate --migration ${name}`)],
    [strong('zh-import-blobs --skip-existing')],
  ];
  return {
    title: [strong(name), span('  '), bad('lost')],
    alarms,
    blocks: [
      textBlock({ ...FACTS, band: 0, spare: 0 }, lines),
      workersBlock(cargo.workers, state, 2),
      ...others,
    ],
    about: { migration: name },
    keys: migrationKeys('migration', cargo, name),
    brief: lines,
  };
}

function noMigration(cargo: Cargo, state: State, alarms: readonly Line[]): Page {
  const lines: Line[] = [
    [span('There is no migration yet (if there was one, Redis lost it). To begin one:')],
    [strong('convoyctl migration create NAME --source LOCATION --destination LOCATION')],
    [strong('zh-populate --migration NAME'), dim('   reads the list of images')],
    [strong('zh-import-blobs'), dim('   copies the tiles; on any number of machines')],
    [strong('zh-upload-dzis'), dim('   publishes each image that is whole')],
  ];
  return {
    title: [warn('no migration yet')],
    alarms,
    blocks: [textBlock({ ...FACTS, band: 0, spare: 0 }, lines), workersBlock(cargo.workers, state, 2)],
    about: {},
    keys: migrationKeys('migration', cargo, null),
    brief: lines,
  };
}
