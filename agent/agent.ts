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
}

export interface Agent {
  status(): AgentStatus;
  /** Leaves every unit running, and the lease for the next convoyd of this machine to resume. */
  stop(): Promise<void>;
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
  const session = keepSession({ ...options, signal: ending.signal, onJoin: wakeAll });

  function placements(): MachineSnapshot | null {
    const snapshot = view.snapshot();
    return snapshot.kind === 'hold' ? null : snapshot;
  }

  async function environment({ name }: DesiredUnit): Promise<Record<string, string>> {
    const about = { CONVOY_API: options.apiForUnits, CONVOY_MACHINE: machine.id, CONVOY_UNIT: name };
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

  const reconciler = startLoop({
    name: 'agent',
    intervalMs: LOOK_MS,
    clock,
    log,
    async round(signal) {
      const actual = await manager.list();
      const snapshot = placements();
      if (snapshot === null || signal.aborted) return;
      const desired = desiredUnits(snapshot);
      for (const [unit, wish] of refused)
        if (!sameWish(wish.desired, desired.get(unit))) refused.delete(unit);
      const judged = (name: string): boolean => !executor.busy.has(name) && !refused.has(name);
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

  return {
    status() {
      const snapshot = view.snapshot();
      const hold = snapshot.kind === 'hold' ? snapshot.reason : null;
      return { joined: session.current() !== null, problem: session.problem() ?? hold };
    },
    async stop() {
      ending.abort();
      await Promise.all([reconciler.stop(), publisher.stop(), announcer.stop(), watching]);
      await session.stop();
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
