import { grouped } from '../../jobs/quantities.js';
import { reasonWords } from '../reason-text.js';
import { counted } from '../table.js';
import type { Detail } from './detail.js';
import { standingRows } from './failure-rows.js';
import { filterWords } from './filter-words.js';
import { cargoAlarms } from './migration-alarms.js';
import { migrationKeys } from './migration-keys.js';
import { openedFor } from './opened-for.js';
import type { Block, Line, Page, Table } from './page.js';
import { type Listing, tableOf } from './rows.js';
import type { Opened, Snapshot } from './snapshot.js';
import { bad, dim, span, strong } from './spans.js';
import type { State } from './state.js';

/** All failures of a migration that stand, or those that a filter chooses: to be seen, and to be tried again. */
export function failuresPage(
  snapshot: Snapshot,
  state: State,
  detail: Extract<Detail, { kind: 'failures' }>,
): Page {
  const { migration, filter } = detail;
  const looked = openedFor(snapshot, detail);
  const status = snapshot.cargo.value?.migrations.get(migration);
  const reasons =
    status === undefined || 'trouble' in status
      ? []
      : Object.entries(status.failures).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const words = filterWords({ filter, rest: '' });
  const trouble = looked?.trouble ?? null;
  const told = listedWords(looked);
  return {
    title: [strong('failures'), span(`  of ${migration}`), dim(words === '' ? '' : `  ${words}`)],
    alarms: [
      ...cargoAlarms(snapshot.cargo, null),
      ...(trouble === null ? [] : [[bad(`failures cannot be read now: ${trouble}`)]]),
    ],
    blocks: [failuresBlock(detail, looked, told, state), reasonsBlock(migration, reasons, state)],
    about: { migration },
    keys: migrationKeys('failures', snapshot.cargo.value, migration),
    brief: [
      [span(told)],
      ...reasons.map(([reason, count]): Line => [bad(grouped(count)), span(` ${reason}`)]),
    ],
  };
}

type Looked = Extract<Opened, { kind: 'failures' }>;

/** `74 items`, `1,000 of 1,204,113 items`, `1,000 items, and more`: tiles, descriptors, checks and ids are counted. */
function listedWords(looked: Looked | null): string {
  if (looked === null) return 'asking for them';
  const { failures, matching, trouble } = looked;
  if (failures.length === 0 && trouble !== null) return 'nothing was read yet';
  const listed = failures.reduce((sum, { count }) => sum + count, 0);
  const items = counted(Math.max(listed, matching ?? listed), 'item', grouped);
  if (matching === null) return `${items}, and more`;
  return listed >= matching ? items : `${grouped(listed)} of ${items}`;
}

function failuresBlock(
  { migration, filter }: Extract<Detail, { kind: 'failures' }>,
  looked: Looked | null,
  told: string,
  state: State,
): Block {
  const rows = standingRows(migration, looked?.failures ?? [], {
    image: (id) => looked?.images.get(id) ?? null,
  });
  const filtered = filterWords({ filter, rest: '' });
  const none = filtered === '' ? 'no failure stands' : `no failure stands with ${filtered}`;
  const isRead = looked !== null && (looked.trouble === null || looked.failures.length > 0);
  const empty = isRead ? none : told;
  const body = tableOf(state, 'failures', { ...rows, empty });
  const marked = body.rows.filter((row) => row.marked).length;
  const title = [`Failures: ${told}`, ...(marked === 0 ? [] : [`${grouped(marked)} marked`])].join(', ');
  return {
    ...{ id: 'failures', title, band: 0, spare: 0, body },
    ...{ grow: { width: 1, height: 4 }, least: { width: 36, height: 5 } },
  };
}

/** Enter on a reason lists what failed with it, `t` tries all of that again. (Checks are not counted by reason.) */
function reasonsBlock(
  migration: string,
  reasons: readonly (readonly [reason: string, count: number])[],
  state: State,
): Block {
  const columns: Table['columns'] = [
    { head: 'COUNT', align: 'right', spare: 0 },
    { head: 'REASON', align: 'left', spare: 0 },
    { head: 'WHAT IT MEANS', align: 'left', spare: 1 },
  ];
  const rows = reasons.map(([reason, count]): Listing['rows'][number] => ({
    key: reason,
    cells: [[span(grouped(count))], [span(reason)], [dim(reasonWords({ lane: 'tiles', reason }))]],
    opens: { kind: 'failures', migration, filter: { reason } },
    about: { migration, failure: { reason } },
  }));
  return {
    ...{ id: 'facts', title: 'By reason', band: 1, spare: 1 },
    ...{ grow: { width: 1, height: 1 }, least: { width: 36, height: 4 } },
    most: { height: Math.max(1, rows.length) + 3 },
    body: tableOf(state, 'facts', { columns, rows, empty: 'nothing has failed' }),
  };
}
