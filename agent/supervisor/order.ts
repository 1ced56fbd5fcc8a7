import type { UnitRelations } from '../service-settings.js';

/** What one job waits for is decided from its own and the other's relations. */
export interface Job {
  readonly unit: string;
  readonly kind: 'start' | 'stop';
  readonly relations: UnitRelations;
  /** Jobs count up: the order in which they were asked for. */
  readonly number: number;
}

/** `first` comes up before `second`, and goes down after it. */
function precedes(first: Job, second: Job): boolean {
  return second.relations.after.includes(first.unit) || first.relations.before.includes(second.unit);
}

function excludes(one: Job, other: Job): boolean {
  return one.relations.conflicts.includes(other.unit) || other.relations.conflicts.includes(one.unit);
}

/** Whether `job` waits for `other`, as systemd orders jobs: a stop goes before a start, starts in order, stops in reverse. */
function waitsDirectly(job: Job, other: Job): boolean {
  if (job.unit === other.unit)
    return other.number < job.number && (job.kind === 'start' || other.kind === 'stop');
  if (job.kind === 'stop') return other.kind === 'stop' && precedes(job, other);
  if (other.kind === 'start') return precedes(other, job);
  return precedes(other, job) || precedes(job, other) || excludes(job, other);
}

/** The jobs that `job` has to wait for. An order that goes in a circle has no effect on those in the circle. */
export function blockersOf<J extends Job>(job: J, jobs: readonly J[]): J[] {
  return jobs.filter((other) => other !== job && waitsDirectly(job, other) && !reaches(other, job, jobs));
}

function reaches(from: Job, to: Job, jobs: readonly Job[]): boolean {
  const seen = new Set<Job>();
  const rest = [from];
  for (let job = rest.pop(); job !== undefined; job = rest.pop()) {
    if (job === to) return true;
    if (seen.has(job)) continue;
    seen.add(job);
    const current = job;
    rest.push(...jobs.filter((other) => other !== current && waitsDirectly(current, other)));
  }
  return false;
}

type Relations = ReadonlyMap<string, UnitRelations>;

/** The same relations, with what [Install] says of others said by those others. */
export function installed<R extends UnitRelations>(units: ReadonlyMap<string, R>): Map<string, R> {
  const said = new Map(units);
  for (const [other, { wantedBy, requiredBy }] of units) {
    for (const name of wantedBy) {
      const own = said.get(name);
      if (own !== undefined) said.set(name, { ...own, wants: [...own.wants, other] });
    }
    for (const name of requiredBy) {
      const own = said.get(name);
      if (own !== undefined) said.set(name, { ...own, requires: [...own.requires, other] });
    }
  }
  return said;
}

/**
 * What starting a unit starts along with it: what it requires and wants, and what those do, as far as it is known
 * here. `missing` are requirements that are not.
 */
export function startedWith(name: string, units: Relations): { names: string[]; missing: string[] } {
  const missing = new Set<string>();
  const names = closure(name, (unit) => {
    const { requires = [], bindsTo = [], wants = [] } = units.get(unit) ?? {};
    for (const needed of [...requires, ...bindsTo]) if (!units.has(needed)) missing.add(needed);
    return [...requires, ...bindsTo, ...wants].filter((other) => units.has(other));
  });
  return { names, missing: [...missing] };
}

/** What stopping a unit stops along with it: what requires it, is bound to it or is part of it. */
export function stoppedWith(name: string, units: Relations): string[] {
  return closure(name, (unit) =>
    [...units].flatMap(([other, { requires, bindsTo, partOf }]) =>
      [...requires, ...bindsTo, ...partOf].includes(unit) ? [other] : [],
    ),
  );
}

/** Units that cannot run beside this one, whichever of the two says so. */
export function conflictsOf(name: string, units: Relations): string[] {
  const own = units.get(name)?.conflicts ?? [];
  return [...units].flatMap(([other, { conflicts }]) =>
    other !== name && (own.includes(other) || conflicts.includes(name)) ? [other] : [],
  );
}

/** Everything reached from a unit, itself left out. */
function closure(name: string, next: (unit: string) => readonly string[]): string[] {
  const found = new Set([name]);
  for (const unit of found) for (const other of next(unit)) found.add(other);
  found.delete(name);
  return [...found];
}
