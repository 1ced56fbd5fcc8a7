import { type ClusterSnapshot, effectiveMetadata } from '../../../registry/model.js';
import {
  type Candidate,
  type Neighbours,
  type Placeable,
  placeable,
  type Refusal,
  whyNot,
} from '../../../units/eligibility.js';
import { compileGlob } from '../../../units/glob.js';
import { isTemplate } from '../../../units/name.js';

/**
 * The scheduler once more, as plainly as it can be said: a list of seats, everything counted and searched anew at
 * each step, no index. It answers `unit@machine` for every seat that is to be.
 */
export function twinPlace(snapshot: ClusterSnapshot, held: ReadonlyMap<string, string>): string[] {
  const cluster = twinCluster(snapshot);
  let seats: TwinSeat[] = [];

  const fresh = new Set<TwinSeat>();
  const isFixed = (seat: TwinSeat): boolean =>
    (cluster.unit(seat.unit).constraints.sticky && !fresh.has(seat)) || !cluster.candidates.has(seat.machine);
  const peersThere = (seat: TwinSeat, among: readonly TwinSeat[]): boolean =>
    cluster.unit(seat.unit).constraints.peers.every((peer) => hasSeat(among, peer, seat.machine));
  const drop = ({ unit, machine }: TwinSeat): void => {
    seats = seats.filter((seat) => seat.unit !== unit || seat.machine !== machine);
    for (const seat of [...seats])
      if (
        seat.machine === machine &&
        !isFixed(seat) &&
        cluster.unit(seat.unit).constraints.peers.includes(unit)
      )
        drop(seat);
  };
  const sit = (seat: TwinSeat): void => {
    for (const other of [...seats])
      if (other.machine === seat.machine && !isFixed(other) && cluster.replaces(seat.unit, other.unit))
        drop(other);
    seats.push(seat);
  };

  // Whoever may stay, stays.
  const staying = cluster.taken.filter((seat) => {
    const unit = cluster.wanted.get(seat.unit);
    if (unit === undefined || unit.constraints.global === seat.assigned) return false;
    if (unit.constraints.sticky || held.has(seat.machine)) return true;
    const machine = cluster.candidates.get(seat.machine);
    return machine !== undefined && whyNot(unit, { ...machine, cordoned: false }, ANYBODY) === null;
  });
  const rank = ({ unit, machine }: TwinSeat): string => {
    const { sticky, global } = cluster.unit(unit).constraints;
    return `${sticky ? 0 : 1}${global ? 0 : 1}${unit} ${machine}`;
  };
  for (const seat of [...staying].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))) {
    const neighbours = {
      ...cluster.neighbours(seat.machine, seats),
      has: (n: string) => hasSeat(staying, n, seat.machine),
    };
    const machine = cluster.candidates.get(seat.machine);
    if (
      isFixed(seat) ||
      (machine && whyNot(cluster.unit(seat.unit), { ...machine, cordoned: false }, neighbours) === null)
    )
      sit(seat);
  }
  for (;;) {
    const alone = seats.find((seat) => !isFixed(seat) && !peersThere(seat, seats));
    if (alone === undefined) break;
    drop(alone);
  }

  // Whoever has no place gets one, until a whole round changes nothing.
  for (let progress = true; progress; ) {
    progress = false;
    const lacking = [...cluster.wanted.values()]
      .filter(({ name, constraints }) => constraints.global || !seats.some(({ unit }) => unit === name))
      .map(({ name, constraints }) => `${constraints.global ? 0 : 1}${name}`)
      .sort()
      .map((key) => key.slice(1));
    for (const name of lacking) {
      const unit = cluster.unit(name);
      const load = (id: string): number => seats.filter(({ machine }) => machine === id).length;
      const machines = [...cluster.candidates.values()].sort(
        (a, b) => load(a.id) - load(b.id) || (a.id < b.id ? -1 : 1),
      );
      for (const machine of machines) {
        if (hasSeat(seats, name, machine.id)) continue;
        if (!unit.constraints.global && seats.some((seat) => seat.unit === name)) break;
        if (cluster.refusal(unit, machine, seats) !== null) continue;
        const seat = { unit: name, machine: machine.id, assigned: !unit.constraints.global };
        fresh.add(seat);
        sit(seat);
        progress = true;
      }
    }
  }
  return seats.map(({ unit, machine }) => `${unit} ${machine}`).sort();
}

