import type { ClusterSnapshot, Decision } from '../registry/model.js';
import type { ClusterView, CommitResult, LeaderTerm, Registry } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { type Loop, startLoop } from '../runtime/loop.js';
import type { Meter } from '../runtime/meter.js';
import { type AbsenceReport, type Absences, NO_ABSENCES, watchAbsences } from './absences.js';
import { describe } from './decision.js';
import { type DecisionOutcome, type SchedulerMetrics, schedulerMetrics } from './metrics.js';
import type { PendingReason, Placing } from './place.js';
import { Planner } from './planner.js';
import type { Transfers } from './transfers.js';
import { Waits } from './waits.js';

/** Longest time between two looks, in ms; changes and ends of graces come sooner. */
const ROUND_MS = 10_000;
/** Longest time for which changes are gathered before the next look, in ms. */
const GATHER_MS = 200;
/** After a failed or partly stale write, and before standing for election again after a failure, in ms. */
const RETRY_MS = 1000;
/** How often contents that no unit refers to are deleted, in ms. */
const COLLECT_MS = 600_000;

export interface SchedulerOptions {
  readonly registry: Registry;
  readonly machineId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Meter;
  /** Lease of the leadership, in ms. */
  readonly ttlMs: number;
  /** How long units of a machine that is gone stay assigned to it, in ms. */
  readonly graceMs: number;
}

export interface SchedulerStatus {
  readonly leader: boolean;
  /** `LeaderTerm.fence`; null while this machine does not lead. */
  readonly term: number | null;
  /** Why units are not where their target wants them, in words by unit; null while this machine does not lead. */
  readonly refusals: ReadonlyMap<string, string> | null;
  /** Why units of missing machines are not moved for the time being, or null. */
  readonly frozen: string | null;
  /** Why nothing at all is decided, or null. */
  readonly hold: string | null;
}

export interface Scheduler {
  status(): SchedulerStatus;
  /** Ends the round in hand and gives up the leadership, so that another machine need not wait for the lease. */
  stop(): Promise<void>;
}

const NOT_LEADING: SchedulerStatus = { leader: false, term: null, refusals: null, frozen: null, hold: null };

