import { grouped } from '../../jobs/quantities.js';
import { shortId } from '../machine-label.js';
import { awayWords } from './away-words.js';
import type { Line } from './page.js';
import type { Fleet, Reading } from './snapshot.js';
import { bad } from './spans.js';

/** What is in the way, and what stands still in the cluster: a line each. */
export function fleetAlarms({ value, readAt, trouble }: Reading<Fleet>): readonly Line[] {
  const words = [
    ...(trouble === null ? [] : [awayWords('fleet', 'it', trouble, readAt)]),
    ...(value === null ? [] : clusterAlarms(value)),
  ];
  return words.map((one) => [bad(one)]);
}

function clusterAlarms({ leader, hold, conditions }: Fleet): string[] {
  return [
    ...(leader.machine === null ? ['nobody leads: no unit is placed or moved until a machine does'] : []),
    ...(leader.frozen === null ? [] : [`evictions frozen: ${leader.frozen}`]),
    ...(leader.hold === null ? [] : [`the leader holds: ${leader.hold}`]),
    ...(hold === null ? [] : [`the convoyd that answers holds: ${hold}`]),
    ...machinesThatHold(conditions),
  ];
}

/** So many are told one by one: below them there is a page to be seen. */
const MOST_TOLD = 2;

function machinesThatHold(conditions: Fleet['conditions']): string[] {
  const held = [...conditions.values()].flatMap(({ machine, hold }) =>
    hold === null ? [] : [`machine ${shortId(machine)} holds: ${hold}`],
  );
  if (held.length <= MOST_TOLD + 1) return held;
  return [...held.slice(0, MOST_TOLD), `${grouped(held.length - MOST_TOLD)} more machines hold`];
}
