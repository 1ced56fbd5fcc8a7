import type { UnitReport } from '../api/wire.js';
import type { UnitState } from '../registry/model.js';
import { ConvoyError } from '../runtime/errors.js';
import { type OptionRow, parseInteger, parseSwitch, parseText } from '../runtime/options.js';
import { nameFromArgument } from '../units/name.js';
import { valuesOf } from '../units/unit-file.js';
import { type Command, type Context, command } from './command.js';
import { MachineNames } from './machine-names.js';

const LOG_LINES = 10;

const machineOption: OptionRow<string> = {
  flag: '--machine <id>',
  help: 'of the machine whose id begins so (a global unit runs on several)',
  parse: parseText,
};

const journal = command({
  name: 'journal',
  arguments: '[unit...]',
  summary: 'print the output of a unit, on whichever machine it is',
  options: {
    lines: {
      flag: '--lines <n>',
      help: 'how many of the last lines',
      parse: parseInteger(0, 100_000),
      default: LOG_LINES,
    },
    follow: {
      flag: '--follow',
      help: 'go on with new lines until interrupted',
      parse: parseSwitch,
      default: false,
    },
    short: { flag: '-f, --f', help: 'the same as --follow', parse: parseSwitch, default: false },
    machine: machineOption,
  },
  examples: ['convoyctl journal --lines=50 web.service', 'convoyctl journal -f web.service'],
  run: async (context, args, options) => {
    const [arg] = args;
    if (arg === undefined || args.length > 1) {
      context.err('One unit file must be provided.');
      return 1;
    }
    const name = nameFromArgument(arg);
    const unit = await context.api.unit(name);
    if (unit === null) {
      context.err(`Unit ${name} does not exist.`);
      return 1;
    }
    if (unit.states.length === 0) {
      context.err(`Unit ${name} does not appear to be running.`);
      return 1;
    }
    if (options.machine === undefined && unit.record.global && unit.states.length > 1) {
      context.err(`Unit ${name} runs on ${unit.states.length} machines: say which one with --machine.`);
      return 1;
    }
    await copyLog(context, name, {
      lines: options.lines,
      follow: options.follow || options.short,
      ...(options.machine === undefined ? {} : { machine: options.machine }),
    });
    return 0;
  },
});

async function copyLog(
  context: Context,
  name: string,
  request: { lines: number; follow: boolean; machine?: string },
): Promise<void> {
  for await (const chunk of await context.api.log(name, request)) await context.write(chunk);
}

const status = command({
  name: 'status',
  arguments: '[units...]',
  summary: 'show how units are, with the end of their output',
  options: {},
  examples: ['convoyctl status web.service'],
  exitCodes: '3 a unit is loaded but not active',
  run: async (context, args) => {
    for (const [at, arg] of args.entries()) {
      if (at > 0) context.out('');
      const code = await showStatus(context, nameFromArgument(arg));
      if (code !== 0) return code;
    }
    return 0;
  },
});

/** Answers what `systemctl status` would: 0 active, 3 not active. */
async function showStatus(context: Context, name: string): Promise<number> {
  const unit = await context.api.unit(name);
  if (unit === null) {
    context.err(`Unit ${name} does not exist.`);
    return 1;
  }
  if (unit.states.length === 0) {
    context.err(`Unit ${name} does not appear to be loaded.`);
    if (unit.pending !== null) context.err(unit.pending);
    return 1;
  }
  const machines = new MachineNames(context.api);
  for (const [at, state] of unit.states.entries()) {
    if (at > 0) context.out('');
    for (const line of describe(unit, state, await machines.short(state.machine), context.clock.now()))
      context.out(line);
    try {
      const log = { lines: LOG_LINES, follow: false, machine: state.machine };
      context.out('');
      await copyLog(context, name, log);
    } catch (error) {
      if (!(error instanceof ConvoyError)) throw error;
      context.err(`No output: ${error.message}`);
    }
  }
  return unit.states.every(({ active }) => active === 'active') ? 0 : 3;
}

/** Where the colons stand. */
const INDENT = 9;

function describe(unit: UnitReport, state: UnitState, machine: string, now: number): string[] {
  const { name, options, restarts } = unit.record;
  const description = valuesOf({ options }, 'Unit', 'Description').at(-1);
  const since = new Date(state.since).toISOString().replace(/\.\d+Z/, 'Z');
  const facts: [string, string | null][] = [
    ['Loaded', `${state.load} (hash ${state.hash.slice(0, 7)})`],
    ['Machine', machine],
    ['Placed', state.machine === unit.machine ? unit.why : null],
    ['Active', `${state.active} (${state.sub}) since ${since}; ${ago(now - state.since)} ago`],
    ['Exit', state.exit],
    [
      'Restarts',
      restarts + state.autoRestarts === 0 ? null : `${restarts} asked for, ${state.autoRestarts} by itself`,
    ],
    ['Reason', state.reason === '' ? null : state.reason.split('\n').join(`\n${' '.repeat(INDENT + 2)}`)],
    ['Pending', state.machine === unit.machine || unit.record.global ? unit.pending : null],
  ];
  return [
    description === undefined ? name : `${name} - ${description}`,
    ...facts.flatMap(([key, value]) => (value === null ? [] : [`${key.padStart(INDENT)}: ${value}`])),
  ];
}

/** `5s`, `3min`, `2h`, `4d`. */
function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

export const journalCommands: readonly Command[] = [status, journal];
