import { type Placeable, shortId, Tally } from '../units/eligibility.js';
import { WHY, whyLeaves } from './decision.js';
import type { Plan } from './plan.js';
import { isOn } from './resident.js';
import { seatKey } from './seats.js';
import { failedBefore, hasFailed, openMove, whyFailed } from './transfers.js';

/** The units of a plan that are to go elsewhere though they might stay: by the operator's wish, or for their failures. */
export class Departures {
  /** Why units that are to go elsewhere stay for now, in words. */
  readonly unmoved = new Map<string, string>();
  private readonly plan: Plan;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  /**
   * Takes units from their machines that are to go elsewhere, by the operator's wish or because they failed too
   * often, if there is a machine that would have them. Answers whether any was.
   */
  move(): boolean {
    let moved = false;
    for (const unit of this.plan.restless) {
      const { record } = unit;
      const assignment = this.plan.snapshot.assigned.get(unit.name);
      if (assignment === undefined) continue;
      const { machine } = assignment;
      if (unit.constraints.global || !isOn(unit, machine)) continue;
      if (this.plan.came.has(seatKey(assignment)) || this.plan.holds.machines.has(machine)) continue;
      const request = openMove(record, assignment);
      const failed = hasFailed(this.plan.snapshot, unit, machine);
      if (this.plan.holds.units.has(unit.name) || (request === null && !failed)) continue;
      if (this.plan.isUnreported(unit.name, machine)) {
        this.unmoved.set(unit.name, `move: no report yet of ${unit.name} on ${shortId(machine)}`);
        continue;
      }
      const why =
        request === null
          ? this.whyNoneLeft(unit, machine, failedBefore(this.plan.snapshot, record, assignment))
          : this.whyNotMoved(unit, machine, request.to);
      if (why !== null) this.unmoved.set(unit.name, why);
      else {
        this.unmoved.delete(unit.name);
        this.plan.leave(unit.name, machine, request === null ? whyFailed(unit, machine) : WHY.moved);
        moved = true;
      }
    }
    return moved;
  }

  /** Why the operator's wish to have a unit elsewhere cannot be met now, in words, or null. */
  private whyNotMoved(unit: Placeable, from: string, to: string | null): string | null {
    if (to === from) return `move: it is on ${shortId(to)} already`;
    if (to !== null) {
      const machine = this.plan.candidates.get(to);
      if (machine === undefined) return `move: machine ${shortId(to)} is not there`;
      const refusal = this.plan.whyNotHere(unit, machine);
      return refusal === null ? null : `move to ${shortId(to)}: ${whyLeaves(refusal)}`;
    }
    const tally = new Tally();
    for (const [id, machine] of this.plan.candidates) {
      if (id === from) continue;
      const refusal = this.plan.whyNotHere(unit, machine);
      if (refusal === null) return null;
      tally.add(refusal);
    }
    return `move: ${tally.summary(0, 'other ')}`;
  }

  /** Why a unit that failed too often stays where it is, or null if there is a machine it has not failed on. */
  private whyNoneLeft(unit: Placeable, from: string, failedOn: readonly string[]): string | null {
    const may = [...this.plan.candidates.values()].filter(
      (machine) => machine.id === from || this.plan.whyNotHere(unit, machine) === null,
    );
    if (may.some(({ id }) => id !== from && !failedOn.includes(id))) return null;
    return may.length === 1
      ? 'failed on the only machine that may run it'
      : `failed on all ${may.length} machines that may run it`;
  }
}