/** Stands for election, and while elected keeps every unit where it should be. */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const { registry, machineId, clock, log, ttlMs } = options;
  const stopping = new AbortController();
  let current: Leader | null = null;
  const metrics = schedulerMetrics(options.meter, () => ({
    ...{ since: current?.since ?? null, pending: current?.pending ?? new Map() },
    frozen: current?.status.frozen ?? null,
  }));

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const term = await registry.campaign(machineId, ttlMs, stopping.signal);
        log.info({ fence: term.fence }, 'elected leader');
        current = new Leader(options, metrics, term);
        await current.lead(stopping.signal);
        log.info({ fence: term.fence }, 'no longer leader');
      } catch (error) {
        if (kindOf(error) === 'aborted') continue;
        log.error({}, `leading failed: ${messageOf(error)}`);
        await clock.sleep(RETRY_MS, stopping.signal).catch(() => undefined);
      } finally {
        current = null;
      }
    }
  }

  const done = run();
  return {
    status: () => current?.status ?? NOT_LEADING,
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

/** One term. Graces start anew with it: what an earlier leader saw of a machine is not known here. */
class Leader {
  status: SchedulerStatus;
  /** ms since the epoch. */
  readonly since: number;
  pending: ReadonlyMap<string, PendingReason> = new Map();
  private readonly metrics: SchedulerMetrics;
  private readonly options: SchedulerOptions;
  private readonly term: LeaderTerm;
  private readonly over = new AbortController();
  private absences: Absences = NO_ABSENCES;
  private evicted: readonly string[] = [];
  /** What every machine can read of the freeze. */
  private told: string | null = null;
  private transfers: Transfers = new Map();
  /** The registry's revision at which something was last written here. */
  private writtenAt = 0;
  private collectedAt: number;
  private readonly planner = new Planner();
  /** There was nothing left to do at the last look, and no machine is missing. */
  private settled = false;
  private alarm = new AbortController();
  private loop: Loop | undefined;
  private readonly waits = new Waits();
  /** When the first change since the last look was heard of. */
  private heardAt: number | null = null;
  /** How long the last look and what followed from it took. */
  private tookMs = 0;

  constructor(options: SchedulerOptions, metrics: SchedulerMetrics, term: LeaderTerm) {
    this.options = options;
    this.metrics = metrics;
    this.since = options.clock.now();
    this.term = term;
    this.status = { leader: true, term: term.fence, refusals: new Map(), frozen: null, hold: null };
    this.collectedAt = options.clock.steady();
  }

  /** Resolves when the term is over or `stop` has fired; resigns in that case. */
  async lead(stop: AbortSignal): Promise<void> {
    const { registry, clock, log } = this.options;
    const end = AbortSignal.any([stop, this.term.lost, this.over.signal]);
    try {
      const view = await registry.openClusterView(end);
      const loop = startLoop({
        name: 'scheduler',
        intervalMs: ROUND_MS,
        round: () => this.timedRound(view),
        clock,
        log,
      });
      this.loop = loop;
      const waking = this.wakeOnChanges(view, loop, end);
      await aborted(end);
      await loop.stop();
      this.alarm.abort();
      await view.close();
      await waking;
    } finally {
      if (!this.term.lost.aborted) await this.term.resign();
    }
  }

  private async wakeOnChanges(view: ClusterView, loop: Loop, end: AbortSignal): Promise<void> {
    try {
      for await (const _ of view.changes(end)) {
        this.heardAt ??= this.options.clock.steady();
        // What comes while many change at once is placed together. Here, not by the loop's own gathering: the end of a grace waits for nobody.
        if (this.tookMs > 0) await this.options.clock.sleep(Math.min(this.tookMs, GATHER_MS), end);
        loop.wake();
      }
    } catch (error) {
      if (kindOf(error) !== 'aborted') this.options.log.error({}, `watching failed: ${messageOf(error)}`);
    }
  }

  private async timedRound(view: ClusterView): Promise<void> {
    const beganAt = this.options.clock.steady();
    try {
      await this.round(view);
    } finally {
      this.tookMs = this.options.clock.steady() - beganAt;
    }
  }

  private async round(view: ClusterView): Promise<void> {
    const { clock, log } = this.options;
    const snapshot = view.snapshot();
    if (snapshot.kind === 'hold') {
      if (this.status.hold === null) log.warn({}, `nothing is decided: ${snapshot.reason}`);
      this.status = { ...this.status, hold: snapshot.reason };
      return;
    }
    // It does not show yet what was written last: units would be placed as if the machines had none of that.
    if (!this.term.trusted() || snapshot.revision < this.writtenAt) return;
    const now = clock.steady();
    const heardAt = this.heardAt ?? now;
    this.heardAt = null;
    const report = watchAbsences(snapshot, this.absences, now, this.options.graceMs);
    this.note(report);
    let due = report.nextDue;
    try {
      if (!this.settled || waits(report) || !this.planner.isAsBefore(snapshot)) {
        this.settled = false;
        due = Math.min(due ?? Number.POSITIVE_INFINITY, now + RETRY_MS);
        const outcome = await this.decide(snapshot, report, heardAt);
        this.metrics.reconciled(clock.steady() - now);
        if (outcome !== 'unfinished') due = report.nextDue;
        this.settled = outcome === 'settled' && !waits(report);
      }
      if (report.frozen !== this.told) await this.tell(report.frozen);
      await this.collect(now);
    } finally {
      this.alarm.abort();
      if (due !== null) this.wakeAt(due);
    }
  }

  /** Decides and writes. `written`: the next look comes with the change this has made. */
  private async decide(
    snapshot: ClusterSnapshot,
    { holds, frozen }: AbsenceReport,
    heardAt: number,
  ): Promise<'settled' | 'written' | 'unfinished'> {
    const { registry, log } = this.options;
    const placing = this.planner.place(snapshot, { holds, transfers: this.transfers });
    const { decisions, refusals, transfers } = placing;
    this.transfers = transfers;
    this.status = { ...this.status, refusals, frozen, hold: null };
    this.noteWaiting(snapshot, placing, heardAt);
    if (decisions.length === 0) return 'settled';
    // What leaves is written first: a unit that changes over may come back to the very key it left.
    const leaving = decisions.filter(({ kind }) => kind === 'unplace');
    const rest = decisions.filter(({ kind }) => kind !== 'unplace');
    let outcome: 'written' | 'unfinished' = 'written';
    for (const part of [leaving, rest]) {
      if (part.length === 0) continue;
      let result: CommitResult;
      try {
        result = await registry.commit(part, this.term);
      } catch (error) {
        for (const decision of part) this.count(snapshot, decision, 'failed');
        throw error;
      }
      for (const [at, decision] of part.entries())
        this.count(snapshot, decision, result.kind === 'done' ? result.outcomes[at]! : result.kind);
      if (result.kind === 'deposed') {
        log.warn({}, 'deposed: another machine leads');
        this.over.abort();
        return 'unfinished';
      }
      for (const [index, decision] of part.entries())
        if (result.outcomes[index] === 'committed') log.info({ unit: decision.unit }, describe(decision));
        else log.debug({ unit: decision.unit }, `stale: ${describe(decision)}`);
      this.writtenAt = Math.max(this.writtenAt, result.revision);
      if (result.outcomes.includes('stale')) outcome = 'unfinished';
    }
    return outcome;
  }

  private noteWaiting(snapshot: ClusterSnapshot, { decisions, pending }: Placing, heardAt: number): void {
    const units = [
      ...decisions.filter(({ kind }) => kind !== 'unplace').map(({ unit }) => unit),
      ...pending.keys(),
    ];
    const waiting = units.map((unit) => ({ unit, generation: snapshot.units.get(unit)?.generation ?? 0 }));
    this.waits.look(snapshot.revision, waiting, heardAt);
    const isNew = (unit: string): boolean => !this.pending.has(unit);
    this.metrics.unplaceable([...pending.keys()].filter(isNew).length);
    this.pending = pending;
  }

  private count(snapshot: ClusterSnapshot, decision: Decision, outcome: DecisionOutcome): void {
    this.metrics.decided(snapshot, decision, outcome);
    if (decision.kind === 'unplace' || outcome !== 'committed') return;
    const waited = this.waits.waited(decision.unit, this.options.clock.steady());
    if (waited !== null) this.metrics.scheduled(waited);
  }

  /** Remembers absences and says once what changed about them. */
  private note({ absences, holds, evicted, frozen }: AbsenceReport): void {
    const { log, graceMs } = this.options;
    for (const machine of holds.machines.keys())
      if (!this.absences.missingSince.has(machine))
        log.warn({ machine }, `machine is gone; its units stay for a grace of ${graceMs / 1000} s`);
    for (const machine of evicted)
      if (!this.evicted.includes(machine)) log.warn({ machine }, 'machine is given up; its units move');
    this.evicted = evicted;
    if (frozen !== null && this.status.frozen === null) log.error({}, frozen);
    if (frozen === null && this.status.frozen !== null) log.info({}, 'units of missing machines move again');
    this.absences = absences;
    this.status = { ...this.status, frozen, hold: null };
  }

  private async tell(frozen: string | null): Promise<void> {
    await this.term.tell(frozen);
    this.told = frozen;
  }

  private async collect(now: number): Promise<void> {
    if (now - this.collectedAt < COLLECT_MS) return;
    this.collectedAt = now;
    const count = await this.options.registry.collectContents(this.term);
    if (count > 0) this.options.log.info({ count }, 'deleted unit contents that no unit refers to');
  }

  private wakeAt(due: number): void {
    const { clock } = this.options;
    this.alarm = new AbortController();
    clock.sleep(Math.max(0, due - clock.steady()), this.alarm.signal).then(
      () => this.loop?.wake(),
      () => undefined,
    );
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Whether time alone may change what is to be done. */
function waits({ holds, evicted }: AbsenceReport): boolean {
  return holds.machines.size + holds.units.size + evicted.length > 0;
}
