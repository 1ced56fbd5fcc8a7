import type { MachineReport, UnitReport } from '../api/wire.js';
import { permanent, UsageError } from '../runtime/errors.js';
import { type OptionRow, parseSwitch } from '../runtime/options.js';
import type { MachineVerb } from './client.js';
import { type Command, type Context, command } from './command.js';
import { dryRun, mayGoAhead, yes } from './confirm.js';
import { emptying, listOccupants, listRefusals } from './drain-view.js';
import { findMachine, labelOf, machineState } from './machine-label.js';
import { sideBySide } from './side-by-side.js';
import type { Look } from './sight.js';
import { counted, formatTable } from './table.js';
import { exitCodeOf, type Wait, waitForAll } from './wait.js';
import { timeout } from './wait-options.js';

/** So long a drain looks after the units that have left, once the machine is empty. */
const SETTLE_MS = 5_000;

export const noWait = {
  flag: '--no-wait',
  help: 'ask for it and do not wait until it is done',
  parse: parseSwitch,
} satisfies OptionRow<boolean>;

/** The machines that are named, each once; all of them are looked up before anything is changed. */
async function namedMachines({ api }: Context, args: readonly string[]): Promise<MachineReport[]> {
  if (args.length === 0) throw new UsageError('which machine? (see convoyctl list-machines --all)');
  const all = await api.machineReports();
  return [...new Set(args.map((arg) => findMachine(all, arg)))];
}

interface Wish {
  readonly verb: MachineVerb;
  readonly done: string;
}

function wishing({ verb, done }: Wish): Command {
  return command({
    options: {},
    examples: [`convoyctl ${verb} 472d6cb2`],
    run: async (context, args) => {
      for (const machine of await namedMachines(context, args)) {
        await context.api.changeMachine(machine.id, verb);
        context.out(`Machine ${labelOf(machine)} ${done}`);
      }
      return 0;
    },
  });
}

export const cordon = wishing({
  verb: 'cordon',
  done: 'takes no new units',
});
export const uncordon = wishing({
  verb: 'uncordon',
  done: 'takes units again',
});

export const drain = command({
  options: { dryRun, noWait, timeout },
  examples: ['convoyctl drain --dry-run 472d6cb2', 'convoyctl drain --timeout 10m 472d6cb2 b38a1340'],
  exitCodes: '3 timed out waiting',
  run: async (context, args, options) => {
    const machines = await namedMachines(context, args);
    const before = await context.api.unitReports();
    if (options.dryRun) return showDrain(context, machines, before);
    for (const machine of machines) {
      await context.api.changeMachine(machine.id, 'drain');
      context.out(`Machine ${labelOf(machine)} takes no new units, and its units leave it`);
    }
    if (options.noWait === false) return 0;
    const waits = machines.map((machine) => drainWait(context, machine, before));
    const look: Look<readonly UnitReport[]> = async () => {
      const units = await context.api.unitReports();
      return () => units;
    };
    return exitCodeOf(await waitForAll(context, waits, { look, timeoutMs: options.timeout }));
  },
});

/** Tells in the end of the units that stay, and of those that run nowhere, or not here, until the machine is back. */
function drainWait(
  { clock }: Context,
  machine: MachineReport,
  before: readonly UnitReport[],
): Wait<readonly UnitReport[]> {
  const label = labelOf(machine);
  const wereHere = new Set(
    before
      .filter(
        (unit) => unit.machine === machine.id || unit.states.some((state) => state.machine === machine.id),
      )
      .map(({ record }) => record.name),
  );
  let emptySince: number | null = null;
  const remarks: string[] = [];
  return {
    name: machine.id,
    subject: `machine ${label}`,
    what: 'to be empty',
    done: () => [...remarks, `Machine ${label} is drained`].join('\n'),
    judge(units) {
      const { leaving, staying } = emptying(machine.id, units);
      if (leaving.length > 0) return { kind: 'waiting', why: listOccupants(leaving) };
      emptySince ??= clock.steady();
      const left = units.filter(({ record }) => wereHere.has(record.name) && record.target !== 'inactive');
      const nowhere = left.filter((unit) => unit.machine === null && !unit.record.global);
      if (nowhere.length > 0 && clock.steady() - emptySince < SETTLE_MS)
        return {
          kind: 'waiting',
          why: listOccupants(nowhere.map(({ record, reason }) => ({ unit: record.name, why: reason ?? '' }))),
        };
      for (const { unit, why } of staying) remarks.push(`Unit ${unit} stays on ${label}: ${why}`);
      for (const { record, reason } of nowhere)
        remarks.push(
          `Unit ${record.name} left ${label} and runs nowhere now: ${reason} (convoyctl uncordon ${shortOf(machine)} takes it back)`,
        );
      for (const { record } of left)
        if (record.global)
          remarks.push(
            `Unit ${record.name} left ${label}: it is global (convoyctl uncordon ${shortOf(machine)} brings it back)`,
          );
      return { kind: 'done', state: 'empty', machine: null };
    },
  };
}

/** What would become of each unit of machines that are drained together. */
async function showDrain(
  context: Context,
  machines: readonly MachineReport[],
  units: readonly UnitReport[],
): Promise<number> {
  const drained = new Set(machines.map(({ id }) => id));
  const rows = [['MACHINE', 'UNIT', 'WHAT']];
  for (const machine of machines) {
    const { leaving, staying } = emptying(machine.id, units);
    for (const { unit, why } of staying) rows.push([labelOf(machine), unit, `stays: ${why}`]);
    const fates = await sideBySide(leaving, ({ unit }) => fateOf(context, unit, drained));
    for (const [at, { unit }] of leaving.entries()) rows.push([labelOf(machine), unit, fates[at] ?? '']);
  }
  await context.write(formatTable(rows));
  return 0;
}

async function fateOf({ api }: Context, unit: string, drained: ReadonlySet<string>): Promise<string> {
  const found = await api.why(unit);
  if (found === null || found.target === 'inactive') return 'ends';
  if (found.global) return 'ends here: it is global';
  const others = found.machines.filter(({ machine }) => !drained.has(machine));
  const able = others.filter(({ alive, refusal }) => alive && refusal === null);
  if (able.length > 0) return `would be moved to the best of ${counted(able.length, 'machine')}`;
  return `would run nowhere: ${listRefusals(others)}`;
}

const shortOf = ({ id }: MachineReport): string => id.slice(0, 8);

export const evict = command({
  options: {
    dryRun,
    yes,
  },
  examples: ['convoyctl evict --dry-run 472d6cb2', 'convoyctl evict 472d6cb2'],
  run: async (context, args, options) => {
    const machines = await namedMachines(context, args);
    const units = await context.api.unitReports();
    for (const machine of machines) {
      if (machine.alive)
        throw permanent(`machine ${labelOf(machine)} is alive: drain it instead, or stop its convoyd first`);
      const count = units.filter((unit) => unit.machine === machine.id).length;
      context.err(
        `Machine ${labelOf(machine)} is ${machineState(machine)}; placed on it: ${counted(count, 'unit')}.`,
      );
    }
    context.err(
      'Evicting gives a machine up for lost: its units start elsewhere at once. Be sure that it is off: cut off from the\n' +
        'network alone it goes on running them, and they run twice until it is back (but for units with OnPartition=stop).',
    );
    if (options.dryRun) return 0;
    if (!(await mayGoAhead(context, { question: 'Evict?', list: [], yes: options.yes, unnamed: false })))
      return 1;
    for (const machine of machines) {
      await context.api.changeMachine(machine.id, 'evict');
      context.out(`Machine ${labelOf(machine)} is given up`);
    }
    return 0;
  },
});
