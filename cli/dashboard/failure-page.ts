import { grouped } from '../../jobs/quantities.js';
import type { FailedAttempt, FailureRecord, MigrationDefinition } from '../../jobs/work-queue.js';
import { keyOf } from '../migration-json.js';
import { reasonWords } from '../reason-text.js';
import { counted } from '../table.js';
import { timeNear } from '../times.js';
import type { Detail } from './detail.js';
import { retried, whatWords } from './failure-names.js';
import type { Known } from './failure-rows.js';
import { cargoAlarms } from './migration-alarms.js';
import { migrationKeys } from './migration-keys.js';
import { openedFor } from './opened-for.js';
import type { Block, Line, Page, Table } from './page.js';
import { type Listing, tableOf } from './rows.js';
import type { Opened, Snapshot } from './snapshot.js';
import { bad, dim, good, span, strong, warn } from './spans.js';
import type { State } from './state.js';
import { workerNames } from './worker-rows.js';

type Looked = Extract<Opened, { kind: 'failure' }>;
type FailureDetail = Extract<Detail, { kind: 'failure' }>;

/** One failure from near: what failed and where it lies, why, what was tried, and what can be done. */
export function failurePage(snapshot: Snapshot, state: State, detail: FailureDetail): Page {
  const { migration, failure } = detail;
  const looked = openedFor(snapshot, detail);
  const status = snapshot.cargo.value?.migrations.get(migration);
  const definition = status === undefined || 'trouble' in status ? null : status.definition;
  const image = looked?.image?.image ?? null;
  const facts = factsOf(detail, looked, definition);
  const stands = looked?.record ?? null;
  const workers = snapshot.cargo.value?.workers ?? [];
  const known = { image: () => image, worker: workerNames(workers), now: snapshot.now };
  return {
    title: [
      strong('failure'),
      span(`  ${whatWords(failure, image)} of ${failure.image}`),
      ...(looked === null || looked.trouble !== null
        ? []
        : [stands === null ? good('  stands no more') : bad('  stands')]),
      dim(`  in ${migration}`),
    ],
    alarms: [
      ...cargoAlarms(snapshot.cargo, null),
      ...(looked === null || looked.trouble === null ? [] : [[bad(looked.trouble)]]),
    ],
    blocks: [factsBlock(facts, state), historyBlock(looked, known, state)],
    about: { migration, ...retried(failure) },
    keys: migrationKeys('failure', snapshot.cargo.value, migration),
    brief: facts.map(({ name, told }) => [dim(`${name}  `), ...told]),
  };
}

interface Fact {
  readonly name: string;
  readonly told: Line;
  readonly opens?: Detail;
}

function factsOf(
  { migration, failure }: FailureDetail,
  looked: Looked | null,
  definition: MigrationDefinition | null,
): readonly Fact[] {
  const image = looked?.image?.image ?? null;
  const last: FailureRecord | undefined = looked?.record ?? looked?.attempts[0];
  const keys = [failure.first, failure.first + failure.count - 1].map((at) => keyOf(failure, at, image));
  const [first = null, end = null] = keys;
  return [
    {
      name: 'Image',
      told: [span(failure.image)],
      opens: { kind: 'image', migration, image: failure.image },
    },
    { name: 'What', told: [span(whatWords(failure, image)), dim(numberWords(failure))] },
    ...(last === undefined ? [] : [{ name: 'Reason', told: reasonLine(last) }]),
    { name: 'Now', told: nowLine(failure, looked) },
    ...(last === undefined ? [] : attemptFacts(last, definition)),
    ...(first === null || definition === null
      ? []
      : [
          { name: 'Source', told: [span(objectAt(definition.source, first))] },
          { name: 'Destination', told: [span(objectAt(definition.destination, first))] },
        ]),
    ...(end === null || end === first ? [] : [{ name: 'Up to', told: [span(end)] }]),
  ];
}

/** `, number 40 of the image`: as `--tiles` takes it. */
function numberWords({ lane, first, count }: FailureDetail['failure']): string {
  if (lane !== 'tiles' && lane !== 'checks') return '';
  return count === 1 ? `  number ${first}` : `  numbers ${first}-${first + count - 1}`;
}

