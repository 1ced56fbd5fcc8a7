import type { DesiredUnit } from './desired.js';
import type { ManagedUnit } from './unit-manager.js';

/** Why a task is there, in the words the log has. */
const WHY = {
  notDesired: 'not placed on this machine',
  changed: 'the unit file changed',
  missing: 'placed on this machine',
  effect: 'loaded and unloaded units take effect',
  target: (target: string) => `target state ${target}`,
  restart: 'a restart was requested',
} as const;

/** One call of the unit manager. */
export type Task =
  | { readonly kind: 'unload' | 'stop'; readonly unit: string; readonly why: string }
  | { readonly kind: 'load'; readonly unit: string; readonly desired: DesiredUnit; readonly why: string }
  | { readonly kind: 'start'; readonly unit: string; readonly desired: DesiredUnit; readonly why: string }
  | { readonly kind: 'daemon-reload'; readonly why: string };

const ORDER = ['unload', 'load', 'daemon-reload', 'stop', 'start'] as const;

/** What the reconciler has to know of a unit that is there. */
export type Actual = Pick<ManagedUnit, 'name' | 'hash' | 'launched' | 'restarts'>;

/**
 * The tasks that make what is there what should be: unload, load, reload, stop, start, by name within each. A unit
 * that has been asked to start is not asked again, whatever came of it: bringing it back is the matter of Restart=.
 */
export function reconcile(
  desired: ReadonlyMap<string, DesiredUnit>,
  actual: ReadonlyMap<string, Actual>,
): readonly Task[] {
  const names = [...new Set([...desired.keys(), ...actual.keys()])].sort();
  const tasks = names.flatMap((name) => tasksOf(desired.get(name), actual.get(name)));
  if (tasks.some(({ kind }) => kind === 'load' || kind === 'unload'))
    tasks.push({ kind: 'daemon-reload', why: WHY.effect });
  return ORDER.flatMap((kind) => tasks.filter((task) => task.kind === kind));
}

function tasksOf(desired: DesiredUnit | undefined, actual: Actual | undefined): Task[] {
  if (desired === undefined)
    return actual === undefined ? [] : [{ kind: 'unload', unit: actual.name, why: WHY.notDesired }];
  const unit = desired.name;
  const wanted = desired.target === 'launched';
  const start = (why: string): Task => ({ kind: 'start', unit, desired, why });
  const target = WHY.target(desired.target);

  if (actual === undefined || actual.hash !== desired.hash) {
    const why = actual === undefined ? WHY.missing : WHY.changed;
    return [
      ...(actual === undefined ? [] : [{ kind: 'unload', unit, why } as const]),
      { kind: 'load', unit, desired, why },
      ...(wanted ? [start(actual === undefined ? target : why)] : []),
    ];
  }
  if (!wanted) return actual.launched ? [{ kind: 'stop', unit, why: target }] : [];
  if (!actual.launched) return [start(target)];
  if (desired.restarts <= actual.restarts) return [];
  return [{ kind: 'stop', unit, why: WHY.restart }, start(WHY.restart)];
}
