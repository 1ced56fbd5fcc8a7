import type { Event } from '../api/event-schemas.js';
import type { UnitReport, UnitState } from '../api/schemas.js';
import { sorted } from '../api/wire.js';

/** A unit after an event about it. Of a record the text is not told: it is the one that was known. */
export function changedUnit(unit: UnitReport, event: Event): UnitReport | null {
  switch (event.kind) {
    case 'unit':
      return event.value === null ? null : { ...unit, record: { ...unit.record, ...event.value } };
    case 'placement':
      return placed(unit, event);
    case 'state':
      return { ...unit, states: withState(unit.states, event) };
    case 'machine':
    case 'known':
    case 'service':
    case 'leader':
      return unit;
  }
}

/** A global unit is placed on many machines, and no machine is its own. */
function placed(unit: UnitReport, { machine, value }: Extract<Event, { kind: 'placement' }>): UnitReport {
  if (value === null) return unit.machine === machine ? { ...unit, machine: null, why: null } : unit;
  return unit.record.global ? unit : { ...unit, machine, why: value.why };
}

function withState(
  states: readonly UnitState[],
  { machine, value }: Extract<Event, { kind: 'state' }>,
): readonly UnitState[] {
  const others = states.filter((state) => state.machine !== machine);
  return value === null ? others : sorted([...others, value], (state) => state.machine);
}
