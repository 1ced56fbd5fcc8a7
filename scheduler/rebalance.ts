import type { ClusterSnapshot } from '../registry/model.js';
import { type Candidate, type Placeable, shortId, whyNot } from '../units/eligibility.js';
import { nameParts } from '../units/name.js';
import { metadataValue } from '../units/requirement.js';
import { NO_HOLDS } from './absences.js';
import { Plan } from './plan.js';
import { zoneCounts } from './rank.js';
import type { Resident } from './resident.js';
import { compare } from './seats.js';
import { failedBefore, openMove } from './transfers.js';

/** One unit to be moved by hand, with the reason in words. */
export interface Move {
  readonly unit: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

/**
 * Moves that, carried out one after another, even out how many units the machines have and, with `Spread=`, how
 * many siblings the zones have. Every step goes from a machine with more units to one with fewer, keeps all
 * constraints, and makes neither kind of evenness worse; there are no more of them than needed. It ends when nothing
 * helps any more, so a second plan for what the first has made is empty.
 * Units that wait for a place are not reckoned with.
 *
 * Machines that are cordoned, draining or gone are left out. So are units that are sticky, global, pinned to a
 * machine, in a `MachineOf=` relation, or on their way already.
 */
export function planRebalance(snapshot: ClusterSnapshot): Move[] {
  const plan = new Plan(snapshot, NO_HOLDS, new Map());
  plan.keep();
  const { occupancy, candidates } = plan;
  const homes = homesOf(snapshot, plan);
  const moves: Move[] = [];
  for (;;) {
    const move = nextMove(plan, homes);
    if (move === null) return moves;
    const { unit, from, to } = move;
    occupancy.remove(from, unit.resident);
    occupancy.add(to, unit.resident);
    homes.get(from)?.delete(unit.name);
    homes.get(to)?.set(unit.name, unit);
    moves.push({ unit: unit.name, from, to, why: whyMoved(candidates, move) });
  }
}

/** A unit that may be moved. */
interface Movable extends Placeable {
  readonly resident: Resident;
  readonly failedOn: readonly string[];
}
/** The movable units of every machine that takes part. */
type Homes = Map<string, Map<string, Movable>>;

interface Step {
  readonly unit: Movable;
  readonly from: string;
  readonly to: string;
  /** How many units both machines have before. */
  readonly counts: readonly [number, number];
  /** How many siblings more the zone has that it leaves; 0 without `Spread=` and within a zone. */
  readonly zoneGap: number;
}

function homesOf(snapshot: ClusterSnapshot, { candidates, wanted, occupancy }: Plan): Homes {
  const peers = new Set([...wanted.values()].flatMap(({ constraints }) => constraints.peers));
  const homes: Homes = new Map(
    [...candidates.values()]
      .filter(({ cordoned, draining }) => !cordoned && !draining)
      .map(({ id }) => [id, new Map()]),
  );
  for (const unit of wanted.values()) {
    const { sticky, global, machineId, peers: own } = unit.constraints;
    if (sticky || global || machineId !== null || own.length > 0 || peers.has(unit.name)) continue;
    const assignment = snapshot.assigned.get(unit.name);
    const record = snapshot.units.get(unit.name);
    if (assignment === undefined || record === undefined || openMove(record, assignment) !== null) continue;
    const { machine } = assignment;
    if (!occupancy.has(machine, unit.name)) continue;
    homes
      .get(machine)
      ?.set(unit.name, { ...unit, resident: unit, failedOn: failedBefore(snapshot, record, assignment) });
  }
  return homes;
}

/** The move from the fullest machine to the emptiest that helps; of its units the one that helps its zones most. */
function nextMove(plan: Plan, homes: Homes): Step | null {
  const { ranking } = plan.occupancy;
  const rising = ranking
    .machines()
    .map(({ id }) => id)
    .filter((id) => homes.has(id));
  const falling = [...rising].sort((a, b) => ranking.count(b) - ranking.count(a) || compare(a, b));
  for (const from of falling)
    for (const to of rising) {
      const counts = [ranking.count(from), ranking.count(to)] as const;
      if (counts[0] <= counts[1]) break;
      const best = bestOf(plan, [...(homes.get(from)?.values() ?? [])], from, to, counts);
      if (best !== null) return best;
    }
  return null;
}

function bestOf(
  plan: Plan,
  units: readonly Movable[],
  from: string,
  to: string,
  counts: readonly [number, number],
): Step | null {
  const machine = plan.candidates.get(to);
  if (machine === undefined) return null;
  const evens = counts[0] - counts[1] > 1;
  let best: Step | null = null;
  for (const unit of units) {
    if (!evens && unit.constraints.spread === null) continue;
    const zoneGap = zoneGapOf(plan, unit, from, to);
    // From a zone with just one more, the two zones only change places.
    if (zoneGap === null || (zoneGap < 2 && !(evens && zoneGap >= 0))) continue;
    const before: number = best?.zoneGap ?? Number.NEGATIVE_INFINITY;
    if (zoneGap <= before && !(zoneGap === before && best !== null && unit.name < best.unit.name)) continue;
    if (mayGo(plan, unit, machine)) best = { unit, from, to, counts, zoneGap };
  }
  return best;
}

function mayGo({ occupancy }: Plan, unit: Movable, machine: Candidate): boolean {
  return (
    !unit.failedOn.includes(machine.id) &&
    occupancy.victims(machine.id, unit).length === 0 &&
    whyNot(unit, machine, occupancy.neighbours(machine.id)) === null
  );
}

/** How many siblings more the zone has that it leaves; 0 if that does not matter, null if zones would get worse. */
function zoneGapOf({ candidates, occupancy }: Plan, unit: Movable, from: string, to: string): number | null {
  const { spread } = unit.constraints;
  const [one, other] = [candidates.get(from), candidates.get(to)];
  if (spread === null || one === undefined || other === undefined) return 0;
  const [left, entered] = [metadataValue(one.metadata, spread), metadataValue(other.metadata, spread)];
  if (left === entered) return 0;
  const zones = zoneCounts(spread, candidates, occupancy.siblings(unit.name));
  const gap = (zones.get(left) ?? 0) - (zones.get(entered) ?? 0);
  return gap < 1 ? null : gap;
}

function whyMoved(
  candidates: ReadonlyMap<string, Candidate>,
  { unit, from, to, counts, zoneGap }: Step,
): string {
  const { spread } = unit.constraints;
  if (zoneGap > 1 && spread !== null) {
    const zone = (id: string): string => {
      const value = metadataValue(candidates.get(id)?.metadata ?? {}, spread);
      return value === null ? `where ${spread} is not set` : `in ${spread}=${value}`;
    };
    return `${zoneGap} more of ${nameParts(unit.name).prefix}@ ${zone(from)} than ${zone(to)}`;
  }
  return `${counts[0]} units on ${shortId(from)}, ${counts[1]} on ${shortId(to)}`;
}
