import type { MachineCondition } from '../../api/schemas.js';
import type { Clock } from '../../runtime/clock.js';
import type { ApiClient } from '../client.js';

/** No machine is asked more often than this, in ms. */
const ASK_MS = 5_000;
/** What was told longer ago than this, in ms, is forgotten. */
const FORGET_MS = 15_000;
/** A machine that does not answer takes seconds to be known as such. */
const AT_ONCE = 4;

export interface Conditions {
  /** Asks those of the machines that are due, a few at a time. */
  want(machines: readonly string[]): void;
}

/** `tell` is given what is known whenever that changes. Nothing is asked once `closed` fires. */
export function askConditions(
  api: Pick<ApiClient, 'machineCondition'>,
  clock: Clock,
  closed: AbortSignal,
  tell: (conditions: ReadonlyMap<string, MachineCondition>) => void,
): Conditions {
  let wanted: readonly string[] = [];
  let known: ReadonlyMap<string, MachineCondition> = new Map();
  const underWay = new Set<string>();
  /** When each was asked and answered last, on the steady clock. */
  const askedAt = new Map<string, number>();
  const toldAt = new Map<string, number>();

  function askOn(): void {
    if (closed.aborted) return;
    const now = clock.steady();
    const since = (machine: string): number => now - (askedAt.get(machine) ?? Number.NEGATIVE_INFINITY);
    const due = wanted.filter((machine) => !underWay.has(machine) && since(machine) >= ASK_MS);
    due.sort((a, b) => since(b) - since(a) || 0);
    for (const machine of due.slice(0, AT_ONCE - underWay.size)) void ask(machine, now);
  }

  async function ask(machine: string, now: number): Promise<void> {
    askedAt.set(machine, now);
    underWay.add(machine);
    // Whatever is in the way of it: who is not known to be well is not shown to be.
    const condition = await api.machineCondition(machine).catch(() => null);
    underWay.delete(machine);
    if (closed.aborted) return;
    const others = [...known].filter(([id]) => id !== machine);
    if (condition !== null) toldAt.set(machine, clock.steady());
    know(condition === null ? others : [...others, [machine, condition]]);
    askOn();
  }

  function know(conditions: Iterable<readonly [string, MachineCondition]>): void {
    known = new Map(conditions);
    tell(known);
  }

  return {
    want(machines) {
      wanted = machines;
      const oldest = clock.steady() - FORGET_MS;
      const fresh = [...known].filter(([machine]) => (toldAt.get(machine) ?? oldest) > oldest);
      if (fresh.length < known.size) know(fresh);
      askOn();
    },
  };
}
