import { assertNever } from '../runtime/errors.js';
import { type Constraints, dependsOnName, type MetadataNeed, readConstraints } from './constraints.js';
import { meets, metadataValue } from './requirement.js';
import type { UnitFile } from './unit-file.js';

/** A unit as placement sees it. */
export interface Placeable {
  readonly name: string;
  readonly constraints: Constraints;
  /** Why it cannot be placed anywhere at all: a mistake in its options that got past submit. */
  readonly problem: string | null;
  /** What it asks of a machine itself, whoever else is there, as a text: the same for units that ask the same. */
  readonly asks: string;
}

/** Units of one content ask the same, unless their names come into it. */
const readContents = new WeakMap<UnitFile, Omit<Placeable, 'name'>>();

export function placeable(name: string, unit: UnitFile): Placeable {
  const known = readContents.get(unit);
  const { constraints, problem, asks } = known ?? read(name, unit);
  if (known === undefined && !dependsOnName(unit)) readContents.set(unit, { constraints, problem, asks });
  return { name, constraints, problem, asks };
}

function read(name: string, unit: UnitFile): Omit<Placeable, 'name'> {
  const { constraints, problems } = readConstraints(name, unit);
  const problem = problems[0]?.what ?? null;
  const { machineId, metadata, requires } = constraints;
  const asksNothing = machineId === null && metadata.length + requires.length === 0 && problem === null;
  const asks = asksNothing ? '' : JSON.stringify([machineId, metadata, requires, problem]);
  return { constraints, problem, asks };
}

/** A live machine as placement sees it. */
export interface Candidate {
  readonly id: string;
  /** The metadata in force: the machine's own with the operator's laid over it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Takes no new units. */
  readonly cordoned: boolean;
  /** Is to be empty. */
  readonly draining: boolean;
}

/** Who else is on a machine. Where several units fit an answer, it is the first by name. */
export interface Neighbours {
  has(name: string): boolean;
  /** A unit in conflict with this one, whichever of the two says so. */
  conflicting(unit: Placeable): string | null;
  /** A unit this one would have to make room for. */
  replacing(unit: Placeable): string | null;
  /** A unit that would have to make room for this one and is moved only by hand. */
  immovable(unit: Placeable): string | null;
}

/** As if nobody were there to be in the way, and everybody to be together with: what is left is up to the machine. */
export const ANYBODY: Neighbours = {
  has: () => true,
  conflicting: () => null,
  replacing: () => null,
  immovable: () => null,
};

/** Whether `one` makes `other` move away from its machine. Globals stay, and so do units that replace each other. */
export type Replaces = (one: Placeable, other: Placeable) => boolean;

export const REFUSAL_KINDS = [
  'invalid',
  'machine-id',
  'metadata',
  'require',
  'peer',
  'conflict',
  'replaced',
  'immovable',
  'draining',
  'cordoned',
  'stopping',
  'unreported',
] as const;
export type RefusalKind = (typeof REFUSAL_KINDS)[number];

/** Why one unit is not on one machine. `detail` is the metadata, unit or machine it is about. */
export interface Refusal {
  readonly kind: RefusalKind;
  readonly detail: string;
}

/** The first reason why a machine may not run a unit, in fleet's order of checks, or null if it may. */
export function whyNot(unit: Placeable, machine: Candidate, neighbours: Neighbours): Refusal | null {
  const { machineId, metadata, requires, peers } = unit.constraints;
  if (unit.problem !== null) return { kind: 'invalid', detail: unit.problem };
  if (machineId !== null && machine.id !== machineId && shortId(machine.id) !== machineId)
    return { kind: 'machine-id', detail: machineId };
  for (const need of metadata)
    if (!hasMetadata(machine, need))
      return { kind: 'metadata', detail: `${need.key}=${need.anyOf.join('|')}` };
  for (const requirement of requires)
    if (!meets(machine.metadata, requirement)) return { kind: 'require', detail: requirement.text };
  for (const peer of peers) if (!neighbours.has(peer)) return { kind: 'peer', detail: peer };
  const conflict = neighbours.conflicting(unit);
  if (conflict !== null) return { kind: 'conflict', detail: conflict };
  const replacement = neighbours.replacing(unit);
  if (replacement !== null) return { kind: 'replaced', detail: replacement };
  const immovable = neighbours.immovable(unit);
  if (immovable !== null) return { kind: 'immovable', detail: immovable };
  if (machine.draining) return { kind: 'draining', detail: '' };
  return machine.cordoned ? { kind: 'cordoned', detail: '' } : null;
}

