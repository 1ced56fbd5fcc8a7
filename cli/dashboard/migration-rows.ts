import { progressOf } from '../../jobs/progress.js';
import { duration, grouped, size } from '../../jobs/quantities.js';
import type { MigrationStatus } from '../../jobs/work-queue.js';
import { failureCount, stateWords } from '../migration-text.js';
import { shareWords } from '../stats-text.js';
import { counted } from '../table.js';
import { stamp } from '../times.js';
import type { Fact } from './facts.js';
import { toneOf } from './migration-tone.js';
import type { Block, Line, Table } from './page.js';
import { type Listing, tableOf } from './rows.js';
import type { Cargo } from './snapshot.js';
import { bad, dim, span, strong, warn } from './spans.js';
import type { State } from './state.js';
import { countSpan } from './worker-rows.js';

/** All migrations, the one that is shown among them. */
export function migrationsBlock({ migrations }: Cargo, shown: string, state: State, band: number): Block {
  const rows = [...migrations].map(([name, found]): Listing['rows'][number] => ({
    key: name,
    cells: [
      [name === shown ? strong(name) : span(name)],
      ...('trouble' in found ? [[bad(found.trouble)], NONE, NONE, NONE, NONE] : cellsOf(found)),
    ],
    opens: null,
    about: { migration: name },
  }));
  return {
    ...{ id: 'migrations', title: `Migrations: ${grouped(rows.length)}`, band },
    ...{
      grow: { width: 1, height: 0 },
      least: { width: 40, height: Math.min(rows.length, 3) + 3 },
      most: { height: rows.length + 3 },
    },
    ...{ spare: 8, body: tableOf(state, 'migrations', { columns: COLUMNS, rows, empty: '' }) },
  };
}

const NONE: Line = [];
const COLUMNS: Table['columns'] = [
  { head: 'MIGRATION', align: 'left', spare: 0 },
  { head: 'STATE', align: 'left', spare: 1 },
  { head: 'SHARE', align: 'right', spare: 0 },
  { head: 'TILES/S', align: 'right', spare: 3 },
  { head: 'FAILURES', align: 'right', spare: 2 },
  { head: 'TIME LEFT', align: 'left', spare: 4 },
];

function cellsOf(status: MigrationStatus): Line[] {
  const progress = progressOf(status);
  const { last10s, leftMs } = progress;
  return [
    [span(stateWords(status, grouped), toneOf(status))],
    [span(shareWords(progress) ?? '-')],
    [last10s === null ? dim('-') : span(grouped(last10s.tilesPerSecond.toFixed(1)))],
    [countSpan(failureCount(status), 'bad')],
    [leftMs === null || status.finished ? dim('-') : span(duration(leftMs))],
  ];
}

/** What does not change from one look to the next, and sums. */
export function migrationFacts(status: MigrationStatus): readonly Fact[] {
  const { images, bytes, planClosed, planOpen, startedAt, finishedAt, failures, reclaimed, digest } = status;
  const reasons = Object.entries(failures).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const troubles = (['withheld', 'incomplete', 'refused'] as const).flatMap((name) =>
    images[name] === 0 ? [] : [`${grouped(images[name])} ${name}`],
  );
  return [
    ['Images', [span(`${grouped(images.published)} of ${grouped(images.total)} published`)]],
    ['', troubles.length === 0 ? null : [warn(troubles.join(', '))]],
    [
      'Failures',
      reasons.length === 0
        ? null
        : [bad(reasons.map(([reason, count]) => `${reason} ${grouped(count)}`).join(', '))],
    ],
    ['Stored', [span(grouped(size(bytes)))]],
    ['Plan', planClosed ? null : [span(planOpen.length === 0 ? 'open' : `open: ${planOpen.join(', ')}`)]],
    ['Began', startedAt === null ? null : [span(stamp(startedAt))]],
    ['Ended', finishedAt === null ? null : [span(stamp(finishedAt))]],
    ['Reclaimed', reclaimed === 0 ? null : [span(`${counted(reclaimed, 'item', grouped)} of lost claims`)]],
    ['Digest', [dim(digest)]],
  ];
}
