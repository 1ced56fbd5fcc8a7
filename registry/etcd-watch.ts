/**
 * Follows a range of etcd: its whole content first, then every later event exactly once and in order, whatever
 * happens to connections and servers in between.
 *
 * Events are handed on, and the resume point moves, only when a response's last fragment has come: etcd cuts one
 * revision in two, and resuming after a partial one would lose the rest. What cannot be resumed (compaction, a
 * refused watch, a store that is behind us or another) is listed again. Progress is never requested: in etcd 3.4
 * the answer can overtake events.
 */
import { type BackoffPolicy, ceilingMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, messageOf, transient } from '../runtime/errors.js';
import type { EtcdClient, KeyRange, Listing, WatchEvent, WatchResponse } from './etcd-calls.js';
import type { RegistryProblem } from './registry.js';

/** Time for etcd to say that a watch exists. */
const CREATE_MS = 5000;
const BACKOFF: BackoffPolicy = { firstMs: 50, factor: 2, maxMs: 2000 };

export interface FollowOptions {
  readonly client: Pick<EtcdClient, 'watch'>;
  readonly clock: Clock;
  readonly range: KeyRange;
  /** Reads the range anew. A rejection is reported and the list asked for again after a pause. */
  readonly list: () => Promise<Listing>;
  /** Whether a watch may go on where it was, asked before each attempt: false = list again. */
  readonly mayResume: () => Promise<boolean>;
  readonly onList: (listing: Listing) => void;
  /** Events of one or more whole revisions; `revision` is the last one's. A throw makes it list again. */
  readonly onEvents: (events: readonly WatchEvent[], revision: number) => void;
  readonly problem: RegistryProblem;
  readonly signal: AbortSignal;
}

export interface Following {
  /** Lists again as soon as possible. */
  listAgain(): void;
  /** Resolves when nothing more will be called. */
  readonly ended: Promise<void>;
}

type WatchEnd = { readonly kind: 'resume' | 'list'; readonly why: ConvoyError | undefined };

/** Starts following; never rejects, ends with its signal. */
export function follow(options: FollowOptions): Following {
  const { client, clock, signal } = options;
  /** The first revision not yet handed on; undefined = list first. */
  let next: number | undefined;
  /** How often `listAgain` was called: a list under way does not answer a later request. */
  let requests = 0;
  let failures = 0;
  let attempt = new AbortController();

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        if (next !== undefined && !(await options.mayResume())) next = undefined;
        while (next === undefined && !signal.aborted) await list();
        const end = await watchOnce();
        if (end.kind === 'list') next = undefined;
        if (end.why !== undefined && !signal.aborted) throw end.why;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        options.problem(problemOf(error));
        await clock.sleep(ceilingMs(failures, BACKOFF), signal).catch(() => undefined);
      }
    }
  }

  async function list(): Promise<void> {
    const asked = requests;
    const listing = await options.list();
    if (signal.aborted || asked !== requests) return;
    next = listing.revision + 1;
    options.onList(listing);
  }

  /** One watch stream from `next` on, until it ends. */
  function watchOnce(): Promise<WatchEnd> {
    attempt = new AbortController();
    const stop = AbortSignal.any([signal, attempt.signal]);
    return new Promise((resolve) => {
      let created = false;
      let part: WatchEvent[] = [];
      const finish = (kind: WatchEnd['kind'], why?: ConvoyError): void => {
        resolve({ kind, why });
        attempt.abort();
      };
      const onResponse = (response: WatchResponse): void => {
        if (response.canceled) {
          finish('list', refused(response));
          return;
        }
        if (response.created) {
          created = true;
          if (response.revision < (next ?? 0) - 1) finish('list', transient('the store went back'));
          return;
        }
        part.push(...response.events);
        if (response.fragment || part.length === 0) return;
        const events = part;
        part = [];
        failures = 0;
        next = events.at(-1)!.entry.modified + 1;
        try {
          options.onEvents(events, next - 1);
        } catch (error) {
          finish('list', problemOf(error));
        }
      };
      client.watch(
        options.range,
        next ?? 0,
        onResponse,
        (error) =>
          finish('resume', error && transient(messageOf(error), { code: 'watch-lost', cause: error })),
        stop,
      );
      clock.sleep(CREATE_MS, stop).then(
        () =>
          created ||
          finish('resume', transient('etcd did not start the watch in time', { code: 'deadline' })),
        () => undefined,
      );
    });
  }

  const ended = run();
  return {
    listAgain() {
      requests += 1;
      next = undefined;
      attempt.abort();
    },
    ended,
  };
}

function refused(response: WatchResponse): ConvoyError {
  return response.compacted > 0
    ? transient(`the history before revision ${response.compacted} is gone: listing again`, {
        code: 'compacted',
      })
    : transient(`etcd refused the watch: ${response.reason}`, { code: 'watch-refused' });
}

function problemOf(error: unknown): ConvoyError {
  return error instanceof ConvoyError ? error : transient(messageOf(error), { cause: error });
}
