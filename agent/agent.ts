import type { Machine, UnitState } from '../registry/model.js';
import type { MachineSnapshot, Registry } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import type { Meter } from '../runtime/meter.js';
import { readConstraints } from '../units/constraints.js';
import { type DesiredUnit, desiredUnits } from './desired.js';
import { createExecutor, isRefusal, type Outcome } from './execute.js';
import { agentMetrics } from './metrics.js';
import { reconcile } from './reconcile.js';
import { createPortChooser, type Offer, startAnnouncer } from './services.js';
import { createAttempts, keepSession } from './session.js';
import type { ManagedUnit, UnitManager } from './unit-manager.js';

export interface AgentOptions {
  readonly registry: Pick<Registry, 'join' | 'openPlacementView'>;
  readonly manager: UnitManager;
  readonly machine: Machine;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Meter;
  /** How long the machine counts as there after its last sign of life. */
  readonly ttlMs: number;
  /** The address other machines reach this machine's services at. */
  readonly hostForServices: string;
  /** What units get as CONVOY_API. */
  readonly apiForUnits: string;
}

export interface AgentStatus {
  readonly joined: boolean;
  /** The machine's lease was renewed in time. */
  readonly trusted: boolean;
  /** Why the machine could not join, or why nothing may be touched; `null` when all is well. */
  readonly problem: string | null;
  /** Why nothing may be touched; `null` when that is not so. */
  readonly hold: string | null;
  /** Why this is no machine of the cluster: it could not join yet, or another machine has its id; else `null`. */
  readonly outsider: string | null;
}

export interface Agent {
  status(): AgentStatus;
  /**
   * Leaves every unit running, and the lease for the next convoyd of this machine to resume. With `drain`: stops and
   * forgets every unit first, then takes the machine out of the cluster. Units that cannot be stopped keep it in.
   */
  stop(options?: { readonly drain: boolean }): Promise<void>;
}

interface FailedLoad {
  readonly desired: DesiredUnit;
  readonly reason: string;
  readonly since: number;
  /** It would fail the same way again. */
  readonly refused: boolean;
}

/** Longest time between two looks when nothing wakes the agent. */
const LOOK_MS = 10_000;
/** Longest time for which changes are gathered before the next publication. */
const GATHER_MS = 1000;

/**
 * Makes one machine match its placements, and says what came of it: look at the placements and at the unit manager,
 * decide, do. With the registry away or strange, everything here goes on as it is.
 */