function reasonLine(failure: FailureRecord): Line {
  const words = reasonWords(failure);
  return [bad(failure.reason), ...(words === failure.reason ? [] : [span(`  ${words}`)])];
}

function attemptFacts(
  { status, attempt }: FailureRecord,
  definition: MigrationDefinition | null,
): readonly Fact[] {
  const of = definition === null ? '' : ` of ${grouped(definition.maxAttempts)}`;
  return [
    { name: 'Attempts', told: [span(`${grouped(attempt)}${of}`)] },
    { name: 'Status', told: [status === 0 ? dim('none') : span(`HTTP ${status}`)] },
  ];
}

/** Where an object is, as a location is typed. */
function objectAt(location: string, key: string): string {
  return `${location.replace(/\/+$/, '')}/${key.replace(/[%?#]/g, encodeURIComponent)}`;
}

/** How it stands, and what would come of `t`. */
function nowLine({ lane, count }: FailureDetail['failure'], looked: Looked | null): Line {
  if (looked === null) return [dim('asking for it')];
  if (lane === 'images') return [span('zh-populate, run again, tries it again')];
  if (lane === 'checks') return [span('the next round of zh-verify checks it again')];
  if (looked.record !== null) {
    const what = lane === 'descriptors' ? 'the descriptor' : counted(count, 'tile', grouped);
    return [
      span('failed for good: '),
      strong('t'),
      span(` puts ${what} back to work, with no attempts counted`),
    ];
  }
  const [newest] = looked.attempts;
  if (newest !== undefined && !newest.final) return [warn('it is tried again by itself')];
  return [good('settled since, or tried again now')];
}

function factsBlock(facts: readonly Fact[], state: State): Block {
  const columns: Table['columns'] = [
    { head: '', align: 'left', spare: 0 },
    { head: '', align: 'left', spare: 0 },
  ];
  const rows = facts.map(({ name, told, opens }): Listing['rows'][number] => ({
    key: name,
    cells: [[dim(name)], told],
    opens: opens ?? null,
    about: {},
  }));
  return {
    ...{ id: 'facts', title: 'Failure', band: 0, spare: 0 },
    ...{ grow: { width: 1, height: 2 }, least: { width: 40, height: 6 }, most: { height: rows.length + 3 } },
    body: tableOf(state, 'facts', { columns, rows, empty: '' }),
  };
}

/** Every attempt that is remembered; Enter opens who made it. */
function historyBlock(looked: Looked | null, known: Known, state: State): Block {
  const columns: Table['columns'] = [
    { head: 'TIME', align: 'left', spare: 0 },
    { head: 'ATTEMPT', align: 'right', spare: 1 },
    { head: 'TILE', align: 'left', spare: 4 },
    { head: 'REASON', align: 'left', spare: 0 },
    { head: 'STATUS', align: 'right', spare: 3 },
    { head: 'THEN', align: 'left', spare: 2 },
    { head: 'WORKER', align: 'left', spare: 5 },
  ];
  const rows = (looked?.attempts ?? []).map((attempt) => historyRow(attempt, known));
  return {
    ...{ id: 'history', title: 'Attempts, newest first', band: 1, spare: 1 },
    ...{ grow: { width: 1, height: 1 }, least: { width: 40, height: 4 } },
    body: tableOf(state, 'history', {
      columns,
      rows,
      empty: 'no attempt is remembered: the last few hundred are',
    }),
  };
}

function historyRow(attempt: FailedAttempt, { image, worker: nameOf, now }: Known): Listing['rows'][number] {
  const { at, attempt: number, reason, status, final, worker, first, count } = attempt;
  return {
    key: `${at} ${number} ${first} ${count}`,
    cells: [
      [span(timeNear(at, now))],
      [span(grouped(number))],
      [span(whatWords(attempt, image(attempt.image)))],
      [span(reason)],
      [status === 0 ? dim('-') : span(`${status}`)],
      [final ? bad('for good') : warn('again later')],
      [dim(worker === '' ? 'its claim was lost' : nameOf(worker))],
    ],
    opens: worker === '' ? null : { kind: 'worker', worker },
    about: {},
  };
}
