import type { UnitReport, WireState } from '../api/wire.js';
import { messageOf, permanent } from '../runtime/errors.js';
import { type OptionRow, parseInteger, parseSwitch } from '../runtime/options.js';
import { nameFromArgument } from '../units/name.js';
import type { TargetState } from '../units/state.js';
import { serialize } from '../units/unit-file.js';
import { type Command, type Context, command } from './command.js';
import { inactiveGoal, isRefused, isSettled, launchedGoal, loadedGoal, stoppedGoal } from './goals.js';
import { prepareUnits } from './prepare.js';
import { sideBySide } from './side-by-side.js';
import { ATTEMPT_MS, FEW, type Look, lookAtUnits, unitWait, type Wait, waitForAll } from './wait.js';

const replace = {
  flag: '--replace',
  help: 'put the local file in the place of the unit in the registry',
  parse: parseSwitch,
  default: false,
} satisfies OptionRow<boolean>;
const block = {
  flag: '--no-block',
  help: 'do not wait until it is done',
  parse: parseSwitch,
} satisfies OptionRow<boolean>;
const blockAttempts = {
  flag: '--block-attempts <n>',
  help: 'wait for n times 2 seconds; 0 = for ever',
  parse: parseInteger(-1_000_000, 1_000_000),
  default: 0,
} satisfies OptionRow<number>;

/** Runs the body; what fails is told in fleet's way, with what was being done, and null answered. */
async function reporting<T>(context: Context, doing: string, body: () => Promise<T>): Promise<T | null> {
  try {
    return await body();
  } catch (error) {
    context.err(`Error ${doing} units: ${messageOf(error)}`);
    return null;
  }
}

function noUnits(context: Context): number {
  context.err('No units given');
  return 0;
}

const submit = command({
  name: 'submit',
  arguments: '[units...]',
  summary: 'put unit files into the registry, without running them',
  options: { replace },
  examples: ['convoyctl submit web.service', 'convoyctl submit --replace web@.service'],
  run: async (context, args, options) => {
    if (args.length === 0) return noUnits(context);
    const names = await reporting(context, 'creating', () =>
      prepareUnits(context, args, { ...options, replaces: ['inactive'], attempts: 0 }),
    );
    return names === null ? 1 : 0;
  },
});

type UnitWait = Wait<UnitReport | null>;

/** Whether all got there in time. Fleet counts attempts, and does not tell a time-out from a failure. */
async function allArrive(context: Context, waits: readonly UnitWait[], attempts: number): Promise<boolean> {
  const timeoutMs = Math.max(0, attempts) * ATTEMPT_MS;
  const { failed, late } = await waitForAll(context, waits, { look: lookAtUnits(context), timeoutMs });
  return failed.length + late.length === 0;
}

interface Activation {
  readonly name: 'load' | 'start';
  readonly doing: string;
  readonly summary: string;
  readonly replaces: readonly TargetState[];
  /** Brings one unit on its way. Answers what to wait for, null if there is nothing to do. */
  readonly move: (context: Context, unit: UnitReport) => Promise<UnitWait | null>;
}

function activation({ name, doing, summary, replaces, move }: Activation): Command {
  return command({
    name,
    arguments: '[units...]',
    summary,
    options: { replace, block, blockAttempts },
    examples: [`convoyctl ${name} web.service`, `convoyctl ${name} copy@{1..4}.service`],
    run: async (context, args, options) => {
      if (args.length === 0) return noUnits(context);
      const attempts = Math.max(0, options.blockAttempts);
      const names = await reporting(context, 'creating', () =>
        prepareUnits(context, args, { replace: options.replace, replaces, attempts }),
      );
      if (names === null) return 1;
      const arrived = await reporting(context, doing, async () => {
        const seen = await lookAtUnits(context)(names);
        const waits = await sideBySide([...new Set(names)], async (unit) => {
          const report = seen(unit);
          if (report === null) throw permanent(`Unit ${unit} was destroyed meanwhile`);
          const wait = await move(context, report);
          if (wait === null) return [];
          if (!report.record.global && options.block !== false) return [wait];
          context.out(`Triggered ${report.record.global ? 'global unit' : 'unit'} ${unit} ${name}`);
          return [];
        });
        return allArrive(context, waits.flat(), attempts);
      });
      return arrived ? 0 : 1;
    },
  });
}

