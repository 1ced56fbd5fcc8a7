import type { Assignment, ClusterSnapshot, MoveRequest, UnitRecord } from '../registry/model.js';
import { type Placeable, shortId } from '../units/eligibility.js';

/**
 * What has to be known of a unit between the machine it was taken from and the next: its assignment, which said so,
 * is gone while it is still stopping. The leader keeps this; a new leader begins without it, and then such a unit
 * goes to whichever machine is best.
 */
export interface Transfer {
  /** The machine the operator named, if any: tried first. */
  readonly to: string | null;
  /** Machines tried last: those it failed on, and the one it was moved away from. */
  readonly avoid: readonly string[];
  /** The list its next assignment begins with. */
  readonly failedOn: readonly string[];
  /** Why it is moved, in words; null if it left for another reason than a move. */
  readonly why: string | null;
  /** The record it was about: what failed counts for this content and this start only. */
  readonly hash: string;
  readonly restarts: number;
}

export type Transfers = ReadonlyMap<string, Transfer>;

/** The operator's wish to have a unit elsewhere, as long as the unit is where it was then; else null. */
export function openMove({ move }: UnitRecord, { created }: Assignment): MoveRequest | null {
  return move?.assignment === created ? move : null;
}

/** Whether a unit has failed as often on its machine as `MoveAfterFailures=` bears. */
export function hasFailed(snapshot: ClusterSnapshot, unit: Placeable, machine: string): boolean {
  const { moveAfterFailures } = unit.constraints;
  if (moveAfterFailures === null) return false;
  const record = snapshot.units.get(unit.name);
  const state = snapshot.states.get(machine)?.get(unit.name);
  if (record?.target !== 'launched' || state?.hash !== record.hash) return false;
  return state.autoRestarts + (state.active === 'failed' ? 1 : 0) >= moveAfterFailures;
}

/**
 * Machines the unit has failed on before it came to where it is. The list is of the content and the start it was
 * made for: once its placement has been updated, or is about to be - another content, a restart, another target -
 * it begins anew.
 */
export function failedBefore(
  snapshot: ClusterSnapshot,
  record: UnitRecord,
  assignment: Assignment,
): readonly string[] {
  const placement = snapshot.placements.get(assignment.machine)?.get(assignment.unit);
  const { hash, restarts, revision, fence } = placement ?? {};
  return revision === fence && hash === record.hash && restarts === record.restarts
    ? assignment.failedOn
    : [];
}

/** What to remember of a unit that is taken from the machine it is assigned to; null: nothing. */
export function transferOf(snapshot: ClusterSnapshot, unit: Placeable): Transfer | null {
  const record = snapshot.units.get(unit.name);
  const assignment = snapshot.assigned.get(unit.name);
  if (record === undefined || assignment === undefined) return null;
  const { machine } = assignment;
  const { hash, restarts } = record;
  const move = openMove(record, assignment);
  const failed = hasFailed(snapshot, unit, machine);
  const failedOn = [...failedBefore(snapshot, record, assignment), ...(failed ? [machine] : [])];
  if (move !== null) {
    const why = `moved by hand from ${shortId(machine)}`;
    return { to: move.to, avoid: [...failedOn, machine], failedOn, why, hash, restarts };
  }
  if (failedOn.length === 0) return null;
  const why = failed ? whyFailed(unit, machine) : null;
  return { to: null, avoid: failedOn, failedOn, why, hash, restarts };
}

export function whyFailed({ constraints }: Placeable, machine: string): string {
  const times = constraints.moveAfterFailures === 1 ? 'once' : `${constraints.moveAfterFailures} times`;
  return `failed ${times} on ${shortId(machine)}`;
}

/** A transfer under way as it is for the record as it is now; undefined if there is nothing left of it. */
export function transferNow(transfer: Transfer, record: UnitRecord): Transfer | undefined {
  if (transfer.hash === record.hash && transfer.restarts === record.restarts) return transfer;
  const { hash, restarts } = record;
  const avoid = transfer.avoid.filter((machine) => !transfer.failedOn.includes(machine));
  if (transfer.to === null && avoid.length === 0) return undefined;
  return { ...transfer, avoid, failedOn: [], hash, restarts };
}
