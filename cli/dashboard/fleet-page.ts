import { grouped } from '../../jobs/quantities.js';
import { machineState, shortId } from '../machine-label.js';
import { counted } from '../table.js';
import { eventsBlock } from './event-rows.js';
import { fleetAlarms } from './fleet-alarms.js';
import { keysOf } from './keys.js';
import { machinesBlock } from './machine-rows.js';
import type { Block, Line, Page } from './page.js';
import type { Fleet, Reading, Snapshot } from './snapshot.js';
import { bad, dim, span, strong, warn } from './spans.js';
import type { State } from './state.js';
import { pendingBlock, type Rated, rated, unitStatesBlock, unitsBlock, urgencyOf } from './unit-rows.js';
import { reasonOf, standingWords, tallyOf } from './unit-standing.js';

/** The cluster: its machines, its units, and what becomes of them. */
export function fleetPage({ now, fleet: reading }: Snapshot, state: State): Page {
  const alarms = fleetAlarms(reading);
  const fleet = reading.value;
  if (fleet === null) return unreadFleet([strong('fleet')], reading);
  const units = rated(fleet.units);
  return {
    title: titleOf(fleet),
    alarms,
    blocks: [
      machinesBlock(fleet, state, 0),
      unitStatesBlock(units, 0),
      unitsBlock(units, state, now, {
        band: 1,
        only: null,
        empty: 'no unit is known: convoyctl start FILE brings one',
      }),
      pendingBlock(units, state, 2),
      eventsBlock(fleet.events, state, 2),
    ],
    about: {},
    keys: keysOf('fleet'),
    brief: briefOf(fleet, units),
  };
}

/** In place of any page about a fleet that was never read: with all of the reason, which the alarm has no room for. */
export function unreadFleet(title: Line, reading: Reading<Fleet>): Page {
  const { trouble } = reading;
  const reasons = trouble?.words.split(': ') ?? [];
  const lines: readonly Line[] = [
    [dim(trouble === null ? 'asking convoyd for the fleet' : 'nothing of the fleet was read yet')],
    ...(reasons.length > 1 ? reasons.map((words) => [span(words)]) : []),
  ];
  const block: Block = {
    id: 'facts',
    title: 'Fleet',
    band: 0,
    grow: { width: 1, height: 1 },
    least: { width: 20, height: 3 },
    spare: 0,
    body: { kind: 'text', lines, from: 'top' },
  };
  const alarms = fleetAlarms(reading);
  return { title, alarms, blocks: [block], about: {}, keys: keysOf('fleet'), brief: lines };
}

/** `fleet  12 of 14 machines  996 of 1,000 units active  472d6cb2... leads  term 1,204` */
function titleOf({ machines, units, leader }: Fleet): Line {
  const there = machines.filter(({ alive }) => alive).length;
  const wanted = units.filter(({ record }) => record.target === 'launched');
  const active = wanted.filter(
    ({ states }) => states.length > 0 && states.every((state) => state.active === 'active'),
  ).length;
  return [
    strong('fleet'),
    (machines.some((machine) => machineState(machine) === 'gone') ? warn : span)(
      `  ${outOf(there, machines.length, 'machine')}`,
    ),
    (active < wanted.length ? warn : span)(`  ${outOf(active, wanted.length, 'unit')} active`),
    ...(leader.machine === null
      ? [bad('  nobody leads')]
      : [span(`  ${shortId(leader.machine)} leads`, 'accent')]),
    ...(leader.term === null ? [] : [dim(`  term ${grouped(leader.term)}`)]),
  ];
}

/** `12 of 14 machines`; `14 machines` if those are all. */
function outOf(some: number, all: number, noun: string): string {
  const told = counted(all, noun, grouped);
  return some === all ? told : `${grouped(some)} of ${told}`;
}

/** No terminal that is too small for blocks has more rows. */
const MOST_BRIEF = 50;

/** The counts, then what is wrong. */
function briefOf(fleet: Fleet, units: readonly Rated[]): readonly Line[] {
  const counts = tallyOf(units.map(({ standing }) => standing)).map(
    ({ standing, count }) => `${grouped(count)} ${standing.word}`,
  );
  const machines = fleet.machines.flatMap((machine): Line[] => {
    const how = machineState(machine);
    return how === 'ready' || how === 'left' || how === 'evicted'
      ? []
      : [[warn(`machine ${shortId(machine.id)} is ${how}`)]];
  });
  const troubled = units
    .filter((unit) => urgencyOf(unit) < 3)
    .slice(0, MOST_BRIEF)
    .map(({ report, standing }): Line => {
      const { words, usual } = reasonOf(report, standing);
      const how = `${report.record.name} ${standingWords(standing, report)}`;
      return [span(usual ? how : `${how}: ${words}`, standing.tone)];
    });
  return [[span(counts.length === 0 ? 'no units' : counts.join(', '))], ...machines, ...troubled];
}
