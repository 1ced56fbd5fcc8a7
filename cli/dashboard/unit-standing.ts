import type { UnitReport, UnitState } from '../../api/schemas.js';
import { isTemplate } from '../../units/name.js';
import type { Tone } from './page.js';

/** How a unit stands: what an operator has to know of it first. */
export interface Standing {
  /**
   * systemd's active state (its load state, if its machine would not load it; `auto-restart`); `loaded` where it is not to run; `pending`: it
   * is wanted and nowhere, for a reason; `placed`: its machine has not told of it yet; `unplaced`: it is wanted and nobody
   * has decided where; `inactive`: it is not wanted, and nowhere; `template`: only its instances run.
   */
  readonly word: string;
  readonly tone: Tone;
  /** 0: broken; 1: pending; 2: on its way; 3: as it is wanted. */
  readonly rank: 0 | 1 | 2 | 3;
  /** What it is told by: of a unit on several machines one of those that stand worst. null: no machine tells of it. */
  readonly state: UnitState | null;
}

export function standingOf({ record, machine, states, pending }: UnitReport): Standing {
  if (states.length === 0) return nowhere(record, machine, pending);
  return states
    .map((state) => standingOn(state, record.target))
    .reduce((one, other) =>
      other.rank < one.rank || (other.rank === one.rank && other.state?.machine === machine) ? other : one,
    );
}

function nowhere(
  { name, target }: UnitReport['record'],
  machine: string | null,
  pending: string | null,
): Standing {
  if (pending !== null) return { word: 'pending', tone: 'warn', rank: 1, state: null };
  if (machine !== null) return { word: 'placed', tone: 'warn', rank: 2, state: null };
  if (isTemplate(name)) return { word: 'template', tone: 'dim', rank: 3, state: null };
  if (target !== 'inactive') return { word: 'unplaced', tone: 'warn', rank: 2, state: null };
  return { word: 'inactive', tone: 'dim', rank: 3, state: null };
}

/** How it stands on one machine. */
export function standingOn(state: UnitState, target: UnitReport['record']['target']): Standing {
  const { load, active, sub, exit } = state;
  if (load !== 'loaded') return { word: load, tone: 'bad', rank: 0, state };
  switch (active) {
    case 'active':
      return { word: active, tone: 'good', rank: 3, state };
    case 'failed':
      return { word: active, tone: 'bad', rank: 0, state };
    case 'inactive':
      return target === 'loaded'
        ? { word: 'loaded', tone: 'dim', rank: 3, state }
        : { word: active, tone: 'dim', rank: 3, state };
    default:
      if (sub !== AGAIN) return { word: active, tone: 'warn', rank: 2, state };
      return exit === null || exit === '0'
        ? { word: sub, tone: 'warn', rank: 2, state }
        : { word: sub, tone: 'bad', rank: 0, state };
  }
}

/** systemd's word for a unit that ended and is started again by itself, maybe for ever. */
const AGAIN = 'auto-restart';

/** `active (running)`; `on 3 of 12` after it where only some of its machines tell the same. */
export function standingWords({ word, state }: Standing, { states, record }: UnitReport): string {
  if (state === null) return word;
  const own = stateWords(state, word);
  if (states.length === 1) return own;
  const alike = states.filter((other) => standingOn(other, record.target).word === word).length;
  return alike === states.length ? own : `${own} on ${alike} of ${states.length}`;
}

/** systemd's two words, or one where they say the same, or where what is told is not its active state. */
export function stateWords({ active, sub }: UnitState, word: string): string {
  return word === active && sub !== active ? `${word} (${sub})` : word;
}

/** In one line: how it broke or what it waits for; else why it is where it is, which is `usual`. */
export function reasonOf(
  { record, pending, reason, why }: UnitReport,
  { state, word }: Standing,
): { readonly words: string; readonly usual: boolean } {
  const told = firstLine(pending ?? (state?.reason || reason) ?? '').replace(/^pending: /, '');
  const words = state === null ? told : brokenWords(state, told);
  if (words !== '') return { words, usual: false };
  if (record.global) return { words: 'global: on every machine that may run it', usual: true };
  return { words: why ?? (word === 'unplaced' ? 'the leader has not placed it yet' : ''), usual: true };
}

/** `exit 7, told`: the exit of a unit that did not end well, as one that is stopped by a signal does, unless what is told names it. */
export function brokenWords({ exit, active }: UnitState, told: string): string {
  if (exit === null || exit === '0' || active === 'active' || active === 'inactive') return told;
  if (told.split(/\W+/).includes(exit)) return told;
  return told === '' ? `exit ${exit}` : `exit ${exit}, ${told}`;
}

export function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end === -1 ? text : text.slice(0, end);
}

/** How many units stand in each way; the worst first. */
export function tallyOf(standings: readonly Standing[]): readonly { standing: Standing; count: number }[] {
  const counts = new Map<string, { standing: Standing; count: number }>();
  for (const standing of standings) {
    const tally = counts.get(standing.word);
    if (tally === undefined) counts.set(standing.word, { standing, count: 1 });
    else {
      tally.count += 1;
      if (standing.rank < tally.standing.rank) tally.standing = standing;
    }
  }
  return [...counts.values()].sort(
    (a, b) =>
      a.standing.rank - b.standing.rank || b.count - a.count || (a.standing.word < b.standing.word ? -1 : 1),
  );
}
