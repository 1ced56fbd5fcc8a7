import type { UnitReport } from '../../api/schemas.js';
import { serialize } from '../../units/unit-file.js';
import { labelOf, shortId } from '../machine-label.js';
import type { Detail } from './detail.js';
import { historyBlocks } from './event-rows.js';
import { textBlock } from './facts.js';
import { fleetAlarms } from './fleet-alarms.js';
import { unreadFleet } from './fleet-page.js';
import { keysOf } from './keys.js';
import { type Log, logBlock, logLines } from './log-block.js';
import { openedFor } from './opened-for.js';
import type { Block, Line, Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import { bad, dim, span, strong } from './spans.js';
import type { State } from './state.js';
import { unitFacts } from './unit-facts.js';
import { shownState, unitMachinesBlock } from './unit-machines.js';
import { standingOf, standingWords } from './unit-standing.js';

type UnitDetail = Extract<Detail, { kind: 'unit' }>;

/** One unit from near: why it is where it is, how it is there, its output, its file, and what happened to it. */
export function unitPage({ now, fleet: reading, opened }: Snapshot, state: State, detail: UnitDetail): Page {
  const { unit: name } = detail;
  const alarms = fleetAlarms(reading);
  const fleet = reading.value;
  if (fleet === null) return unreadFleet([strong('unit'), span(`  ${name}`)], reading);
  const report = fleet.units.find(({ record }) => record.name === name);
  const looked = openedFor({ opened }, detail);
  const shown = report === undefined ? null : shownState(report, detail.machine);
  const log = logOf(looked, shown?.machine ?? null);
  const label = (id: string): string => {
    const machine = fleet.machines.find((one) => one.id === id);
    return machine === undefined ? shortId(id) : labelOf(machine);
  };
  const facts: readonly Line[] =
    report === undefined
      ? [[bad('it is not in the registry: it was destroyed, or never submitted')]]
      : unitFacts(report, shown, now, label);
  const unit = { explanation: looked?.explanation ?? null, shown: shown?.machine ?? null };
  const history = fleet.events.filter(({ event }) => 'unit' in event && event.unit === name);
  return {
    title: titleOf(name, report),
    alarms,
    blocks: [
      textBlock(FACTS, facts),
      ...(report === undefined
        ? []
        : [fileBlock(report), unitMachinesBlock({ report, ...unit }, fleet, state, now)]),
      logBlock(log, {
        title: shown === null ? 'Log' : `Log on ${label(shown.machine)}`,
        band: 2,
        spare: 1,
      }),
      ...historyBlocks(history, state, 3),
    ],
    about: { unit: name },
    keys: keysOf('unit'),
    brief: [...facts, ...logLines(log).slice(-5)],
  };
}

function logOf(looked: ReturnType<typeof openedFor<'unit'>>, machine: string | null): Log {
  const empty =
    looked === null
      ? 'asking for it'
      : machine === null
        ? 'no machine has it: there is no output'
        : 'it has written nothing';
  return { lines: looked?.log ?? [], trouble: looked?.trouble ?? null, empty };
}

function titleOf(name: string, report: UnitReport | undefined): Line {
  if (report === undefined) return [strong('unit'), span(`  ${name}`), bad('  unknown')];
  const standing = standingOf(report);
  return [strong('unit'), span(`  ${name}`), span(`  ${standingWords(standing, report)}`, standing.tone)];
}

const FACTS = {
  id: 'facts',
  title: 'Unit',
  band: 0,
  // All of it, before anything else grows.
  grow: { width: 3, height: 100 },
  least: { width: 56, height: 5 },
  spare: 1,
} as const;

/** As the registry has it. */
function fileBlock({ record }: UnitReport): Block {
  const lines = serialize(record)
    .trimEnd()
    .split('\n')
    .map((line): Line => {
      const at = line.indexOf('=');
      if (line.startsWith('[') || at === -1) return [span(line, line.startsWith('[') ? 'strong' : 'plain')];
      return [dim(line.slice(0, at + 1)), span(line.slice(at + 1))];
    });
  return textBlock(
    {
      id: 'unit-file',
      title: 'Unit file',
      band: 0,
      grow: { width: 2, height: 1 },
      least: { width: 40, height: 5 },
      spare: 3,
    },
    lines,
  );
}
