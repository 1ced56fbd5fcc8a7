import type { PlannedMove, UnitReport } from '../api/wire.js';
import { messageOf, permanent, UsageError } from '../runtime/errors.js';
import { parseInteger, parseSwitch, parseText } from '../runtime/options.js';
import { nameFromArgument } from '../units/name.js';
import { type Command, type Context, command } from './command.js';
import { movedGoal } from './goals.js';
import { findMachine, MachineNames } from './machine-names.js';
import { noWait, timeout } from './machines.js';
import { counted, formatTable } from './table.js';
import { exitCodeOf, lookAtUnits, type Wait, waitForAll } from './wait.js';

const move = command({
  name: 'move',
  arguments: '[units...]',
  summary: 'move units to another machine; waits until they run there',
  options: {
    to: {
      flag: '--to <machine>',
      help: 'id of the machine or the beginning of it; without: the best other one',
      parse: parseText,
    },
    noWait,
    timeout,
  },
  examples: ['convoyctl move web.service', 'convoyctl move --to 472d6cb2 web@1.service web@2.service'],
  exitCodes: '3 timed out waiting',
  run: async (context, args, options) => {
    if (args.length === 0) throw new UsageError('which unit? (see convoyctl list-units)');
    const to =
      options.to === undefined ? null : findMachine(await context.api.machineReports(), options.to).id;
    const names = new MachineNames(context.api);
    const waits: Wait<UnitReport | null>[] = [];
    for (const name of new Set(args.map(nameFromArgument))) {
      const unit = await movable(context, name);
      if (unit.machine === to) {
        // It takes the place of a move that was asked for before and could not be made.
        if (unit.pending !== null) await context.api.moveUnit(name, to);
        context.out(`Unit ${name} is on ${await names.short(to ?? '')} already`);
        continue;
      }
      await context.api.moveUnit(name, to);
      if (options.noWait === false)
        context.out(`Unit ${name} is to leave ${await names.short(unit.machine)}`);
      else waits.push(await moveWait(unit, to, names));
    }
    const look = lookAtUnits(context);
    return exitCodeOf(await waitForAll(context, waits, { look, timeoutMs: options.timeout }));
  },
});

/** A unit that is on one machine. */
async function movable({ api }: Context, name: string): Promise<UnitReport & { readonly machine: string }> {
  const unit = await api.unit(name);
  if (unit === null) throw permanent(`unit ${name} does not exist`);
  const { machine } = unit;
  if (unit.record.global) throw permanent(`unit ${name} is global: it runs on every machine that may run it`);
  if (machine === null)
    throw permanent(`unit ${name} is on no machine${unit.reason ? ` (${unit.reason})` : ''}`);
  return { ...unit, machine };
}

async function moveWait(
  unit: UnitReport & { readonly machine: string },
  to: string | null,
  names: MachineNames,
): Promise<Wait<UnitReport | null>> {
  const { name, target } = unit.record;
  const from = await names.short(unit.machine);
  const where = to === null ? 'another machine' : await names.short(to);
  return {
    name,
    what: `to be ${target} on ${where}`,
    judge: movedGoal(unit, to),
    done: (there) => `Unit ${name} moved from ${from} to ${there}`,
  };
}

const rebalance = command({
  name: 'rebalance',
  arguments: '',
  summary: 'even out the machines: shows its plan, then moves units a few at a time',
  options: {
    dryRun: { flag: '--dry-run', help: 'show the plan only', parse: parseSwitch, default: false },
    yes: {
      flag: '--yes',
      help: 'do not ask (needed where there is no terminal)',
      parse: parseSwitch,
      default: false,
    },
    atATime: {
      flag: '--at-a-time <n>',
      help: 'how many units are moved side by side',
      parse: parseInteger(1, 100),
      default: 1,
    },
    timeout: { ...timeout, help: 'wait no longer than this for each unit, such as 90s; 0 = for ever' },
  },
  examples: ['convoyctl rebalance --dry-run', 'convoyctl rebalance --yes --at-a-time 3'],
  exitCodes: '3 timed out waiting',
  run: async (context, _args, options) => {
    const plan = await context.api.plannedMoves();
    if (plan.length === 0) {
      context.out('Nothing to move: the machines are even');
      return 0;
    }
    const names = new MachineNames(context.api);
    const rows = [['UNIT', 'FROM', 'TO', 'WHY']];
    for (const { unit, from, to, why } of plan)
      rows.push([unit, await names.short(from), await names.short(to), why]);
    await context.write(formatTable(rows));
    if (options.dryRun) return 0;
    if (!options.yes) {
      if (context.ask === null)
        throw new UsageError('rebalance: nobody can be asked here: give --yes to carry the plan out');
      if (!(await context.ask(`Move ${counted(plan.length, 'unit')}, ${options.atATime} at a time?`))) {
        context.err('Nothing was changed');
        return 1;
      }
    }
    return carryOut(context, plan, options);
  },
});

/** Each lane moves one unit after another; none begins another once a move has failed. */
async function carryOut(
  context: Context,
  plan: readonly PlannedMove[],
  { atATime, timeout: timeoutMs }: { readonly atATime: number; readonly timeout: number },
): Promise<number> {
  const names = new MachineNames(context.api);
  const queue = [...plan];
  let made = 0;
  let code = 0;
  async function lane(): Promise<void> {
    while (code === 0) {
      const next = queue.shift();
      if (next === undefined) return;
      const outcome = await carryOutOne(context, next, names, timeoutMs);
      if (outcome === 0) made += 1;
      else code = Math.max(code, outcome);
    }
  }
  await Promise.all(Array.from({ length: atATime }, lane));
  if (code === 0) context.out(`Moved ${counted(made, 'unit')}`);
  else context.err(`Stopped: ${made} of ${counted(plan.length, 'unit')} moved, ${queue.length} not begun`);
  return code;
}

async function carryOutOne(
  context: Context,
  { unit: name, from, to }: PlannedMove,
  names: MachineNames,
  timeoutMs: number,
): Promise<number> {
  try {
    const unit = await movable(context, name);
    if (unit.machine !== from) throw permanent(`unit ${name} is not where it was when the plan was made`);
    await context.api.moveUnit(name, to);
    const waits = [await moveWait(unit, to, names)];
    return exitCodeOf(await waitForAll(context, waits, { look: lookAtUnits(context), timeoutMs }));
  } catch (error) {
    context.err(`Error moving units: ${messageOf(error)}`);
    return 1;
  }
}

export const moveCommands: readonly Command[] = [move, rebalance];