export interface TwinSeat {
  readonly unit: string;
  readonly machine: string;
  readonly assigned: boolean;
}

const ANYBODY: Neighbours = {
  has: () => true,
  conflicting: () => null,
  replacing: () => null,
  immovable: () => null,
};

function hasSeat(seats: readonly TwinSeat[], unit: string, machine: string): boolean {
  return seats.some((seat) => seat.unit === unit && seat.machine === machine);
}

/** The questions one may ask of a cluster, each answered by looking through everything. */
export function twinCluster(snapshot: ClusterSnapshot) {
  const candidates = new Map<string, Candidate>();
  for (const machine of snapshot.machines.values()) {
    const known = snapshot.known.get(machine.id);
    const metadata = effectiveMetadata(machine, known);
    const { cordoned = false, draining = false } = known ?? {};
    candidates.set(machine.id, { id: machine.id, metadata, cordoned, draining });
  }
  const wanted = new Map<string, Placeable>();
  for (const { name, unit, target } of snapshot.units.values())
    if (target !== 'inactive' && !isTemplate(name)) wanted.set(name, placeable(name, unit));
  const taken: TwinSeat[] = [];
  for (const [machine, placements] of snapshot.placements)
    for (const unit of placements.keys())
      taken.push({ unit, machine, assigned: snapshot.assigned.get(unit)?.machine === machine });
  for (const { unit, machine } of snapshot.assigned.values())
    if (!hasSeat(taken, unit, machine)) taken.push({ unit, machine, assigned: true });

  const unit = (name: string): Placeable => wanted.get(name) as Placeable;
  const matches = (patterns: readonly string[], name: string): boolean =>
    patterns.some((pattern) => compileGlob(pattern).matches(name));
  const wants = (one: string, other: string): boolean =>
    one !== other && !unit(other).constraints.global && matches(unit(one).constraints.replaces, other);
  /** Whether making room for `from` can come to move `to`. */
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean => {
    if (from === to) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return [...wanted.keys()].some(
      (next) => (wants(from, next) || unit(next).constraints.peers.includes(from)) && reaches(next, to, seen),
    );
  };
  const replaces = (one: string, other: string): boolean => wants(one, other) && !reaches(other, one);

  const neighbours = (machine: string, seats: readonly TwinSeat[]): Neighbours => {
    const names = seats.filter((seat) => seat.machine === machine).map((seat) => seat.unit);
    const firstOf = (test: (name: string) => boolean): string | null => names.filter(test).sort()[0] ?? null;
    return {
      has: (name) => names.includes(name),
      conflicting: ({ name, constraints }) =>
        firstOf(
          (other) =>
            other !== name &&
            (matches(constraints.conflicts, other) || matches(unit(other).constraints.conflicts, name)),
        ),
      replacing: ({ name }) => firstOf((other) => replaces(other, name)),
      immovable: ({ name }) => firstOf((other) => replaces(name, other) && unit(other).constraints.sticky),
    };
  };
  const refusal = (asking: Placeable, machine: Candidate, seats: readonly TwinSeat[]): Refusal | null => {
    const elsewhere = [...candidates.keys()]
      .sort()
      .find((id) => id !== machine.id && snapshot.states.get(id)?.has(asking.name));
    const stopping =
      elsewhere === undefined || asking.constraints.global
        ? null
        : { kind: 'stopping' as const, detail: elsewhere.slice(0, 8) };
    return whyNot(asking, machine, neighbours(machine.id, seats)) ?? stopping;
  };

  return { candidates, wanted, taken, unit, replaces, neighbours, refusal };
}
