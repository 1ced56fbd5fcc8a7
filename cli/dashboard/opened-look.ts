import type { FailedAttempt, FailureRecord, OperatorQueue } from '../../jobs/work-queue.js';
import { aborted, assertNever, messageOf, permanent } from '../../runtime/errors.js';
import type { ApiClient } from '../client.js';
import type { Detail } from './detail.js';
import { unlessGivenUp } from './given-up.js';
import { itemsFailed } from './items-failed.js';
import type { KnownImages } from './known-images.js';
import type { Opened } from './snapshot.js';
import { someFailures } from './some-failures.js';

export interface OpenedLookOptions {
  readonly queue: OperatorQueue;
  readonly images: KnownImages;
  /** null: no convoyd is known. */
  readonly api: Pick<ApiClient, 'why' | 'log' | 'machineCondition'> | null;
}

export interface OpenedLook {
  /**
   * Looks up what the view of `detail` needs. What cannot be read stays as it was `before` (of the same detail; null: it
   * was never looked up), and `trouble` says why it cannot. Rejects only with `aborted`, as soon as `signal` fires.
   */
  look(detail: Detail, before: Opened | null, signal: AbortSignal): Promise<Opened>;
}

/** What is said of the cluster where there is no convoyd to ask. */
export const NO_CONVOYD =
  'no convoyd is known here: set CONVOY_API (or CONVOY_ENDPOINT) to the address of one';

/** Of the log of a unit. */
const LOG_LINES = 200;
const LOG_BYTES = 256 * 1024;
/** More than are remembered. */
const MOST_ATTEMPTS = 1_000;

type OpenedOf<Kind extends Opened['kind']> = Extract<Opened, { kind: Kind }>;
type DetailOf<Kind extends Detail['kind']> = Extract<Detail, { kind: Kind }>;
type Found = { [Kind in Opened['kind']]: Omit<OpenedOf<Kind>, 'of' | 'trouble'> }[Opened['kind']];

interface Asking {
  /** The answer; where there is none what was known before, and its trouble is told. */
  tried<T>(ask: () => Promise<T>, known: T): Promise<T>;
  readonly signal: AbortSignal;
}

