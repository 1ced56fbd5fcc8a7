import type { UnitReport } from '../api/wire.js';
import { parseInteger } from '../runtime/options.js';
import { type Context, command } from './command.js';
import { mayGoAhead, yes } from './confirm.js';
import { launchedGoal, restartedEverywhereGoal } from './goals.js';
import { logLine } from './log-line.js';
import { lookAtUnits } from './look-at-units.js';
import { noUnits, reporting } from './report-errors.js';
import { roll } from './roll.js';
import { few, selectUnits } from './select.js';
import { counted } from './table.js';
import { unitWait, type Wait, waitForAll } from './wait.js';
import { blockAttempts, type Patience, patienceOf, timeout, waitedCode } from './wait-options.js';

export const restart = command({
  options: {
    parallel: {
      flag: '--parallel <n>',
      help: 'how many are restarted side by side',
      parse: parseInteger(1, 1_000),
      default: 1,
    },
    yes,
    blockAttempts,
    timeout: { ...timeout, help: 'wait no longer than this for each unit, then exit with 3; 0 = for ever' },
  },
  examples: ['convoyctl restart web.service', "convoyctl restart --yes --parallel 2 'web@*'"],
  exitCodes: '3 timed out waiting (--timeout)',
  run: async (context, args, options) => {
    if (args.length === 0) return noUnits(context);
    const found = await restartable(context, args);
    if (found === null) return 1;
    const { units, globbed } = found;
    if (globbed) {
      const question = `Restart ${counted(units.length, 'unit')}, ${options.parallel} at a time?`;
      const list = units.map(({ record }) => record.name);
      if (!(await mayGoAhead(context, { question, list, yes: options.yes, unnamed: true }))) return 1;
    }
    const patience = patienceOf(options);
    const { code, done, untouched } = await roll(units, options.parallel, (unit) =>
      restartOne(context, unit, patience),
    );
    if (code !== 0 && units.length > 1) {
      const rest = untouched.map(({ record }) => record.name);
      const left = rest.length === 0 ? 'none was left untouched' : `not touched: ${few(rest)}`;
      context.err(`Stopped: ${done.length} of ${counted(units.length, 'unit')} restarted; ${left}`);
    }
    return code;
  },
});

/** The units to be restarted; null if one of those that are named cannot be (told on stderr): then none is touched. */
async function restartable(
  context: Context,
  args: readonly string[],
): Promise<{ units: readonly UnitReport[]; globbed: boolean } | null> {
  const { names, globbed } = await selectUnits(context, args, { templates: false });
  const seen = await lookAtUnits(context)(names);
  const absent = names.find((name) => seen(name) === null);
  if (absent !== undefined) {
    context.err(
      context.fleet
        ? `Error creating units: unable to find Unit(${absent}) in Registry or on filesystem`
        : `Error restarting units: Unit ${absent} does not exist`,
    );
    return null;
  }
  const all = names.flatMap((name) => seen(name) ?? []);
  const units = all.filter(({ record }) => record.target !== 'inactive');
  const inactive = all.find(({ record }) => record.target === 'inactive');
  if (inactive === undefined || (globbed && units.length > 0)) return { units, globbed };
  context.err(`Error restarting units: Unable to restart unit ${inactive.record.name} in state inactive`);
  return null;
}

async function restartOne(context: Context, unit: UnitReport, patience: Patience): Promise<number> {
  const { name, global, target } = unit.record;
  const told = (what: string): void => {
    if (context.fleet && !global)
      context.err(logLine('INFO', `Unit(${name}) ${what}`, new Date(context.clock.now())));
  };
  const code = await reporting(context, 'restarting', async () => {
    if (global && !context.fleet && unit.states.length > 1)
      context.err(`Unit ${name} is global: its ${unit.states.length} machines restart it at the same time`);
    if (target === 'loaded') told('already loaded, starting.');
    await context.api.restartUnit(name);
    if (global && context.fleet) {
      context.out(`Triggered global unit ${name} restart`);
      return 0;
    }
    const { timeoutMs } = patience;
    const look = lookAtUnits(context);
    const waited = await waitForAll(context, [restartWait(unit)], { look, timeoutMs });
    const ended = waitedCode(waited, patience);
    if (ended === 0 && target === 'launched') told('was restarted.');
    return ended;
  });
  return code ?? 1;
}

function restartWait(unit: UnitReport): Wait<UnitReport | null> {
  const { name, global } = unit.record;
  if (!global) return unitWait(name, 'launched', launchedGoal(unit, true));
  const machines = counted(unit.states.length, 'machine');
  return {
    name,
    what: `to be active again on ${machines}`,
    judge: restartedEverywhereGoal(unit),
    done: () => `Unit ${name} launched on ${machines}`,
  };
}
