import type { ClusterSnapshot, UnitState } from '../registry/model.js';

/** What of a cluster is different to `place`. */
export interface Changes {
  /** The machines that are there or known, or what is known of them. */
  readonly machines: boolean;
  /** Units of which a row is different, each with the machines whose rows of it are. */
  readonly units: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * What differs between two snapshots of one cluster as far as `place` is concerned. Most changes are of unit states,
 * and of those only few matter: which units a machine reports, with which content and of which placement, and how
 * often they failed.
 *
 * Records without a revision are compared by identity: snapshots share those that did not change. A difference too
 * many is always right.
 */
export function placingChanges(one: ClusterSnapshot, other: ClusterSnapshot): Changes {
  const units = new Map<string, Set<string>>();
  const machinesOf = (unit: string): Set<string> => {
    let machines = units.get(unit);
    if (machines === undefined) {
      machines = new Set();
      units.set(unit, machines);
    }
    return machines;
  };
  const noteUnit = (unit: string): void => void machinesOf(unit);
  let machines = false;
  const noteMachine = (): void => {
    machines = true;
  };
  const eachRow = <T>(
    rows: Rows<ReadonlyMap<string, T>>,
    others: Rows<ReadonlyMap<string, T>>,
    alike: (a: T, b: T) => boolean,
  ): void =>
    compare(rows, others, identical, (machine) =>
      compare(rows.get(machine) ?? NO_ROWS, others.get(machine) ?? NO_ROWS, alike, (unit) =>
        machinesOf(unit).add(machine),
      ),
    );
  if (one !== other) {
    compare(one.machines, other.machines, identical, noteMachine);
    compare(one.known, other.known, identical, noteMachine);
    compare(one.units, other.units, (a, b) => a.generation === b.generation, noteUnit);
    compare(one.assigned, other.assigned, sameRevision, noteUnit);
    eachRow(one.placements, other.placements, sameRevision);
    eachRow(one.states, other.states, sameState);
  }
  return { machines, units };
}

type Rows<T> = ReadonlyMap<string, T>;
const NO_ROWS: Rows<never> = new Map<string, never>();

/** Notes every key whose value is not the same in both, or is in one alone. */
function compare<T>(
  one: Rows<T>,
  other: Rows<T>,
  alike: (a: T, b: T) => boolean,
  note: (key: string) => void,
): void {
  if (one === other) return;
  let found = 0;
  for (const [key, value] of other) {
    const before = one.get(key);
    if (before !== undefined) found += 1;
    if (before !== value && (before === undefined || !alike(before, value))) note(key);
  }
  if (found < one.size) for (const key of one.keys()) if (!other.has(key)) note(key);
}

const identical = (): boolean => false;
const sameRevision = (a: { revision: number }, b: { revision: number }): boolean => a.revision === b.revision;

function sameState(one: UnitState, other: UnitState): boolean {
  return (
    one.hash === other.hash &&
    one.heard === other.heard &&
    one.autoRestarts === other.autoRestarts &&
    (one.active === 'failed') === (other.active === 'failed')
  );
}
