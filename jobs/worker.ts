import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf, UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { createBell } from './bell.js';
import { copyRange, createTilePool } from './copy-range.js';
import { NO_DIGEST } from './digest.js';
import type { Route, RouteOptions } from './route.js';
import { createTally } from './tally.js';
import type {
  Claim,
  Idle,
  Lane,
  MigrationDefinition,
  OperatorQueue,
  WorkerQueue,
  WorkerReport,
} from './work-queue.js';

export interface WorkerOptions {
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
  /** Tiles are looked for at the destination before they are carried, whatever the claim says. */
  readonly skipExisting: boolean;
  /** `run` resolves once there is nothing left to do in this lane. */
  readonly untilEmpty: boolean;
  readonly openRoute: (definition: MigrationDefinition, hooks: RouteHooks) => Promise<Route>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}
export type RouteHooks = Pick<RouteOptions, 'onThrottled' | 'onOutageChange' | 'signal'>;

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
   * Rejects with a `UsageError` if the queue can never be reached as it is configured.
   */
  run(signal: AbortSignal): Promise<WorkerOutcome>;
}

const LEASE_MS = 15_000;
const IDLE_MS = 500;
/** One is copied, the next is opened before it is drained. */
const MAX_CLAIMS = 2;
/** After the stop signal: tiles in flight may finish this long ... */
const FINISH_MS = 4_000;
/** ... and checkpoints be answered this long: together well within 10 s. */
const LAST_WORDS_MS = 7_000;
const BACKOFF: BackoffPolicy = { firstMs: 250, factor: 2, maxMs: 5_000 };
/** Between looks at a migration whose stores cannot be used: a person has to change something. */
const AVOID: BackoffPolicy = { firstMs: 5_000, factor: 2, maxMs: 60_000 };

/** A migration that this worker leaves to itself for a while. */
interface Avoided {
  /** On the steady clock. */
  readonly until: number;
  readonly times: number;
  readonly why: string;
}