const load = activation({
  name: 'load',
  doing: 'loading',
  summary: 'place units on machines without starting them',
  replaces: ['inactive', 'loaded'],
  async move(context, unit) {
    const { name, target } = unit.record;
    if (target === 'loaded') return unit.machine === null ? unitWait(name, 'loaded', loadedGoal) : null;
    await context.api.changeUnit(name, { desiredState: 'loaded' });
    return unitWait(name, 'loaded', loadedGoal);
  },
});

const start = activation({
  name: 'start',
  doing: 'starting',
  summary: 'place and start units; waits until they are active or have failed',
  replaces: ['inactive', 'loaded', 'launched'],
  async move(context, unit) {
    const { name, target, global } = unit.record;
    const wait = (again: boolean) => unitWait(name, 'launched', launchedGoal(unit, again));
    if (target !== 'launched') {
      await context.api.changeUnit(name, { desiredState: 'launched' });
      return wait(false);
    }
    const ended = unit.states.some((state) =>
      state.reached === 'launched' ? isSettled(state) : isRefused(state),
    );
    if (ended) {
      await context.api.restartUnit(name);
      return wait(true);
    }
    const running = unit.states.some(
      ({ machine, active }) => machine === unit.machine && active === 'active',
    );
    return global || running ? null : wait(false);
  },
});

interface Deactivation {
  readonly name: 'stop' | 'unload';
  readonly done: string;
  readonly target: TargetState;
  readonly state: string;
  readonly summary: string;
  readonly goal: typeof inactiveGoal;
  /** `skip`: it is there already; otherwise a refusal. */
  readonly before: (unit: UnitReport) => 'go' | 'skip' | { readonly refusal: string };
}

function deactivation({ name, done, target, state, summary, goal, before }: Deactivation): Command {
  return command({
    name,
    arguments: '[units...]',
    summary,
    options: { block, blockAttempts },
    examples: [`convoyctl ${name} web.service`],
    run: async (context, args, options) => {
      if (args.length === 0) return noUnits(context);
      const units = await knownUnits(context, args);
      if (units.length === 0) return 0;
      const verdicts = units.map((unit) => ({ ...unit.record, verdict: before(unit) }));
      const refused = verdicts.findIndex(({ verdict }) => typeof verdict !== 'string');
      const going = verdicts.slice(0, refused < 0 ? units.length : refused);
      const changed = going.filter(({ verdict }) => verdict === 'go');
      await sideBySide(changed, async (record) => {
        await context.api.changeUnit(record.name, { desiredState: target });
        if (record.global || options.block === false)
          context.out(`Triggered ${record.global ? 'global unit' : 'unit'} ${record.name} ${name}`);
      });
      const refusal = verdicts[refused]?.verdict;
      if (typeof refusal === 'object') {
        context.err(refusal.refusal);
        return 1;
      }
      const touched = changed.filter(({ global }) => !global).map((record) => record.name);
      const waits = options.block === false ? [] : touched.map((unit) => unitWait(unit, state, goal));
      if (!(await allArrive(context, waits, options.blockAttempts))) return 1;
      context.err(`Successfully ${done} units [${touched.join(' ')}].`);
      return 0;
    },
  });
}

/** Those of the arguments that are in the registry; says so if none is. */
async function knownUnits(context: Context, args: readonly string[]): Promise<UnitReport[]> {
  const names = [...new Set(args.map(nameFromArgument))];
  const seen = await lookAtUnits(context)(names);
  const units = names.flatMap((name) => seen(name) ?? []);
  if (units.length === 0) context.err('Units not found in registry');
  return units;
}

