import type { UnitReport, UnitState } from '../../api/schemas.js';
import { grouped } from '../../jobs/quantities.js';
import { expandSpecifiers } from '../../units/name.js';
import { valuesOf } from '../../units/unit-file.js';
import { ago, timeNear } from '../times.js';
import { type Fact, factLines } from './facts.js';
import { outputLine } from './log-block.js';
import type { Line } from './page.js';
import { bad, dim, span, strong, warn } from './spans.js';
import { standingOf, standingOn, stateWords } from './unit-standing.js';

/** What is known of a unit, and how it is on the machine whose state is shown (null: none has it). */
export function unitFacts(
  report: UnitReport,
  shown: UnitState | null,
  now: number,
  label: (machine: string) => string,
): readonly Line[] {
  const { record, machine, why } = report;
  const { name, target, global, hash, generation, move } = record;
  const description = valuesOf(record, 'Unit', 'Description').at(-1);
  const placed = machine === null ? null : [span(label(machine)), dim(why === null ? '' : `: ${why}`)];
  return factLines([
    [
      'Unit',
      [strong(name), dim(description === undefined ? '' : `  ${expandSpecifiers(description, name)}`)],
    ],
    ['Wanted', [span(target), dim(global ? ', on every machine that may run it' : '')]],
    leaderFact(report),
    ['Move', move === null ? null : [warn(move.to === null ? 'elsewhere' : `to ${label(move.to)}`)]],
    ['Placed', placed],
    ...(shown === null ? [] : stateFacts(shown, report, now, label)),
    ['Restarts', restartsLine(record.restarts, shown)],
    ['Hash', [span(hash), dim(`  generation ${grouped(generation)}`)]],
  ]);
}

/** A global unit need not run everywhere, and one that should be elsewhere may run where it is. */
function leaderFact(report: UnitReport): Fact {
  const words = report.pending?.replace(/^pending: /, '') ?? null;
  if (words === null) return ['Leader', null];
  return standingOf(report).word === 'pending' ? ['Pending', [warn(words)]] : ['Leader', [span(words)]];
}

function stateFacts(
  state: UnitState,
  { record, machine }: UnitReport,
  now: number,
  label: (machine: string) => string,
): readonly Fact[] {
  const { word, tone } = standingOn(state, record.target);
  const [summary = '', ...log] = state.reason.split('\n');
  const since = ` for ${ago(now - state.since)}, since ${timeNear(state.since, now)}`;
  return [
    ['On', state.machine === machine ? null : [span(label(state.machine))]],
    ['State', [span(stateWords(state, word), tone), span(since)]],
    ['Exit', state.exit === null ? null : [state.exit === '0' ? span('0') : bad(state.exit)]],
    ['Reason', summary === '' ? null : [span(summary, tone === 'bad' ? 'bad' : 'plain')]],
    ...log.map((line): Fact => ['', outputLine(line)]),
  ];
}

function restartsLine(asked: number, shown: UnitState | null): Line | null {
  const byItself = shown?.autoRestarts ?? 0;
  if (asked + byItself === 0) return null;
  return [span(`${grouped(asked)} asked for, ${grouped(byItself)} by itself`)];
}