/** `onChange` is called when `state` has changed. */
export function createWorker(options: WorkerOptions, onChange: () => void = () => undefined): Worker {
  const { queue, clock, random, log } = options;
  const pool = createTilePool(options.concurrency, clock);
  const opening = new Map<string, Promise<Route>>();
  const routes = new Set<Route>();
  const claims = new Set<Promise<void>>();
  const avoided = new Map<string, Avoided>();
  const bell = createBell(clock);
  const giveUp = new AbortController();
  let issued = 0;
  let slack = true;
  let doing = 'idle';
  let since = clock.now();
  const tally = createTally(clock.steady());

  function routeOf(definition: MigrationDefinition, signal: AbortSignal): Promise<Route> {
    const known = opening.get(definition.name);
    if (known !== undefined) return known;
    const route = options.openRoute(definition, {
      onThrottled: () => pool.throttled(),
      onOutageChange: onChange,
      signal,
    });
    opening.set(definition.name, route);
    // What could not be opened is tried anew with the next claim.
    route.then(
      (opened) => routes.add(opened),
      () => opening.delete(definition.name),
    );
    return route;
  }

  function nowDoing(what: string): void {
    if (doing === what) return;
    doing = what;
    since = clock.now();
    log.info({ lane: options.lane }, what);
    onChange();
  }

  /** Asks with one token until answered: an unanswered claim may have been made. null = told to stop. */
  async function claimNext(signal: AbortSignal): Promise<{ at: number; got: Claim | Idle } | null> {
    const token = `${options.id}-${++issued}`;
    const at = clock.steady();
    const only = options.migration === undefined ? {} : { migration: options.migration };
    const except = [...avoided].flatMap(([name, { until }]) => (until > at ? [name] : []));
    for (let attempt = 1; ; attempt++) {
      try {
        const got = await queue.claim({ token, lane: options.lane, leaseMs: LEASE_MS, except, ...only });
        return { at, got };
      } catch (error) {
        if (error instanceof UsageError) throw error;
        if (attempt === 1) log.warn({ kind: kindOf(error) }, `no claim, asking again: ${messageOf(error)}`);
        await clock.sleep(backoffMs(attempt, BACKOFF, random()), signal).catch(() => undefined);
        if (signal.aborted) return null;
      }
    }
  }

  async function serve(claim: Claim, at: number, signal: AbortSignal): Promise<void> {
    let route: Route;
    try {
      route = await routeOf(claim.migration, signal);
    } catch (error) {
      if (kindOf(error) !== 'aborted') avoid(claim.migration.name, messageOf(error));
      await giveBack(claim);
      return;
    }
    if (avoided.delete(claim.migration.name)) {
      log.info({ migration: claim.migration.name }, 'its stores can be used now');
      onChange();
    }
    await copyRange(claim, at, {
      ...{ queue, pool, clock, random, log },
      outage: route.outage,
      copy: (index, cut) => route.copy(claim, index, cut),
      stop: signal,
      onTold(point, answer) {
        if (answer !== 'lost') tally.add(point, clock.steady());
      },
      giveUp: giveUp.signal,
      onSlack() {
        slack = true;
        bell.ring();
      },
    });
  }

  /** Its work goes back untouched, and other migrations are served meanwhile. */
  function avoid(migration: string, why: string): void {
    const before = avoided.get(migration);
    const times = (before?.times ?? 0) + 1;
    avoided.set(migration, { times, why, until: clock.steady() + backoffMs(times, AVOID, random()) });
    if (before?.why === why) return;
    log.error({ migration }, `not served: ${why}`);
    onChange();
  }

  async function giveBack(claim: Claim): Promise<void> {
    const nothing = {
      bytes: 0,
      done: 0,
      skipped: 0,
      failed: [],
      delayed: [],
      digest: NO_DIGEST,
      found: null,
    };
    await queue.checkpoint(claim.token, claim.migration.name, {
      ...{ sequence: 1, next: claim.first, release: true },
      ...nothing,
    });
  }

  function begin(claim: Claim, at: number, signal: AbortSignal): void {
    nowDoing('copying');
    const { image, first, end, migration } = claim;
    log.debug({ migration: migration.name, image: image.id, first, end }, 'claimed');
    const serving = serve(claim, at, signal)
      .catch((error: unknown) => {
        log.error({ token: claim.token, kind: kindOf(error) }, `claim abandoned: ${messageOf(error)}`);
      })
      .finally(() => {
        claims.delete(serving);
        slack = true;
        bell.ring();
      });
    claims.add(serving);
  }

  async function windDown(): Promise<void> {
    const finished = new AbortController();
    const timers = [
      clock.sleep(FINISH_MS, finished.signal).then(() => giveUp.abort()),
      clock.sleep(LAST_WORDS_MS, finished.signal),
    ];
    await Promise.race([Promise.all(claims), timers[1]]);
    finished.abort();
    await Promise.allSettled(timers);
    await Promise.all([...routes].map((route) => route.close()));
  }

  return {
    get state(): WorkerState {
      const sums = { ...tally.totals(clock.steady()), limit: pool.limit };
      for (const { outage } of routes)
        if (outage.away !== null && claims.size > 0) {
          const { side, since: awaySince, detail } = outage.away;
          return { state: `${side} unreachable`, since: awaySince, detail, ...sums };
        }
      const troubles = [...avoided].map(([name, { why }]) => `migration ${name} is not served: ${why}`);
      return {
        state: claims.size > 0 ? 'copying' : 'idle',
        since,
        detail: [doing, ...troubles].join('; '),
        ...sums,
      };
    },
    async run(signal) {
      while (!signal.aborted) {
        if (claims.size >= MAX_CLAIMS || (claims.size > 0 && !slack)) {
          await bell.wait(IDLE_MS, signal);
          continue;
        }
        slack = false;
        const answer = await claimNext(signal);
        if (answer === null) break;
        if (!('kind' in answer.got)) {
          begin(answer.got, answer.at, signal);
          continue;
        }
        if (claims.size === 0) nowDoing(`idle: ${answer.got.why}`);
        slack = true;
        const waitMs = Math.min(IDLE_MS, Math.max(10, answer.got.dueInMs ?? IDLE_MS));
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
      await windDown();
      return { failures: false };
    },
  };
}
