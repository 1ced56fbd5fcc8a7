import type { Clock } from '../runtime/clock.js';
import { ConvoyError } from '../runtime/errors.js';
import type { DesiredUnit } from './desired.js';
import type { Task } from './reconcile.js';
import type { UnitManager } from './unit-manager.js';

/** What came of one task. Without an error it is done. */
export interface Outcome {
  readonly task: Exclude<Task, { kind: 'daemon-reload' }>;
  readonly error?: unknown;
  /** How long it took. */
  readonly ms: number;
}

export interface ExecutorOptions {
  readonly manager: Pick<UnitManager, 'load' | 'daemonReload' | 'start' | 'stop' | 'unload'>;
  /** What a unit is started with. */
  readonly environment: (unit: DesiredUnit) => Promise<Readonly<Record<string, string>>>;
  /** Called before any of these units is stopped: nobody shall find them any more. Must not take long. */
  readonly withdraw: (units: readonly string[]) => Promise<void>;
  readonly onOutcome: (outcome: Outcome) => void;
  readonly clock: Pick<Clock, 'steady'>;
}

export interface Executor {
  /** Units with tasks under way. What they are like is for nobody to judge until those are done. */
  readonly busy: ReadonlySet<string>;
  /** Those of them for which only a start is under way, which may take for ever: a stop or unload may overtake it. */
  readonly starting: ReadonlySet<string>;
  /** Those of them that were not there before, until they are loaded and their start, if there is one, begins. */
  readonly loading: ReadonlySet<string>;
  /**
   * Begins the tasks of a pass. Those of a busy unit are left out, unless they overtake its start.
   */
  begin(tasks: readonly Task[]): void;
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>;
}

type UnitTask = Exclude<Task, { kind: 'daemon-reload' }>;

/**
 * Tasks -> outcomes. Units go side by side and never wait for each other's failures or slow stops; one unit's tasks
 * go in order and end with the first that fails: the next look decides anew. The starts of a pass are asked for
 * together, after its loads, so that the unit manager can put them in their After= order; so are its stops.
 */
export function createExecutor({
  manager,
  environment,
  withdraw,
  onOutcome,
  clock,
}: ExecutorOptions): Executor {
  const busy = new Set<string>();
  const starting = new Set<string>();
  const loading = new Set<string>();
  const underWay = new Map<Promise<void>, string>();

  function mayBegin(unit: string, first: UnitTask | undefined): boolean {
    return !busy.has(unit) || (starting.has(unit) && (first?.kind === 'stop' || first?.kind === 'unload'));
  }

  function begin(tasks: readonly Task[]): void {
    const chains = new Map([...chainsOf(tasks)].filter(([unit, [first]]) => mayBegin(unit, first)));
    const leaving = [...chains].filter(([, [first]]) => first?.kind === 'unload' || first?.kind === 'stop');
    const withdrawn = leaving.length === 0 ? undefined : withdraw(leaving.map(([unit]) => unit));
    const loads = new Map<string, Promise<void>>();
    const environments = new Map<string, Promise<Readonly<Record<string, string>>>>();
    for (const [unit, chain] of chains) {
      const [first] = chain;
      if (first?.kind === 'load') loads.set(unit, manager.load(first.desired));
      const start = chain.find(({ kind }) => kind === 'start');
      if (start?.kind === 'start') environments.set(unit, environment(start.desired));
    }
    const reloaded = Promise.allSettled([...loads.values(), ...environments.values()]).then(async () => {
      if (loads.size > 0) await manager.daemonReload();
    });
    reloaded.catch(() => undefined);

    async function perform(task: UnitTask, first: UnitTask | undefined): Promise<void> {
      switch (task.kind) {
        case 'unload':
          await withdrawn;
          return manager.unload(task.unit);
        case 'stop':
          await withdrawn;
          return manager.stop(task.unit);
        case 'load':
          if (task === first) return loads.get(task.unit);
          await manager.load(task.desired);
          return manager.daemonReload();
        case 'start': {
          const values = (await environments.get(task.unit)) ?? {};
          if (first?.kind === 'load' || first === task) await reloaded;
          starting.add(task.unit);
          loading.delete(task.unit);
          return manager.start(task.unit, { environment: values, restarts: task.desired.restarts });
        }
      }
    }

    async function run(chain: readonly UnitTask[]): Promise<Outcome[]> {
      const outcomes: Outcome[] = [];
      for (const task of chain) {
        const startedAt = clock.steady();
        try {
          await perform(task, chain[0]);
          outcomes.push({ task, ms: clock.steady() - startedAt });
        } catch (error) {
          outcomes.push({ task, error, ms: clock.steady() - startedAt });
          break;
        }
      }
      return outcomes;
    }

    for (const [unit, chain] of chains) {
      busy.add(unit);
      starting.delete(unit);
      if (chain[0]?.kind === 'load') loading.add(unit);
      else loading.delete(unit);
      const done = run(chain).then((outcomes) => {
        underWay.delete(done);
        // What was overtaken leaves the unit to what overtook it.
        if (![...underWay.values()].includes(unit)) {
          busy.delete(unit);
          starting.delete(unit);
          loading.delete(unit);
        }
        for (const outcome of outcomes) onOutcome(outcome);
      });
      underWay.set(done, unit);
    }
  }

  return {
    busy,
    starting,
    loading,
    begin,
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay.keys());
    },
  };
}

function chainsOf(tasks: readonly Task[]): Map<string, UnitTask[]> {
  const chains = new Map<string, UnitTask[]>();
  for (const task of tasks) {
    if (task.kind === 'daemon-reload') continue;
    const chain = chains.get(task.unit) ?? [];
    chain.push(task);
    chains.set(task.unit, chain);
  }
  return chains;
}

/** A task that will fail the same way until somebody changes something. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ConvoyError && error.kind === 'permanent';
}