const stop = deactivation({
  name: 'stop',
  done: 'stopped',
  target: 'loaded',
  state: 'loaded',
  summary: 'stop units and leave them loaded; waits until they have really stopped',
  goal: stoppedGoal,
  before({ record, states }) {
    if (record.target === 'inactive')
      return { refusal: `Unable to stop unit ${record.name} in state inactive` };
    return record.target === 'loaded' && states.every(isSettled) ? 'skip' : 'go';
  },
});

const unload = deactivation({
  name: 'unload',
  done: 'unloaded',
  target: 'inactive',
  state: 'inactive',
  summary: 'stop units and take them off their machines',
  goal: inactiveGoal,
  before: ({ record, states }) => (record.target === 'inactive' && states.length === 0 ? 'skip' : 'go'),
});

const restart = command({
  name: 'restart',
  arguments: '[units...]',
  summary: 'stop and start units where they are; waits until they are active again',
  options: { blockAttempts },
  examples: ['convoyctl restart web.service'],
  run: async (context, args, options) => {
    if (args.length === 0) return noUnits(context);
    const names = args.map(nameFromArgument);
    const units = await sideBySide(names, (name) => context.api.unit(name));
    const absent = names.find((_, at) => units[at] === null);
    if (absent !== undefined) {
      context.err(`Error restarting units: Unit ${absent} does not exist`);
      return 1;
    }
    const arrived = await reporting(context, 'restarting', async () => {
      const waits = await sideBySide(units, async (unit) => {
        if (unit === null) return [];
        const { name, target, global } = unit.record;
        if (target === 'inactive') throw permanent(`Unable to restart unit ${name} in state inactive`);
        await context.api.restartUnit(name);
        if (!global) return [unitWait(name, 'launched', launchedGoal(unit, true))];
        context.out(`Triggered global unit ${name} restart`);
        return [];
      });
      return allArrive(context, waits.flat(), options.blockAttempts);
    });
    return arrived ? 0 : 1;
  },
});

const destroy = command({
  name: 'destroy',
  arguments: '[units...]',
  summary: 'take units out of the registry; waits until they are gone from their machines',
  options: { block, blockAttempts },
  examples: ['convoyctl destroy web.service'],
  run: async (context, args, options) => {
    if (args.length === 0) return noUnits(context);
    const units = await knownUnits(context, args);
    const waits = await sideBySide(units, async ({ record }) => {
      if (!(await context.api.destroyUnit(record.name))) return [];
      if (options.block !== false) return [goneWait(record.name)];
      context.out(`Destroyed ${record.name}`);
      return [];
    });
    const { late } = await waitForAll(context, waits.flat(), {
      look: lookAtStates(context),
      timeoutMs: Math.max(0, options.blockAttempts) * ATTEMPT_MS,
    });
    return late.length === 0 ? 0 : 1;
  },
});

/** Its record is gone; its agents take it down and then withdraw its states. */
function goneWait(name: string): Wait<readonly WireState[]> {
  return {
    name,
    what: 'to be gone from its machine',
    done: () => `Destroyed ${name}`,
    judge([state]) {
      if (state === undefined) return { kind: 'done', state: 'gone', machine: null };
      const { systemdActiveState, systemdSubState, machineID } = state;
      return { kind: 'waiting', why: `${systemdActiveState} (${systemdSubState}) on ${machineID}` };
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

const cat = command({
  name: 'cat',
  arguments: '[unit...]',
  summary: 'print a unit as the registry has it',
  options: {},
  examples: ['convoyctl cat web.service'],
  run: async (context, args) => {
    const [arg] = args;
    if (arg === undefined || args.length > 1) {
      context.err('One unit file must be provided');
      return 1;
    }
    const name = nameFromArgument(arg);
    const unit = await context.api.unit(name);
    if (unit === null) {
      context.err(`Unit ${name} not found`);
      return 1;
    }
    await context.write(serialize({ options: unit.record.options }));
    return 0;
  },
});

export const unitCommands: readonly Command[] = [submit, load, start, stop, unload, restart, destroy, cat];