export function createOpenedLook({ queue, images, api }: OpenedLookOptions): OpenedLook {
  return {
    async look(detail, before, signal) {
      const troubles = new Set<string>();
      const asking: Asking = {
        signal,
        async tried(ask, known) {
          try {
            return await unlessGivenUp(ask(), signal);
          } catch (error) {
            if (signal.aborted) throw aborted('the detail was closed');
            troubles.add(messageOf(error));
            return known;
          }
        },
      };
      const found = await lookUp(detail, before, asking);
      return { ...found, of: detail, trouble: troubles.size === 0 ? null : [...troubles].join('; ') };
    },
  };

  function lookUp(detail: Detail, before: Opened | null, asking: Asking): Promise<Found> {
    switch (detail.kind) {
      case 'worker':
        return worker(detail, before?.kind === 'worker' ? before : null, asking);
      case 'unit':
        return unit(detail, before?.kind === 'unit' ? before : null, asking);
      case 'machine':
        return machine(detail, before?.kind === 'machine' ? before : null, asking);
      case 'image':
        return image(detail, before?.kind === 'image' ? before : null, asking);
      case 'failures':
        return failures(detail, before?.kind === 'failures' ? before : null, asking);
      case 'failure':
        return failure(detail, before?.kind === 'failure' ? before : null, asking);
      default:
        return assertNever(detail);
    }
  }

  async function worker(
    { worker: name }: DetailOf<'worker'>,
    before: OpenedOf<'worker'> | null,
    { tried, signal }: Asking,
  ): Promise<Found> {
    const known = before?.report ?? null;
    // One that has ended stays as it was last: its log says how it ended.
    const now = async () => (await queue.workers()).find((one) => one.worker === name) ?? known;
    const report = await tried(now, known);
    const { unit: its = '', machine: at = '' } = report ?? {};
    const log = its === '' ? [] : await tried(() => tailOf(its, at, signal), before?.log ?? []);
    return { kind: 'worker', report, log };
  }

  async function unit(
    { unit: name, machine: asked }: DetailOf<'unit'>,
    before: OpenedOf<'unit'> | null,
    { tried, signal }: Asking,
  ): Promise<Found> {
    const explanation = await tried(async () => convoyd().why(name), before?.explanation ?? null);
    const holders = (explanation?.machines ?? []).filter(({ state }) => state !== null);
    const meant = holders.find(({ machine: id }) => id === (asked ?? explanation?.machine));
    const at = (asked === null ? (meant ?? holders[0]) : meant)?.machine;
    const log = at === undefined ? [] : await tried(() => tailOf(name, at, signal), before?.log ?? []);
    return { kind: 'unit', explanation, log };
  }

  async function machine(
    { machine: id }: DetailOf<'machine'>,
    before: OpenedOf<'machine'> | null,
    { tried }: Asking,
  ): Promise<Found> {
    const condition = await tried(async () => convoyd().machineCondition(id), before?.condition ?? null);
    return { kind: 'machine', condition };
  }

  async function image(
    { migration, image: id }: DetailOf<'image'>,
    before: OpenedOf<'image'> | null,
    { tried, signal }: Asking,
  ): Promise<Found> {
    const known = { failures: before?.failures ?? [], matching: null };
    const asked = { filter: { image: id }, expected: null };
    const isOfIt = (attempt: FailedAttempt): boolean => attempt.image === id;
    return {
      kind: 'image',
      image: await tried(() => queue.image(migration, id), before?.image ?? null),
      failures: (await tried(() => someFailures(queue, migration, asked, signal), known)).failures,
      attempts: await tried(() => attemptsAt(migration, isOfIt), before?.attempts ?? []),
    };
  }

  async function failures(
    { migration, filter }: DetailOf<'failures'>,
    before: OpenedOf<'failures'> | null,
    { tried, signal }: Asking,
  ): Promise<Found> {
    const now = async () => {
      const status = await queue.status(migration);
      const expected = status === null ? null : itemsFailed(status, filter);
      return someFailures(queue, migration, { filter, expected }, signal);
    };
    const known = { failures: before?.failures ?? [], matching: before?.matching ?? null };
    const found = await tried(now, known);
    const ids = found.failures.filter(({ lane }) => lane !== 'images').map((one) => one.image);
    return {
      kind: 'failures',
      ...found,
      images: await tried(() => images.of(migration, ids), before?.images ?? new Map()),
    };
  }

  async function failure(
    { migration, failure: { lane, image: id, first, count } }: DetailOf<'failure'>,
    before: OpenedOf<'failure'> | null,
    { tried, signal }: Asking,
  ): Promise<Found> {
    const end = first + count;
    const isAtIt = (other: FailureRecord): boolean =>
      other.lane === lane && other.image === id && other.first < end && first < other.first + other.count;
    const range = lane === 'tiles' || lane === 'checks' ? { range: { first, end } } : {};
    const asked = { filter: { lane, image: id, ...range }, expected: 1 };
    const now = async () => (await someFailures(queue, migration, asked, signal)).failures[0] ?? null;
    const its = async () => (lane === 'images' ? null : queue.image(migration, id));
    return {
      kind: 'failure',
      record: await tried(now, before?.record ?? null),
      attempts: await tried(() => attemptsAt(migration, isAtIt), before?.attempts ?? []),
      image: await tried(its, before?.image ?? null),
    };
  }

  function convoyd(): NonNullable<typeof api> {
    if (api === null) throw permanent(NO_CONVOYD);
    return api;
  }

  async function tailOf(name: string, at: string, signal: AbortSignal): Promise<readonly string[]> {
    const request = { lines: LOG_LINES, follow: false, machine: at };
    let tail = Buffer.alloc(0);
    for await (const chunk of await convoyd().log(name, request, signal))
      tail = Buffer.concat([tail, chunk]).subarray(-LOG_BYTES);
    const lines = tail.toString('utf8').split('\n');
    return (lines.at(-1) === '' ? lines.slice(0, -1) : lines).slice(-LOG_LINES);
  }

  async function attemptsAt(
    migration: string,
    isWanted: (attempt: FailedAttempt) => boolean,
  ): Promise<readonly FailedAttempt[]> {
    return (await queue.newestFailures(migration, MOST_ATTEMPTS)).filter(isWanted);
  }
}
