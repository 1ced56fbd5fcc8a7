import type { PlannedMove, UnitReport } from '../api/wire.js';
import { messageOf, permanent, UsageError } from '../runtime/errors.js';
import { parseInteger, parseText } from '../runtime/options.js';
import { type Context, command } from './command.js';
import { dryRun, mayGoAhead, yes } from './confirm.js';
import { listRefusals } from './drain-view.js';
import { movedGoal } from './goals.js';
import { lookAtUnits } from './look-at-units.js';
import { findMachine } from './machine-label.js';
import { MachineNames } from './machine-names.js';
import { noWait } from './machines.js';
import { roll } from './roll.js';
import { selectUnits } from './select.js';
import { counted, formatTable } from './table.js';
import { exitCodeOf, type Wait, waitForAll } from './wait.js';
import { timeout } from './wait-options.js';

export const move = command({
  options: {
    to: {
      flag: '--to <machine>',
      help: 'id of the machine or the beginning of it; without: the best other one',
      parse: parseText,
    },
    dryRun,
    yes,
    noWait,
    timeout,
  },
  examples: ['convoyctl move web.service', 'convoyctl move --to 472d6cb2 web@1.service web@2.service'],
  exitCodes: '3 timed out waiting',
  run: async (context, args, options) => {
    if (args.length === 0) throw new UsageError('which unit? (see convoyctl list-units)');
    const to =
      options.to === undefined ? null : findMachine(await context.api.machineReports(), options.to).id;
    const { names: units, globbed } = await selectUnits(context, args, { templates: false });
    const names = new MachineNames(context.api);
    if (options.dryRun) return showMoves(context, units, to, names);
    if (globbed) {
      const question = `Move ${counted(units.length, 'unit')}?`;
      if (!(await mayGoAhead(context, { question, list: units, yes: options.yes, unnamed: true }))) return 1;
    }
    const waits: Wait<UnitReport | null>[] = [];
    for (const name of units) {
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

/** What would become of moves, each as if it were the only one. Exit code 1 if one could not be made. */
async function showMoves(
  context: Context,
  units: readonly string[],
  to: string | null,
  names: MachineNames,
): Promise<number> {
  const rows = [['UNIT', 'FROM', 'TO', 'WHAT']];
  let code = 0;
  for (const name of units) {
    const unit = await movable(context, name);
    const where = to === null ? '-' : await names.short(to);
    const { could, what } = await prospect(context, unit, to);
    if (!could) code = 1;
    rows.push([name, await names.short(unit.machine), where, what]);
  }
  await context.write(formatTable(rows));
  return code;
}

async function prospect(
  { api }: Context,
  { record, machine }: UnitReport,
  to: string | null,
): Promise<{ readonly could: boolean; readonly what: string }> {
  if (machine === to) return { could: true, what: 'it is there already' };
  const others = ((await api.why(record.name))?.machines ?? []).filter((row) => row.machine !== machine);
  const able = others.filter(({ alive, refusal }) => alive && refusal === null);
  if (to === null)
    return able.length > 0
      ? { could: true, what: `would be moved to the best of ${counted(able.length, 'machine')}` }
      : { could: false, what: `could not be moved: ${listRefusals(others)}` };
  const there = others.find((row) => row.machine === to);
  const why = there?.alive ? there.refusal : 'that machine is not there';
  return why === null
    ? { could: true, what: 'would be moved' }
    : { could: false, what: `could not be moved: ${why}` };
}

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

export const rebalance = command({
  options: {
    dryRun,
    yes: { ...yes, help: 'do not ask (needed where there is no terminal)' },
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
    const question = `Move ${counted(plan.length, 'unit')}, ${options.atATime} at a time?`;
    if (!(await mayGoAhead(context, { question, list: [], yes: options.yes, unnamed: true }))) return 1;
    return carryOut(context, plan, options);
  },
});

async function carryOut(
  context: Context,
  plan: readonly PlannedMove[],
  { atATime, timeout: timeoutMs }: { readonly atATime: number; readonly timeout: number },
): Promise<number> {
  const names = new MachineNames(context.api);
  const { code, done, untouched } = await roll(plan, atATime, (planned) =>
    carryOutOne(context, planned, names, timeoutMs),
  );
  if (code === 0) context.out(`Moved ${counted(done.length, 'unit')}`);
  else
    context.err(
      `Stopped: ${done.length} of ${counted(plan.length, 'unit')} moved, ${untouched.length} not begun`,
    );
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