export function startAgent(options: AgentOptions): Agent {
  const { registry, manager, machine, clock, log } = options;
  const ending = new AbortController();
  const view = registry.openPlacementView(machine.id);
  const choosePort = createPortChooser();
  /** Units that could not be loaded, with the wish that failed. A refused one is asked again when that changes. */
  const failedLoads = new Map<string, FailedLoad>();
  const published = new Map<string, UnitState>();
  /** What the units of one snapshot offer: asked for every two seconds. */
  const offersOf = ofLast(({ placements }: MachineSnapshot): ReadonlyMap<string, Offer> => {
    const found = [...placements.values()].flatMap(({ unit, content }) => {
      const { offer } = readConstraints(unit, content);
      return offer === null ? [] : [[unit, offer] as const];
    });
    return new Map(found);
  });
  const desiredOf = ofLast(desiredUnits);

  const publishing = createAttempts('states are not published', log);
  const holding = createAttempts('the time that lease-bound units may run is not extended', log);
  const use = { needsTrust: () => hasLeaseBound, onRenewed };
  const session = keepSession({ ...options, signal: ending.signal, onJoin: lookAnew, use });
  /** Whether anything here may run only while the lease holds. As of the last look; until the first one it may be so. */
  let hasLeaseBound = true;
  /** `clock.steady()`, ms: until when the lease cannot have run out, as far as etcd says. */
  let heldUntil = Number.NEGATIVE_INFINITY;
  /** The same, confirmed by a quorum: until then this machine's units are nobody else's. */
  let trustedUntil = Number.NEGATIVE_INFINITY;

  function onRenewed(until: number, confirmed: boolean): void {
    heldUntil = until;
    if (!confirmed) return;
    const lapsed = !trusted();
    trustedUntil = until;
    void holding.attempt(() => manager.holdLease(until)).then(() => lapsed && reconciler.wake());
  }
  const trusted = (): boolean => clock.steady() < trustedUntil;
  const metrics = agentMetrics(options.meter, () => {
    const { joined, hold } = status();
    return { joined, hold, heldMs: heldUntil - clock.steady() };
  });

  function placements(): MachineSnapshot | null {
    const snapshot = view.snapshot();
    return snapshot.kind === 'hold' ? null : snapshot;
  }

  async function environment({ name, leaseBound, fence }: DesiredUnit): Promise<Record<string, string>> {
    const about = {
      ...{ CONVOY_API: options.apiForUnits, CONVOY_MACHINE: machine.id, CONVOY_UNIT: name },
      ...(leaseBound ? { CONVOY_FENCE: String(fence) } : {}),
    };
    const offered = offers();
    if (offered?.get(name)?.port !== 'auto') return about;
    return { ...about, PORT: String(choosePort(name, offered, await manager.list())) };
  }

  function offers(): ReadonlyMap<string, Offer> | null {
    const snapshot = placements();
    return snapshot === null ? null : offersOf(snapshot);
  }

  const announcer = startAnnouncer({
    machineId: machine.id,
    host: options.hostForServices,
    offers,
    list: () => manager.list(),
    session: () => session.current(),
    clock,
    log,
  });

  const executor = createExecutor({
    manager,
    environment,
    withdraw: (units) => announcer.withdraw(units),
    onOutcome: settle,
    clock,
  });

  function settle(outcome: Outcome): void {
    metrics.settled(outcome);
    const { task, error } = outcome;
    announcer.release(task.unit);
    if (error === undefined) log.info({ unit: task.unit, task: task.kind, why: task.why }, 'task done');
    else if (kindOf(error) !== 'aborted')
      log.warn({ unit: task.unit, task: task.kind, why: task.why }, `task failed: ${messageOf(error)}`);
    if (task.kind === 'load' && error === undefined) failedLoads.delete(task.unit);
    if (task.kind === 'load' && error !== undefined && kindOf(error) !== 'aborted')
      noteFailedLoad(task.desired, error);
    // A failure is looked at again after the interval, not at once.
    if (error === undefined) reconciler.wake();
    publisher.wake();
    announcer.wake();
  }

  function noteFailedLoad(desired: DesiredUnit, error: unknown): void {
    const [reason, refused] = [messageOf(error), isRefusal(error)];
    const before = failedLoads.get(desired.name);
    const since = before?.reason === reason ? before.since : clock.now();
    failedLoads.set(desired.name, { desired, reason, since, refused });
  }

  /** Read before the machine was there again: what was placed on it may have been given to another meanwhile. */
  const isStale = ({ revision }: MachineSnapshot): boolean => revision < (session.current()?.revision ?? 0);

  /** The first such unit is not started before a quorum has confirmed the lease, which is asked for at once. */
  function noteLeaseBound(now: boolean): void {
    const isNew = now && !hasLeaseBound;
    hasLeaseBound = now;
    if (isNew) session.current()?.renew();
  }

  function lookAnew(): void {
    view.refresh();
    wakeAll();
  }

  const reconciler = startLoop({
    name: 'agent',
    intervalMs: LOOK_MS,
    clock,
    log,
    async round(signal) {
      const startedAt = clock.steady();
      const actual = await manager.list();
      const snapshot = placements();
      if (snapshot === null || signal.aborted || !session.entitled() || isStale(snapshot)) return;
      const desired = desiredOf(snapshot);
      noteLeaseBound([...desired.values()].some(({ leaseBound }) => leaseBound));
      for (const [unit, failed] of failedLoads)
        if (!sameWish(failed.desired, desired.get(unit))) failedLoads.delete(unit);
      const judged = (name: string): boolean =>
        failedLoads.get(name)?.refused !== true &&
        (!executor.busy.has(name) || executor.starting.has(name)) &&
        (desired.get(name)?.leaseBound !== true || trusted());
      executor.begin(
        reconcile(
          new Map([...desired].filter(([name]) => judged(name))),
          new Map(actual.filter(({ name }) => judged(name)).map((unit) => [unit.name, unit])),
        ),
      );
      metrics.reconciled(clock.steady() - startedAt);
    },
  });

  /** What is listed of it now may be about to be replaced. A start, which may take for ever, replaces nothing. */
  const isUnderWay = (unit: string): boolean => executor.busy.has(unit) && !executor.starting.has(unit);

  const publisher = startLoop({
    name: 'states',
    intervalMs: LOOK_MS,
    // As long as the registry took for the last ones: the slower it is, the more goes into one write.
    gatherMs: (tookMs) => Math.min(tookMs, GATHER_MS),
    clock,
    log,
    async round() {
      const current = session.current();
      if (current === null) return;
      const told = placements();
      if (told === null) return;
      // Before the units are listed: what is said to be heard of is never newer than what is said to run.
      const heard = new Map(
        [...told.placements]
          .filter(([unit]) => !isUnderWay(unit))
          .map(([unit, { revision }]) => [unit, revision]),
      );
      const units = await manager.list();
      const now = placements();
      if (now === null) return;
      const states = new Map(
        [
          ...[...failedLoads.values()].map((failed) => failedState(failed, machine.id)),
          // Of a unit that comes, what counts is what its first start makes of it.
          ...units.filter(({ name }) => !executor.loading.has(name)).map((unit) => stateOf(unit, machine.id)),
        ].map((state) => {
          const before = published.get(state.unit)?.heard ?? 0;
          return [state.unit, { ...state, heard: Math.max(before, heard.get(state.unit) ?? 0) }];
        }),
      );
      // A unit between its unload and its next load is no unit that is gone.
      for (const [unit, last] of published)
        if (!states.has(unit) && (now.placements.has(unit) || executor.busy.has(unit)))
          states.set(unit, last);
      const gone = [...published.keys()].filter((unit) => !states.has(unit));
      for (const [unit, state] of states) published.set(unit, state);
      if (!(await publishing.attempt(() => current.publish([...states.values()], gone)))) return;
      for (const unit of gone) published.delete(unit);
    },
  });

  function wakeAll(): void {
    reconciler.wake();
    publisher.wake();
    announcer.wake();
  }

  async function wakeOn(changes: AsyncIterable<void>): Promise<void> {
    for await (const _ of changes) wakeAll();
  }
  const watching = Promise.all([
    wakeOn(view.changes(ending.signal)),
    wakeOn(manager.changes(ending.signal)),
  ]).catch((error) => log.error({}, `the agent is not woken any more: ${messageOf(error)}`));

  /** Stops and forgets every unit; answers those that would not go. */
  async function unloadAll(): Promise<readonly string[]> {
    const tried = new Set<string>();
    for (;;) {
      const there = (await manager.list()).map(({ name }) => name);
      const todo = there.filter((name) => !tried.has(name));
      if (todo.length === 0) return there;
      for (const name of todo) if (!executor.busy.has(name) || executor.starting.has(name)) tried.add(name);
      executor.begin(
        todo.map((unit) => ({ kind: 'unload', unit, why: 'convoyd stops and drains the machine' })),
      );
      await executor.settled();
    }
  }

  async function drained(): Promise<boolean> {
    try {
      const left = await unloadAll();
      if (left.length === 0) return true;
      log.error({ units: left }, 'units could not be stopped: the machine stays in the cluster');
    } catch (error) {
      log.error({}, `units could not be stopped, the machine stays in the cluster: ${messageOf(error)}`);
    }
    return false;
  }

  function status(): AgentStatus {
    const snapshot = view.snapshot();
    const hold = snapshot.kind === 'hold' ? snapshot.reason : null;
    const notJoined = session.problem();
    return {
      ...{
        joined: session.current() !== null,
        trusted: clock.steady() < heldUntil,
        problem: notJoined ?? hold,
        hold,
      },
      outsider: session.entitled() ? null : notJoined,
    };
  }

  return {
    status,
    async stop({ drain } = { drain: false }) {
      await reconciler.stop();
      const leaves = drain && (await drained());
      ending.abort();
      await Promise.all([publisher.stop(), announcer.stop(), watching]);
      await session.stop(leaves ? 'leave' : 'suspend');
      await view.close();
    },
  };
}

