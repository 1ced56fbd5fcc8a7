import type { Machine, UnitState } from '../registry/model.js';
import type { MachineSnapshot, Registry } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import { readConstraints } from '../units/constraints.js';
import { type DesiredUnit, desiredUnits } from './desired.js';
import { createExecutor, isRefusal, type Outcome } from './execute.js';
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
  /** How long the machine counts as there after its last sign of life. */
  readonly ttlMs: number;
  /** The address other machines reach this machine's services at. */
  readonly hostForServices: string;
  /** What units get as CONVOY_API. */
  readonly apiForUnits: string;
}

export interface AgentStatus {
  readonly joined: boolean;
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

interface RefusedUnit {
  readonly desired: DesiredUnit;
  readonly reason: string;
  readonly since: number;
}

/** Longest time between two looks when nothing wakes the agent. */
const LOOK_MS = 10_000;

/**
 * Makes one machine match its placements, and says what came of it: look at the placements and at the unit manager,
 * decide, do. With the registry away or strange, everything here goes on as it is.
 */
export function startAgent(options: AgentOptions): Agent {
  const { registry, manager, machine, clock, log } = options;
  const ending = new AbortController();
  const view = registry.openPlacementView(machine.id);
  const choosePort = createPortChooser();
  /** Units the manager would not load, with the wish it refused: asked again when that changes. */
  const refused = new Map<string, RefusedUnit>();
  const published = new Set<string>();

  const publishing = createAttempts('states are not published', log);
  const holding = createAttempts('the time that lease-bound units may run is not extended', log);
  const session = keepSession({ ...options, signal: ending.signal, onJoin: lookAnew, onTrust: trust });
  /** `clock.steady()`, ms: until when this machine's units are nobody else's. */
  let trustedUntil = Number.NEGATIVE_INFINITY;

  function trust(until: number): void {
    const lapsed = !trusted();
    trustedUntil = until;
    void holding.attempt(() => manager.holdLease(until)).then(() => lapsed && reconciler.wake());
  }
  const trusted = (): boolean => clock.steady() < trustedUntil;

  function placements(): MachineSnapshot | null {
    const snapshot = view.snapshot();
    return snapshot.kind === 'hold' ? null : snapshot;
  }

  async function environment({ name, leaseBound, fence }: DesiredUnit): Promise<Record<string, string>> {
    const about = {
      ...{ CONVOY_API: options.apiForUnits, CONVOY_MACHINE: machine.id, CONVOY_UNIT: name },
      ...(leaseBound ? { CONVOY_FENCE: String(fence) } : {}),
    };
    if (offers()?.get(name)?.port !== 'auto') return about;
    const taken = new Set((await manager.list()).map(({ environment: { PORT } }) => Number(PORT)));
    return { ...about, PORT: String(await choosePort(taken)) };
  }

  function offers(): ReadonlyMap<string, Offer> | null {
    const snapshot = placements();
    if (snapshot === null) return null;
    return new Map(
      [...snapshot.placements.values()].flatMap(({ unit, content }) => {
        const { offer } = readConstraints(unit, content);
        return offer === null ? [] : [[unit, offer]];
      }),
    );
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
  });

  function settle({ task, error }: Outcome): void {
    announcer.release(task.unit);
    if (error === undefined) log.info({ unit: task.unit, task: task.kind, why: task.why }, 'task done');
    else if (kindOf(error) !== 'aborted')
      log.warn({ unit: task.unit, task: task.kind, why: task.why }, `task failed: ${messageOf(error)}`);
    if (task.kind === 'load' && isRefusal(error))
      refused.set(task.unit, { desired: task.desired, reason: messageOf(error), since: clock.now() });
    // A failure is looked at again after the interval, not at once.
    if (error === undefined) reconciler.wake();
    publisher.wake();
    announcer.wake();
  }

  /** Read before the machine was there again: what was placed on it may have been given to another meanwhile. */
  const isStale = ({ revision }: MachineSnapshot): boolean => revision < (session.current()?.revision ?? 0);

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
      const actual = await manager.list();
      const snapshot = placements();
      if (snapshot === null || signal.aborted || !session.entitled() || isStale(snapshot)) return;
      const desired = desiredUnits(snapshot);
      for (const [unit, wish] of refused)
        if (!sameWish(wish.desired, desired.get(unit))) refused.delete(unit);
      const judged = (name: string): boolean =>
        !refused.has(name) &&
        (!executor.busy.has(name) || executor.starting.has(name)) &&
        (desired.get(name)?.leaseBound !== true || trusted());
      executor.begin(
        reconcile(
          new Map([...desired].filter(([name]) => judged(name))),
          new Map(actual.filter(({ name }) => judged(name)).map((unit) => [unit.name, unit])),
        ),
      );
    },
  });

  const publisher = startLoop({
    name: 'states',
    intervalMs: LOOK_MS,
    clock,
    log,
    async round() {
      const current = session.current();
      if (current === null) return;
      const units = await manager.list();
      if (placements() === null) return;
      const states = [
        ...units.map((unit) => stateOf(unit, machine.id)),
        ...[...refused.values()].map((wish) => refusedState(wish, machine.id)),
      ];
      const present = new Set(states.map(({ unit }) => unit));
      const gone = [...published].filter((unit) => !present.has(unit));
      for (const unit of present) published.add(unit);
      if (!(await publishing.attempt(() => current.publish(states, gone)))) return;
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

  return {
    status() {
      const snapshot = view.snapshot();
      const hold = snapshot.kind === 'hold' ? snapshot.reason : null;
      const notJoined = session.problem();
      return {
        ...{ joined: session.current() !== null, problem: notJoined ?? hold, hold },
        outsider: session.entitled() ? null : notJoined,
      };
    },
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

function sameWish(one: DesiredUnit, other: DesiredUnit | undefined): boolean {
  return (
    other !== undefined &&
    one.hash === other.hash &&
    one.target === other.target &&
    one.restarts === other.restarts
  );
}

function stateOf(unit: ManagedUnit, machine: string): UnitState {
  const { name, hash, load, active, sub, since, exit, autoRestarts, reason, launched } = unit;
  const reached = launched ? 'launched' : 'loaded';
  return { unit: name, machine, hash, load, active, sub, reached, since, exit, autoRestarts, reason };
}

/** A unit that could not even be loaded. */
function refusedState({ desired, reason, since }: RefusedUnit, machine: string): UnitState {
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
