import type { UnitState } from '../registry/model.js';
import type { TargetState } from '../units/state.js';

/** A unit as far as it matters to why it waits. `machine`: where it is placed, or null. */
export interface WaitingUnit {
  readonly name: string;
  readonly target: TargetState;
  readonly global: boolean;
  readonly machine: string | null;
  readonly states: readonly Pick<UnitState, 'machine'>[];
}

/** What the leader has to say. */
export interface LeaderWords {
  /** null: nobody leads. */
  readonly leader: string | null;
  /** By unit: why it is not, or not everywhere, where it is wanted. */
  readonly refusals: ReadonlyMap<string, string>;
  /** Why nothing at all is decided, or null. */
  readonly hold: string | null;
}

/** Why a unit is not where its target wants it, in words; null: it is. */
export function pendingReason(unit: WaitingUnit, { leader, refusals, hold }: LeaderWords): string | null {
  const { name, target, global, machine, states } = unit;
  if (target === 'inactive') return null;
  const refusal = refusals.get(name);
  if (refusal !== undefined) return refusal;
  if (global || states.some((state) => state.machine === machine)) return null;
  if (machine !== null) return `pending: placed on ${machine}, whose agent has not loaded it yet`;
  if (hold !== null) return `pending: nothing is decided: ${hold}`;
  if (leader === null) return 'pending: no machine leads the cluster just now';
  return 'pending: the leader is placing it';
}
