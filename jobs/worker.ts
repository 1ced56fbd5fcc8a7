import { setMaxListeners } from 'node:events';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import { ConvoyError, kindOf, messageOf, permanent, UsageError } from '../runtime/errors.js';
import type { Nap } from '../runtime/nap.js';
import { Bag } from '../stores/bag.js';
import { createLimiter } from '../stores/limiter.js';
import { createAvoided } from './avoided.js';
import { createBell } from './bell.js';
import { createRecentLatency } from './latency.js';
import { hasFailures, leftToDo } from './left-to-do.js';
import { watchQueue } from './queue-watch.js';
import { type ServedMigration, type ServedOptions, serveMigration } from './served-migration.js';
import { createTally } from './tally.js';
import { createTilePools } from './tile-pool.js';
import type {
  Claim,
  Idle,
  Lane,
  MigrationStatus,
  OperatorQueue,
  WorkerQueue,
  WorkerReport,
} from './work-queue.js';

export interface WorkerOptions
  extends Pick<ServedOptions, 'openRoute' | 'skipExisting' | 'clock' | 'random' | 'log'> {
  readonly queue: WorkerQueue & Pick<OperatorQueue, 'migrations' | 'status'>;
  readonly lane: Lane;
  /** Random, of this process alone. */
  readonly id: string;
  /** Serve only this migration. */
  readonly migration?: string;
  /** Most objects in flight, over all migrations. */
  readonly concurrency: number;
  /** Most requests to sources per second, over all migrations; absent = no limit. */
  readonly maxRps?: number;
  /** `run` resolves once there is nothing left to do in this lane. */
  readonly untilEmpty: boolean;
  /** How long a claim lasts without a word of us; 15 s if absent. */
  readonly leaseMs?: number;
  /** Lets the thread sleep; absent: it wakes for every answer. */
  readonly nap?: Nap;
}

export type WorkerState = Omit<WorkerReport, 'worker' | 'lane' | 'unit' | 'machine'>;

export interface WorkerOutcome {
  /** With `untilEmpty`: some item of a migration served, or an image of its plan, has failed for good. */
  readonly failures: boolean;
}

export interface Worker {
  /** What it is doing now. */
  readonly state: WorkerState;
  /**
   * Claims and copies until the signal fires; then finishes what is in flight, gives the rest back, resolves.
   * Rejects with a `UsageError` if the queue can never be reached as it is configured; with `untilEmpty` also if nothing of
   * what is left can be served.
   */
  run(signal: AbortSignal): Promise<WorkerOutcome>;
}

const LEASE_MS = 15_000;
const IDLE_MS = 500;
/** Claims on migrations that are not away: on one, and on all. Small ranges need several to fill what may be in flight. */
const MAX_CLAIMS_OF_ONE = 16;
const MAX_CLAIMS = 32;
/** A migration without work for so long is closed: its connections are needed no more. */
const CLOSE_AFTER_MS = 60_000;
/** After the stop signal: objects in flight may finish this long ... */
const FINISH_MS = 4_000;
/** ... and checkpoints be answered this long: together well within 10 s. */
const LAST_WORDS_MS = 7_000;
const BACKOFF: BackoffPolicy = { firstMs: 250, factor: 2, maxMs: 5_000 };

interface Answer {
  /** When it was first asked for, on the steady clock. */
  readonly at: number;
  readonly got: Claim | Idle;
  /** The migrations that were not wanted then. */
  readonly except: readonly string[];
}

