import type { MachineCondition, MachineReport } from '../../api/schemas.js';
import { duration, grouped, size } from '../../jobs/quantities.js';
import { labelOf, shortId } from '../machine-label.js';
import { counted } from '../table.js';
import type { Detail } from './detail.js';
import { historyBlocks } from './event-rows.js';
import { type Fact, factLines, textBlock } from './facts.js';
import { fleetAlarms } from './fleet-alarms.js';
import { unreadFleet } from './fleet-page.js';
import { keysOf } from './keys.js';
import { loadSpan, machineStateLine, memorySpan, metadataWords } from './machine-rows.js';
import { openedFor } from './opened-for.js';
import type { Line, Page } from './page.js';
import type { Fleet, Snapshot } from './snapshot.js';
import { bad, dim, span, strong } from './spans.js';
import type { State } from './state.js';
import { ratedOn, unitsBlock } from './unit-rows.js';

type MachineDetail = Extract<Detail, { kind: 'machine' }>;

/** One machine from near: its condition, its units, and what happened to it. */
export function machinePage(
  { now, fleet: reading, opened }: Snapshot,
  state: State,
  detail: MachineDetail,
): Page {
  const { machine: id } = detail;
  const alarms = fleetAlarms(reading);
  const fleet = reading.value;
  if (fleet === null) return unreadFleet([strong('machine'), span(`  ${id}`)], reading);
  const machine = fleet.machines.find((one) => one.id === id);
  const looked = openedFor({ opened }, detail);
  const condition = looked?.condition ?? fleet.conditions.get(id) ?? null;
  const title: Line = [
    strong('machine'),
    span(`  ${machine === undefined ? shortId(id) : labelOf(machine)}`),
    span('  '),
    ...(machine === undefined ? [bad('unknown')] : machineStateLine(machine, condition)),
  ];
  const trouble = looked?.trouble ?? null;
  const facts = factLines(
    machine === undefined
      ? [
          ['Id', [span(id)]],
          ['State', [bad('the cluster does not know it: it was forgotten')]],
        ]
      : factsOf(machine, condition, trouble),
  );
  return {
    title,
    alarms,
    blocks: [
      textBlock(
        {
          id: 'facts',
          title: 'Machine',
          band: 0,
          // All of it, before anything else grows.
          grow: { width: 1, height: 100 },
          least: { width: 40, height: 5 },
          spare: 1,
        },
        facts,
      ),
      unitsBlock(ratedOn(fleet.units, id), state, now, { band: 1, only: id, empty: 'it has no units' }),
      ...historyBlocks(eventsOf(fleet, id), state, 2),
    ],
    about: { machine: id },
    keys: keysOf('machine'),
    brief: facts,
  };
}

function factsOf(
  machine: MachineReport,
  condition: MachineCondition | null,
  trouble: string | null,
): readonly Fact[] {
  const { id, ip, apiAddress, version, bootId } = machine;
  const metadata = metadataWords(machine);
  return [
    ['Id', [span(id)]],
    ['State', machineStateLine(machine, condition)],
    ['Hold', condition?.hold == null ? null : [bad(condition.hold)]],
    ...(condition === null ? noCondition(machine, trouble) : conditionFacts(condition, trouble)),
    ['Metadata', metadata === '' ? null : [span(metadata)]],
    [
      'Address',
      ip === '' ? null : [span(ip), ...(apiAddress === '' ? [] : [dim(`  convoyd ${apiAddress}`)])],
    ],
    ['Version', version === '' ? null : [span(version)]],
    ['Boot', bootId === '' ? null : [span(bootId)]],
  ];
}

function noCondition({ alive }: MachineReport, trouble: string | null): readonly Fact[] {
  if (!alive) return [];
  return [['Condition', [trouble === null ? dim('not told yet') : bad(trouble)]]];
}

function conditionFacts(condition: MachineCondition, trouble: string | null): readonly Fact[] {
  const { cpus, load, memory, up } = condition;
  const share = memory.total === 0 ? '' : ` (${Math.floor((100 * memory.available) / memory.total)} %)`;
  const earlier = `, ${load.fiveMinutes.toFixed(2)} in five, ${load.quarterHour.toFixed(2)} in fifteen`;

  return [
    ['Load', [loadSpan(condition), span(` in one minute${earlier}; ${counted(cpus, 'processor', grouped)}`)]],
    ['Memory', [memorySpan(condition), span(` free of ${grouped(size(memory.total))}${share}`)]],
    ['Up', [span(duration(up * 1000))]],
    ['Condition', trouble === null ? null : [bad(trouble)]],
  ];
}

/** About it, and about units on it. */
function eventsOf({ events }: Fleet, id: string): Fleet['events'] {
  return events.filter(({ event }) => 'machine' in event && event.machine === id);
}
