import { grouped } from '../../jobs/quantities.js';
import type { FailedAttempt, FailureRecord, Image } from '../../jobs/work-queue.js';
import { timeNear } from '../times.js';
import { failureKey, retried, whatWords } from './failure-names.js';
import type { Line, Table } from './page.js';
import type { Listing } from './rows.js';
import { bad, dim, span, warn } from './spans.js';

/** Failures as rows of tables. */

type Rows = Pick<Listing, 'columns' | 'rows'>;

const TIME = { head: 'TIME', align: 'left', spare: 3 } as const;
const IMAGE = { head: 'IMAGE', align: 'left', spare: 1 } as const;
const WHAT = { head: 'TILE', align: 'left', spare: 0 } as const;
const REASON = { head: 'REASON', align: 'left', spare: 0 } as const;
const STATUS = { head: 'STATUS', align: 'right', spare: 5 } as const;

/** How what rows speak of is known: the geometry of an image (null: not known), the name of a worker. */
export interface Known {
  readonly image: (id: string) => Image | null;
  readonly worker: (id: string) => string;
  readonly now: number;
}

/** What was tried in vain, each at its time. */
export function attemptRows(
  migration: string,
  attempts: readonly FailedAttempt[],
  { image, worker: nameOf, now }: Known,
): Rows {
  const columns: Table['columns'] = [
    ...[TIME, IMAGE, WHAT, REASON, STATUS],
    { head: 'ATTEMPT', align: 'right', spare: 4 },
    { head: 'THEN', align: 'left', spare: 2 },
    { head: 'WORKER', align: 'left', spare: 6 },
  ];
  const rows = attempts.map((attempt) => {
    const { at, final, worker } = attempt;
    return {
      key: `${at} ${attempt.attempt} ${failureKey(attempt)}`,
      cells: [
        [dim(timeNear(at, now))],
        ...cellsOf(attempt, image(attempt.image)),
        [span(grouped(attempt.attempt))],
        [final ? bad('for good') : warn('again later')],
        [dim(worker === '' ? '-' : nameOf(worker))],
      ],
      opens: opens(migration, attempt),
      about: { migration, ...(final ? retried(attempt) : {}) },
    };
  });
  return { columns, rows };
}

/** What failed for good and stands. */
export function standingRows(
  migration: string,
  failures: readonly FailureRecord[],
  { image }: Pick<Known, 'image'>,
): Rows {
  const columns: Table['columns'] = [
    ...[IMAGE, WHAT, REASON, STATUS],
    { head: 'ATTEMPTS', align: 'right', spare: 4 },
  ];
  const rows = failures.map((failure) => ({
    key: failureKey(failure),
    cells: [...cellsOf(failure, image(failure.image)), [span(grouped(failure.attempt))]],
    opens: opens(migration, failure),
    about: { migration, ...retried(failure) },
  }));
  return { columns, rows };
}

/** Where all rows are of one image that is told of elsewhere. */
export function withoutImage({ columns, rows }: Rows): Rows {
  const at = columns.indexOf(IMAGE);
  return {
    columns: columns.toSpliced(at, 1),
    rows: rows.map((row) => ({ ...row, cells: row.cells.toSpliced(at, 1) })),
  };
}

function cellsOf(failure: FailureRecord, image: Image | null): Line[] {
  const { reason, status } = failure;
  return [
    [span(failure.image)],
    [span(whatWords(failure, image))],
    [span(reason)],
    [status === 0 ? dim('-') : span(`${status}`)],
  ];
}

function opens(migration: string, { lane, image, first, count }: FailureRecord) {
  return { kind: 'failure', migration, failure: { lane, image, first, count } } as const;
}