/** `onChange` is called when `state` has changed. */
export function createWorker(options: WorkerOptions, onChange: () => void = () => undefined): Worker {
  const { queue, lane, clock, random, log } = options;
  const watch = watchQueue({ queue, clock, log, onChange });
  const pools = createTilePools(options.concurrency, clock, options.nap);
  const requests = options.maxRps === undefined ? null : createLimiter(options.maxRps, clock);
  const tally = createTally(clock.steady());
  const latency = createRecentLatency();
  const serving = new Map<string, ServedMigration>();
  const claims = new Bag<Promise<void>>();
  const closing = new Set<Promise<void>>();
  const avoided = createAvoided(clock, random);
  const bell = createBell(clock);
  const giveUp = new AbortController();
  let issued = 0;
  let doing = 'idle';
  let since = clock.now();

  function nowDoing(what: string): void {
    if (doing === what) return;
    doing = what;
    since = clock.now();
    log.info({ lane }, what);
    onChange();
  }

  /** Its work goes back untouched, and other migrations are served meanwhile. */
  function avoid(migration: string, why: string, until: 'mended' | 'created anew'): void {
    if (!avoided.add(migration, why, until)) return;
    log.error({ migration }, `not served: ${why}`);
    onChange();
  }

  function servedFor({ migration }: Claim, signal: AbortSignal): ServedMigration {
    const { name } = migration;
    const known = serving.get(name);
    // One that Redis lost may have been created anew, with other stores.
    if (known !== undefined && JSON.stringify(known.definition) === JSON.stringify(migration)) return known;
    if (known !== undefined) close(known);
    const served = serveMigration(migration, {
      ...{ queue: watch.queue, pools, requests, clock, random, log, stop: signal, giveUp: giveUp.signal },
      ...{ openRoute: options.openRoute, skipExisting: options.skipExisting },
      latencyOf(side, kind) {
        const add = latency.of(side, kind);
        return (ms) => add(ms, clock.steady());
      },
      onSettled: (point) => tally.add(point, clock.steady()),
      onOpened(why) {
        if (why !== null) return avoid(name, why, 'mended');
        if (!avoided.remove(name)) return;
        log.info({ migration: name }, 'it can be served now');
        onChange();
      },
      onHungry: () => bell.ring(),
      onAwayChange() {
        bell.ring();
        onChange();
      },
    });
    serving.set(name, served);
    return served;
  }

  function close(served: ServedMigration): void {
    serving.delete(served.definition.name);
    const closed = served.close().finally(() => closing.delete(closed));
    closing.add(closed);
  }

  function closeIdle(): void {
    for (const served of serving.values())
      if (clock.steady() - served.lastBusy > CLOSE_AFTER_MS) close(served);
  }

  /** The migrations from which nothing more is to be claimed now. */
  function unwanted(): string[] {
    const except = avoided.now();
    for (const [name, { claims: held, hungry, away }] of serving)
      if (away !== null || (held > 0 && !hungry) || held >= MAX_CLAIMS_OF_ONE) except.push(name);
    return except;
  }

  /** What an away store holds up does not count: its claims wait, and cost nothing. */
  function claimsUnderWay(): number {
    return [...serving.values()].reduce((sum, { away, claims: held }) => sum + (away === null ? held : 0), 0);
  }

  /** Asks with one token until answered: an unanswered claim may have been made. null = told to stop. */
  async function claimNext(except: readonly string[], signal: AbortSignal): Promise<Answer | null> {
    const token = `${options.id}-${++issued}`;
    const at = clock.steady();
    const only = options.migration === undefined ? {} : { migration: options.migration };
    const leaseMs = options.leaseMs ?? LEASE_MS;
    const lost: string[] = [];
    for (let attempt = 1; ; attempt++) {
      try {
        const asked = { token, lane, leaseMs, except: [...except, ...lost], ...only };
        return { at, got: await watch.queue.claim(asked), except };
      } catch (error) {
        if (error instanceof UsageError) throw error;
        if (isLost(error)) {
          lost.push(...(await nameLost()));
          if (lost.length === 0) nowDoing(`waiting: ${messageOf(error)}`);
        }
        await clock.sleep(backoffMs(attempt, BACKOFF, random()), signal).catch(() => undefined);
        if (signal.aborted) return null;
      }
    }
  }

  /** Finds out which of several migrations Redis has lost, so that the others are served. */
  async function nameLost(): Promise<readonly string[]> {
    const lost: string[] = [];
    for (const name of await queue.migrations().catch(() => []))
      await queue.status(name).catch((error: unknown) => {
        if (!isLost(error)) return;
        avoid(name, messageOf(error), 'created anew');
        lost.push(name);
      });
    return lost;
  }

  function begin({ got, at }: Answer & { got: Claim }, signal: AbortSignal): void {
    nowDoing('copying');
    const { image, first, end, migration } = got;
    log.debug({ migration: migration.name, image: image.id, first, end }, 'claimed');
    const work = servedFor(got, signal)
      .serve(got, at)
      .catch((error: unknown) => {
        if (isLost(error)) avoid(migration.name, messageOf(error), 'created anew');
        else log.error({ token: got.token, kind: kindOf(error) }, `claim abandoned: ${messageOf(error)}`);
      })
      .finally(() => {
        claims.remove(place);
        bell.ring();
      });
    const place = claims.add(work);
  }

  /**
   * For `untilEmpty`: null if there is still something to do, or no telling. Rejects `not-served` if a person has to change
   * something before any of what is left can be done.
   */
  async function outcome({ why }: Idle): Promise<WorkerOutcome | null> {
    try {
      const names = options.migration === undefined ? await queue.migrations() : [options.migration];
      // None, although there was one a moment ago: Redis was emptied, and the next claim will say so.
      if (names.length === 0 && why !== 'none') return null;
      const found = await Promise.all(names.map((name) => queue.status(name)));
      const all = found.filter((status): status is MigrationStatus => status !== null);
      const open = all.filter((status) => leftToDo(status, lane) !== null);
      const [first] = open;
      if (first === undefined) return { failures: all.some((status) => hasFailures(status, lane)) };
      const troubles = open.map(({ definition }) => avoided.toBeMended(definition.name));
      if (!troubles.includes(null)) throw permanent(troubles.join('; '), { code: 'not-served' });
      nowDoing(`waiting: ${leftToDo(first, lane)}`);
    } catch (error) {
      if (error instanceof ConvoyError && error.code === 'not-served') throw error;
      log.debug({ kind: kindOf(error) }, messageOf(error));
    }
    return null;
  }

  /**
   * Until there is a reason to ask again: time, a migration is wanted that was not when nothing was found, or a claim has
   * ended that may have barred others (of what may kill a worker it has one at a time).
   */
  async function rest({ got, except }: Answer & { got: Idle }, signal: AbortSignal): Promise<void> {
    const until = clock.steady() + Math.min(IDLE_MS, Math.max(10, got.dueInMs ?? IDLE_MS));
    const held = claims.size;
    while (!signal.aborted && clock.steady() < until) {
      await bell.wait(until - clock.steady(), signal);
      const now = unwanted();
      if (claims.size < held || except.some((name) => !now.includes(name))) return;
    }
  }

  /** From when there is nothing more to do, or the signal has fired: a claim that is not answered then takes part of the time. */
  function startWindDown(): { readonly lastWords: Promise<void>; readonly end: () => Promise<void> } {
    const finished = new AbortController();
    const timer = clock.sleep(FINISH_MS, finished.signal).then(() => giveUp.abort());
    const lastWords = clock.sleep(LAST_WORDS_MS, finished.signal);
    return {
      lastWords,
      async end() {
        finished.abort();
        await Promise.allSettled([timer, lastWords]);
      },
    };
  }

  async function windDown({ lastWords, end }: ReturnType<typeof startWindDown>): Promise<void> {
    await Promise.race([Promise.all(claims), lastWords]);
    await end();
    for (const served of serving.values()) close(served);
    await Promise.all(closing);
  }

  return {
    get state(): WorkerState {
      const all = [...serving.values()];
      const limit = all.reduce((sum, served) => sum + served.limit, 0);
      const now = clock.steady();
      const totals = { ...tally.totals(now), limit, latency: latency.told(now) };
      const stuck = all.filter(({ away }) => away !== null);
      const copying = claimsUnderWay() > 0;
      const [first] = stuck;
      // Where some can be copied, that others cannot is a detail.
      if (first?.away && !copying) {
        const { side, since: from, detail } = first.away;
        return { state: `${side} unreachable`, since: from, detail, ...totals };
      }
      const words = [
        watch.trouble === null ? doing : `waiting: ${watch.trouble.detail}`,
        ...stuck.map(
          ({ away, definition }) =>
            `migration ${definition.name}: ${away?.side} unreachable: ${away?.detail}`,
        ),
        ...avoided.troubles().flatMap(({ why, words }) => (doing.includes(why) ? [] : [words])),
      ];
      const state = copying ? 'copying' : 'idle';
      return { state, since: watch.trouble?.since ?? since, detail: words.join('; '), ...totals };
    },
    async run(signal) {
      // Every migration and every claim listens to them.
      setMaxListeners(0, signal, giveUp.signal);
      let result: WorkerOutcome | null = null;
      let winding: ReturnType<typeof startWindDown> | null = null;
      const stop = (): void => {
        winding ??= startWindDown();
      };
      signal.addEventListener('abort', stop, { once: true });
      try {
        while (!signal.aborted && result === null) {
          closeIdle();
          const except = unwanted();
          if (claimsUnderWay() >= MAX_CLAIMS || (options.migration !== undefined && except.length > 0)) {
            await bell.wait(IDLE_MS, signal);
            continue;
          }
          const answer = await claimNext(except, signal);
          if (answer === null) break;
          if (isClaim(answer)) {
            begin(answer, signal);
            continue;
          }
          if (claims.size === 0) {
            if (options.untilEmpty) result = await outcome(answer.got as Idle);
            else nowDoing(`idle: ${(answer.got as Idle).why}`);
          }
          if (result === null) await rest(answer as Answer & { got: Idle }, signal);
        }
      } finally {
        signal.removeEventListener('abort', stop);
        await windDown(winding ?? startWindDown());
      }
      return result ?? { failures: false };
    },
  };
}

function isClaim(answer: Answer): answer is Answer & { got: Claim } {
  return !('kind' in answer.got);
}

function isLost(error: unknown): boolean {
  return error instanceof ConvoyError && error.code === 'lost';
}