/** The short form of a machine's id that people and `MachineID=` use. */
export function shortId(machine: string): string {
  return machine.slice(0, 8);
}

function hasMetadata({ metadata }: Candidate, { key, anyOf }: MetadataNeed): boolean {
  const value = metadataValue(metadata, key);
  return value !== null && anyOf.includes(value);
}

/** How many machines refused a unit, by reason. */
export class Tally {
  private readonly byKind = new Map<RefusalKind, Map<string, number>>();
  private refused = 0;

  add({ kind, detail }: Refusal, machines = 1): void {
    if (machines === 0) return;
    const details = this.byKind.get(kind) ?? new Map<string, number>();
    this.byKind.set(kind, details.set(detail, (details.get(detail) ?? 0) + machines));
    this.refused += machines;
  }

  /** What most machines refuse it for, the first of several; null: there is none. */
  main(): RefusalKind | null {
    const counts = [...this.byKind].map(([kind, details]) => ({ kind, count: sum(details.values()) }));
    counts.sort((a, b) => b.count - a.count);
    return counts[0]?.kind ?? null;
  }

  /** `0 of 12 machines: 7 lack az=eu-west, 5 conflict with web@1.service`; `running` machines have the unit. */
  summary(running = 0, which: '' | 'other ' = ''): string {
    const all = this.refused + running;
    if (all === 0) return which === '' ? 'no machine is alive' : 'no other machine is alive';
    const phrases = [...this.byKind].map(([kind, details]) => {
      const count = sum(details.values());
      return { count, words: phrase(kind, count, few([...details.keys()].sort())) };
    });
    phrases.sort((a, b) => b.count - a.count || (a.words < b.words ? -1 : 1));
    const of = `${running} of ${all} ${which}machine${all === 1 ? '' : 's'}`;
    return [of, phrases.map(({ words }) => words).join(', ')].filter((part) => part !== '').join(': ');
  }
}

function sum(parts: Iterable<number>): number {
  return [...parts].reduce((all, part) => all + part, 0);
}

/** At most three names; a fleet has more of them than a line holds. */
function few(details: readonly string[]): string {
  const shown = details.slice(0, 3).join(', ');
  return details.length > 3 ? `${shown} and ${details.length - 3} more` : shown;
}

function phrase(kind: RefusalKind, count: number, detail: string): string {
  const one = count === 1;
  switch (kind) {
    case 'invalid':
      return `${count} refuse${one ? 's' : ''} it: ${detail}`;
    case 'machine-id':
      return `${count} ${one ? 'is' : 'are'} not ${detail}`;
    case 'metadata':
      return `${count} lack${one ? 's' : ''} ${detail}`;
    case 'require':
      return `${count} ${one ? 'does' : 'do'} not meet ${detail}`;
    case 'peer':
      return `${count} lack${one ? 's' : ''} peer ${detail}`;
    case 'conflict':
      return `${count} conflict${one ? 's' : ''} with ${detail}`;
    case 'replaced':
      return `${count} run${one ? 's' : ''} ${detail}, which replaces it`;
    case 'immovable':
      return `${count} run${one ? 's' : ''} ${detail}, which it replaces but which is moved only by hand`;
    case 'draining':
      return `${count} ${one ? 'is' : 'are'} draining`;
    case 'cordoned':
      return `${count} ${one ? 'is' : 'are'} cordoned`;
    case 'stopping':
      return `${count} wait${one ? 's' : ''}: still stopping on ${detail}`;
    case 'unreported':
      return `${count} wait${one ? 's' : ''}: no report yet of ${detail}`;
    default:
      return assertNever(kind);
  }
}
