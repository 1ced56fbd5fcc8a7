import { type ClusterSnapshot, effectiveMetadata } from '../../../registry/model.js';
import { compileGlob } from '../../../runtime/glob.js';
import type { Memory } from '../../../scheduler/place.js';
import {
  type Candidate,
  type Neighbours,
  type Placeable,
  placeable,
  type Refusal,
  whyNot,
} from '../../../units/eligibility.js';
import { isTemplate, templateOf } from '../../../units/name.js';

/**
 * The scheduler once more, as plainly as it can be said: a list of seats, everything counted and searched anew at
 * each step, no index. It answers `unit@machine` for every seat that is to be.
 */
export function twinPlace(snapshot: ClusterSnapshot, { holds, transfers }: Memory): string[] {
  const cluster = twinCluster(snapshot);
  let seats: TwinSeat[] = [];
  /** Units on their way: where to, and which machines come last. */
  const onTheWay = new Map<string, { to: string | null; avoid: readonly string[] }>();
  for (const [name, { to, avoid, failedOn, hash, restarts }] of transfers) {
    const record = snapshot.units.get(name);
    if (!cluster.wanted.has(name) || snapshot.assigned.has(name) || record === undefined) continue;
    const same = record.hash === hash && record.restarts === restarts;
    const left = same ? avoid : avoid.filter((machine) => !failedOn.includes(machine));
    if (to !== null || left.length > 0) onTheWay.set(name, { to, avoid: left });
  }

  const fresh = new Set<TwinSeat>();
  const isFixed = (seat: TwinSeat): boolean =>
    (cluster.wanted.get(seat.unit)?.constraints.sticky === true && !fresh.has(seat)) ||
    !cluster.candidates.has(seat.machine) ||
    cluster.isUnreported(seat);
  const peersThere = (seat: TwinSeat, among: readonly TwinSeat[]): boolean =>
    (cluster.wanted.get(seat.unit)?.constraints.peers ?? []).every((peer) =>
      hasSeat(among, peer, seat.machine),
    );
  const drop = ({ unit, machine }: TwinSeat): void => {
    remember(unit, machine);
    seats = seats.filter((seat) => seat.unit !== unit || seat.machine !== machine);
    for (const seat of [...seats])
      if (
        seat.machine === machine &&
        !isFixed(seat) &&
        cluster.wanted.get(seat.unit)?.constraints.peers.includes(unit)
      )
        drop(seat);
  };
  const remember = (unit: string, machine: string): void => {
    const wish = cluster.wish(unit);
    if (wish?.machine !== machine) return;
    const { move, failed, failedOn } = wish;
    const all = failed ? [...failedOn, machine] : failedOn;
    if (move !== null) onTheWay.set(unit, { to: move.to, avoid: [...all, machine] });
    else if (all.length > 0) onTheWay.set(unit, { to: null, avoid: all });
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
    if (unit.constraints.sticky || holds.machines.has(seat.machine)) return true;
    if (cluster.isUnreported(seat)) return true;
    if (!cluster.candidates.has(seat.machine)) return holds.units.has(seat.unit);
    const machine = cluster.candidates.get(seat.machine);
    return machine !== undefined && whyNot(unit, { ...machine, cordoned: false }, ANYBODY) === null;
  });
  const rank = ({ unit, machine }: TwinSeat): string => {
    const { sticky, global } = cluster.unit(unit).constraints;
    return `${sticky ? 0 : 1}${global ? 0 : 1}${unit} ${machine}`;
  };
  for (const seat of cluster.taken)
    if (!staying.includes(seat) && cluster.wanted.has(seat.unit)) remember(seat.unit, seat.machine);
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
    else remember(seat.unit, seat.machine);
  }
  for (;;) {
    const alone = seats.find((seat) => !isFixed(seat) && !peersThere(seat, seats));
    if (alone === undefined) break;
    drop(alone);
  }

  seats.push(...cluster.leaving.filter(({ unit }) => !cluster.wanted.has(unit)));

  /** Whoever is to go elsewhere leaves, if anybody would have it; answers whether any did. */
  const moveAway = (): boolean => {
    let moved = false;
    for (const name of [...cluster.wanted.keys()].sort()) {
      const unit = cluster.unit(name);
      const wish = cluster.wish(name);
      if (wish === null || (wish.move === null && !wish.failed) || holds.units.has(name)) continue;
      const here = seats.find((seat) => seat.unit === name && seat.machine === wish.machine);
      if (here === undefined || fresh.has(here) || holds.machines.has(wish.machine)) continue;
      if (cluster.isUnreported(here)) continue;
      const others = [...cluster.candidates.values()].filter(
        (machine) =>
          machine.id !== wish.machine &&
          (wish.move === null
            ? !wish.failedOn.includes(machine.id)
            : wish.move.to === null || wish.move.to === machine.id),
      );
      if (!others.some((machine) => cluster.whyNotHere(unit, machine, seats) === null)) continue;
      drop(here);
      moved = true;
    }
    return moved;
  };

  // Whoever has no place gets one, and whoever is to go elsewhere goes, until a whole round changes nothing.
  moveAway();
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
      const wishes = onTheWay.get(name);
      const { spread, prefers } = unit.constraints;
      const rankOf = ({ id, metadata }: Candidate): number[] => [
        wishes?.to === id ? 0 : 1,
        wishes?.avoid.includes(id) ? 1 : 0,
        spread === null ? 0 : cluster.siblings(unit, metadata[spread], seats),
        spread !== null && metadata[spread] === undefined ? 1 : 0,
        -prefers.filter(({ key, value }) => metadata[key] === value).length,
        load(id),
      ];
      const machines = [...cluster.candidates.values()].sort((a, b) => {
        const [one, other] = [rankOf(a), rankOf(b)];
        const at = one.findIndex((score, index) => score !== other[index]);
        return at === -1 ? (a.id < b.id ? -1 : 1) : (one[at] ?? 0) - (other[at] ?? 0);
      });
      for (const machine of machines) {
        if (hasSeat(seats, name, machine.id)) continue;
        if (!unit.constraints.global && seats.some((seat) => seat.unit === name)) break;
        if (!unit.constraints.global && holds.units.has(name)) break;
        if (cluster.refusal(unit, machine, seats, onTheWay.has(name)) !== null) continue;
        const seat = { unit: name, machine: machine.id, assigned: !unit.constraints.global };
        fresh.add(seat);
        sit(seat);
        progress = true;
      }
    }
    if (!progress) progress = moveAway();
  }
  const waiting = cluster.taken.filter(
    (seat) =>
      !hasSeat(seats, seat.unit, seat.machine) &&
      (cluster.leaving.includes(seat) ||
        (seat.assigned && holds.units.has(seat.unit) && !cluster.candidates.has(seat.machine))),
  );
  return [...seats, ...waiting].map(({ unit, machine }) => `${unit} ${machine}`).sort();
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
    one !== other &&
    wanted.has(one) &&
    wanted.has(other) &&
    !unit(other).constraints.global &&
    matches(unit(one).constraints.replaces, other);
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
      has: (name) => names.includes(name) && wanted.has(name),
      conflicting: ({ name, constraints }) =>
        firstOf(
          (other) =>
            other !== name &&
            (matches(constraints.conflicts, other) ||
              matches(wanted.get(other)?.constraints.conflicts ?? [], name)),
        ),
      replacing: ({ name }) => firstOf((other) => replaces(other, name)),
      immovable: ({ name }) => firstOf((other) => replaces(name, other) && unit(other).constraints.sticky),
    };
  };
  const isUnreported = ({ unit, machine }: TwinSeat): boolean =>
    candidates.has(machine) &&
    snapshot.placements.get(machine)?.has(unit) === true &&
    (snapshot.states.get(machine)?.get(unit)?.heard ?? 0) <
      (snapshot.placements.get(machine)?.get(unit)?.fence ?? 0);
  const hasFailed = ({ name, constraints }: Placeable, machine: string): boolean => {
    const record = snapshot.units.get(name);
    const state = snapshot.states.get(machine)?.get(name);
    const limit = constraints.moveAfterFailures;
    if (limit === null || record?.target !== 'launched' || state?.hash !== record.hash) return false;
    return state.autoRestarts + (state.active === 'failed' ? 1 : 0) >= limit;
  };
  /** What nobody wants as it is there, but nobody may take away yet. */
  const leaving = taken.filter(
    (seat) =>
      isUnreported(seat) && (wanted.get(seat.unit)?.constraints.global ?? seat.assigned) === seat.assigned,
  );
  const whyNotHere = (asking: Placeable, machine: Candidate, seats: readonly TwinSeat[]): Refusal | null => {
    const victim = seats.find(
      (seat) => seat.machine === machine.id && replaces(asking.name, seat.unit) && isUnreported(seat),
    );
    const refusal = whyNot(asking, machine, neighbours(machine.id, seats));
    return refusal ?? (victim === undefined ? null : { kind: 'unreported', detail: victim.unit });
  };
  const refusal = (
    asking: Placeable,
    machine: Candidate,
    seats: readonly TwinSeat[],
    moves: boolean,
  ): Refusal | null => {
    const reported = [...candidates.keys()].sort().filter((id) => snapshot.states.get(id)?.has(asking.name));
    const anew = moves || reported.some((id) => hasFailed(asking, id));
    const stopping = reported.find((id) => anew || id !== machine.id);
    const unreported = leaving
      .filter(({ unit }) => unit === asking.name)
      .map((seat) => seat.machine)
      .filter((id) => !asking.constraints.global || id === machine.id)
      .sort()[0];
    const why: Refusal | null =
      whyNotHere(asking, machine, seats) ??
      (unreported === undefined
        ? null
        : { kind: 'unreported', detail: `${asking.name} on ${unreported.slice(0, 8)}` });
    if (why !== null || stopping === undefined || asking.constraints.global) return why;
    return { kind: 'stopping', detail: stopping.slice(0, 8) };
  };
  /** Units of the same template in a zone of the unit's `Spread=`. */
  const siblings = (asking: Placeable, zone: string | undefined, seats: readonly TwinSeat[]): number =>
    seats.filter((seat) => {
      const { spread } = asking.constraints;
      const machine = candidates.get(seat.machine);
      return (
        machine !== undefined &&
        wanted.has(seat.unit) &&
        templateOf(seat.unit) === templateOf(asking.name) &&
        machine.metadata[spread ?? ''] === zone
      );
    }).length;
  /** What the operator wants of an assigned unit, and how it fared where it is. */
  const wish = (name: string) => {
    const assignment = snapshot.assigned.get(name);
    const record = snapshot.units.get(name);
    if (assignment === undefined || record === undefined || !wanted.has(name)) return null;
    if (unit(name).constraints.global) return null;
    const { machine, created } = assignment;
    const placement = snapshot.placements.get(machine)?.get(name);
    const asPlaced =
      placement?.hash === record.hash &&
      placement.restarts === record.restarts &&
      placement.revision === placement.fence;
    return {
      machine,
      move: record.move?.assignment === created ? record.move : null,
      failed: hasFailed(unit(name), machine),
      failedOn: asPlaced ? assignment.failedOn : [],
    };
  };

  return {
    ...{ candidates, wanted, taken, unit, replaces, neighbours, refusal },
    ...{ isUnreported, leaving, whyNotHere, siblings, wish },
  };
}
