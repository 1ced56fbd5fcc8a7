import { fleetAlarms } from './dashboard/fleet-alarms.js';
import type { Fleet } from './dashboard/snapshot.js';
import { standingOf, tallyOf } from './dashboard/unit-standing.js';
import { machineState, shortId } from './machine-label.js';
import { counted } from './table.js';

/** `cluster: 3 machines (1 draining), 12 units (1 failed, 11 active), 472d6cb2... leads, term 7`, and what stands still. */
export function clusterLine(fleet: Fleet): string {
  const { machines, units, leader } = fleet;
  const odd = new Map<string, number>();
  for (const how of machines.map(machineState)) if (how !== 'ready') odd.set(how, (odd.get(how) ?? 0) + 1);
  const tally = tallyOf(units.map(standingOf)).map(({ standing, count }) => `${count} ${standing.word}`);
  const alarms = fleetAlarms({ value: fleet, readAt: null, trouble: null }).map((line) =>
    line.map(({ text }) => text).join(''),
  );
  return [
    [
      `cluster: ${counted(machines.length, 'machine')}${listed([...odd].map(([how, count]) => `${count} ${how}`))}`,
      `${counted(units.length, 'unit')}${listed(tally)}`,
      ...(leader.machine === null ? [] : [`${shortId(leader.machine)} leads`]),
      ...(leader.term === null ? [] : [`term ${leader.term}`]),
    ].join(', '),
    ...alarms,
  ].join('; ');
}

function listed(words: readonly string[]): string {
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}
