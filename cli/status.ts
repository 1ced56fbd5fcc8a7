import type { UnitReport } from '../api/wire.js';
import type { UnitState } from '../registry/model.js';
import { ConvoyError } from '../runtime/errors.js';
import { expandSpecifiers } from '../units/name.js';
import { valuesOf } from '../units/unit-file.js';
import { type Context, command } from './command.js';
import { copyLog, holdersOf, machineOption, sshPortOption } from './journal.js';
import { MachineNames } from './machine-names.js';
import { selectUnits } from './select.js';
import { ago, stamp } from './times.js';

const LOG_LINES = 10;

/** As systemctl answers; fleet had 1 for both that cannot be shown. */
const NOT_ACTIVE = 3;
const NO_SUCH_UNIT = 4;

export const status = command({
  options: { machine: machineOption, sshPort: sshPortOption },
  examples: ['convoyctl status web.service', "convoyctl status 'web@*'"],
  exitCodes: '3 a unit is not active, 4 there is no such unit (called as fleetctl 1)',
  run: async (context, args, options) => {
    const { names } = await selectUnits(context, args, { templates: false });
    let worst = 0;
    for (const [at, name] of names.entries()) {
      if (at > 0) context.out('');
      worst = Math.max(worst, await showStatus(context, name, options.machine));
      // Fleet went no further.
      if (worst !== 0 && context.fleet) return worst;
    }
    return worst;
  },
});

async function showStatus(context: Context, name: string, asked: string | undefined): Promise<number> {
  const unit = await context.api.unit(name);
  if (unit === null) {
    context.err(`Unit ${name} does not exist.`);
    return context.fleet ? 1 : NO_SUCH_UNIT;
  }
  const holders = asked === undefined ? unit.states.map(({ machine }) => machine) : holdersOf(unit, asked);
  if (holders.length === 0) {
    context.err(
      asked === undefined || unit.states.length === 0
        ? `Unit ${name} does not appear to be loaded.`
        : `Unit ${name} is not on a machine ${asked}.`,
    );
    if (unit.pending !== null && !context.fleet) context.err(unit.pending);
    return context.fleet ? 1 : NOT_ACTIVE;
  }
  const machines = new MachineNames(context.api);
  const states = unit.states.filter(({ machine }) => holders.includes(machine));
  for (const [at, state] of states.entries()) {
    if (at > 0) context.out('');
    for (const line of describe(unit, state, await machines.short(state.machine), context.clock.now()))
      context.out(line);
    try {
      context.out('');
      await copyLog(context, name, { lines: LOG_LINES, follow: false, machine: state.machine });
    } catch (error) {
      if (!(error instanceof ConvoyError)) throw error;
      context.err(`No output: ${error.message}`);
    }
  }
  return states.every(({ active }) => active === 'active') ? 0 : NOT_ACTIVE;
}

/** Where the colons stand. */
const INDENT = 9;

function describe(unit: UnitReport, state: UnitState, machine: string, now: number): string[] {
  const { name, options, restarts } = unit.record;
  const description = valuesOf({ options }, 'Unit', 'Description').at(-1);
  const facts: [string, string | null][] = [
    ['Loaded', `${state.load} (hash ${state.hash.slice(0, 7)})`],
    ['Machine', machine],
    ['Placed', state.machine === unit.machine ? unit.why : null],
    ['Active', `${state.active} (${state.sub}) since ${stamp(state.since)}; ${ago(now - state.since)} ago`],
    ['Exit', state.exit],
    [
      'Restarts',
      restarts + state.autoRestarts === 0 ? null : `${restarts} asked for, ${state.autoRestarts} by itself`,
    ],
    ['Reason', state.reason === '' ? null : state.reason.split('\n').join(`\n${' '.repeat(INDENT + 2)}`)],
    ['Pending', state.machine === unit.machine || unit.record.global ? unit.pending : null],
  ];
  return [
    `${DOTS[state.active] ?? '●'} ${name}${description === undefined ? '' : ` - ${expandSpecifiers(description, name)}`}`,
    ...facts.flatMap(([key, value]) => (value === null ? [] : [`${key.padStart(INDENT)}: ${value}`])),
  ];
}

/** As systemctl begins, by active state. */
const DOTS: Readonly<Record<string, string | undefined>> = Object.assign(Object.create(null), {
  ...{ inactive: '○', failed: '×', reloading: '↻' },
});