/** Remembers what came of the last argument: between two changes it is asked for the same again and again. */
function ofLast<A extends object, B>(find: (given: A) => B): (given: A) => B {
  let last: { readonly given: A; readonly found: B } | undefined;
  return (given) => {
    if (last?.given !== given) last = { given, found: find(given) };
    return last.found;
  };
}

function sameWish(one: DesiredUnit, other: DesiredUnit | undefined): boolean {
  return (
    other !== undefined &&
    one.hash === other.hash &&
    one.target === other.target &&
    one.restarts === other.restarts
  );
}

type StateHere = Omit<UnitState, 'heard'>;

function stateOf(unit: ManagedUnit, machine: string): StateHere {
  const { name, hash, load, active, sub, since, exit, autoRestarts, reason, launched } = unit;
  const reached = launched ? 'launched' : 'loaded';
  return { unit: name, machine, hash, load, active, sub, reached, since, exit, autoRestarts, reason };
}

/** A unit that could not even be loaded. */
function failedState({ desired, reason, since }: FailedLoad, machine: string): StateHere {
  return {
    unit: desired.name,
    machine,
    hash: desired.hash,
    load: 'error',
    active: 'inactive',
    sub: 'dead',
    reached: 'loaded',
    since,
    exit: null,
    autoRestarts: 0,
    reason,
  };
}
