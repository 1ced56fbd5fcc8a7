import type { UnitReport, WireState } from '../api/wire.js';
import { shortId } from '../units/eligibility.js';
import type { TargetState } from '../units/state.js';
import { type Command, type Context, command } from './command.js';
import { dryRun, mayGoAhead, yes } from './confirm.js';
import { describeState, type Goal, inactiveGoal, isSettled, stoppedGoal } from './goals.js';
import { lookAtUnits } from './look-at-units.js';
import { noUnits } from './report-errors.js';
import { selectUnits } from './select.js';
import { sideBySide } from './side-by-side.js';
import { FEW, type Look } from './sight.js';
import { submitAll } from './submit-all.js';
import { counted, formatTable } from './table.js';
import { unitWait, type Wait, waitForAll } from './wait.js';
import { block, blockAttempts, patienceOf, timeout, waitedCode } from './wait-options.js';

interface Known {
  readonly units: readonly UnitReport[];
  readonly globbed: boolean;
}

/**
 * Those of the arguments that are in the registry. As fleet did, it is no failure that none is, and one among others
 * that is not is passed over; we name it.
 */
async function knownUnits(context: Context, args: readonly string[], templates: boolean): Promise<Known> {
  const { names, globbed } = await selectUnits(context, args, { templates });
  const seen = await lookAtUnits(context)(names);
  const units = names.flatMap((name) => seen(name) ?? []);
  if (units.length === 0) context.err('Units not found in registry');
  else if (!context.fleet)
    for (const name of names) if (seen(name) === null) context.err(`Unit ${name} not found in registry`);
  return { units, globbed };
}

interface Deactivation {
  readonly name: 'stop' | 'unload';
  readonly does: string;
  readonly done: string;
  readonly target: TargetState;
  readonly goal: Goal;
  /** `skip`: it is there already; otherwise a refusal. */
  readonly before: (unit: UnitReport) => 'go' | 'skip' | { readonly refusal: string };
}

function deactivation({ name, does, done, target, goal, before }: Deactivation): Command {
  return command({
    options: { block, blockAttempts, timeout, yes },
    examples: [`convoyctl ${name} web.service`, `convoyctl ${name} --yes 'web@*'`],
    exitCodes: '3 timed out waiting (--timeout)',
    run: async (context, args, options) => {
      if (args.length === 0) return noUnits(context);
      const { units, globbed } = await knownUnits(context, args, false);
      if (units.length === 0) return 0;
      const verdicts = units.map((unit) => ({ ...unit.record, verdict: before(unit) }));
      // A pattern means what can be stopped; a unit that is named has to be such.
      const refused = globbed ? -1 : verdicts.findIndex(({ verdict }) => typeof verdict !== 'string');
      const going = verdicts.slice(0, refused < 0 ? units.length : refused);
      const changed = going.filter(({ verdict }) => verdict === 'go');
      if (globbed && changed.length > 0) {
        const question = `${does} ${counted(changed.length, 'unit')}?`;
        const list = changed.map((record) => record.name);
        if (!(await mayGoAhead(context, { question, list, yes: options.yes, unnamed: true }))) return 1;
      }
      await submitAll(
        context,
        changed.map((record) => ({ name: record.name, target })),
      );
      for (const record of changed)
        if (record.global || options.block === false)
          context.out(`Triggered ${record.global ? 'global unit' : 'unit'} ${record.name} ${name}`);
      const refusal = verdicts[refused]?.verdict;
      if (typeof refusal === 'object') {
        context.err(refusal.refusal);
        return 1;
      }
      const touched = changed.filter(({ global }) => !global).map((record) => record.name);
      const waits = options.block === false ? [] : touched.map((unit) => unitWait(unit, target, goal));
      const patience = patienceOf(options);
      const { timeoutMs } = patience;
      const waited = await waitForAll(context, waits, { look: lookAtUnits(context), timeoutMs });
      const code = waitedCode(waited, patience);
      if (code === 0) context.err(`Successfully ${done} units [${touched.join(' ')}].`);
      else context.err(`Failed to ${name} units [${touched.join(' ')}]. exit == ${code}.`);
      return code;
    },
  });
}

export const stop = deactivation({
  name: 'stop',
  does: 'Stop',
  done: 'stopped',
  target: 'loaded',
  goal: stoppedGoal,
  before({ record, states }) {
    if (record.target === 'inactive')
      return { refusal: `Unable to stop unit ${record.name} in state inactive` };
    return record.target === 'loaded' && states.every(isSettled) ? 'skip' : 'go';
  },
});

export const unload = deactivation({
  name: 'unload',
  does: 'Unload',
  done: 'unloaded',
  target: 'inactive',
  goal: inactiveGoal,
  before: ({ record, states }) => (record.target === 'inactive' && states.length === 0 ? 'skip' : 'go'),
});

export const destroy = command({
  options: { dryRun, yes, block, blockAttempts, timeout },
  examples: ['convoyctl destroy web.service', "convoyctl destroy --dry-run 'web@*'"],
  exitCodes: '3 timed out waiting (--timeout)',
  run: async (context, args, options) => {
    if (args.length === 0) return noUnits(context);
    const { units, globbed } = await knownUnits(context, args, true);
    if (units.length === 0) return 0;
    if (options.dryRun) {
      await context.write(
        formatTable([['UNIT', 'WHAT'], ...units.map((unit) => [unit.record.name, loss(unit)])]),
      );
      return 0;
    }
    if (globbed || !context.fleet) {
      const question = `Destroy ${counted(units.length, 'unit')}?`;
      const list = units.map((unit) => `${unit.record.name} ${loss(unit)}`);
      if (!(await mayGoAhead(context, { question, list, yes: options.yes, unnamed: globbed }))) return 1;
    }
    const waits = await sideBySide(units, async ({ record }) => {
      if (!(await context.api.destroyUnit(record.name))) return [];
      if (options.block !== false) return [goneWait(record.name)];
      context.out(`Destroyed ${record.name}`);
      return [];
    });
    const patience = patienceOf(options);
    const { timeoutMs } = patience;
    return waitedCode(
      await waitForAll(context, waits.flat(), { look: lookAtStates(context), timeoutMs }),
      patience,
    );
  },
});

/** What there is of a unit that would be destroyed. */
function loss({ record, states }: UnitReport): string {
  const there = states.map((state) => `${describeState(state)} on ${shortId(state.machine)}`);
  return `would be destroyed: ${record.target}${there.length === 0 ? '' : `, ${there.join(', ')}`}`;
}

/** Its record is gone; its agents take it down and then withdraw its states. */
function goneWait(name: string): Wait<readonly WireState[]> {
  return {
    name,
    what: 'to be gone from its machine',
    done: () => `Destroyed ${name}`,
    judge(states) {
      if (states.length === 0) return { kind: 'done', state: 'gone', machine: null };
      const there = states.map(
        ({ systemdActiveState, systemdSubState, machineID }) =>
          `${systemdActiveState} (${systemdSubState}) on ${shortId(machineID)}`,
      );
      return { kind: 'waiting', why: there.join(', ') };
    },
  };
}

/** The states of units that may be in the registry no more. */
function lookAtStates({ api }: Context): Look<readonly WireState[]> {
  return async (units) => {
    const few = units.length <= FEW;
    const states = few ? await Promise.all(units.map((unit) => api.states(unit))) : [await api.states()];
    const found = states.flat();
    return (unit) => found.filter(({ name }) => name === unit);
  };
}
