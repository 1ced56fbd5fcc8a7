import type { UnitReport } from '../api/wire.js';
import { permanent } from '../runtime/errors.js';
import { type OptionRow, parseSwitch } from '../runtime/options.js';
import { isTemplate } from '../units/name.js';
import type { TargetState } from '../units/state.js';
import { type Command, type Context, command } from './command.js';
import { dryRun, mayGoAhead, yes } from './confirm.js';
import { isRefused, isSettled, launchedGoal, loadedGoal } from './goals.js';
import { lookAtUnits } from './look-at-units.js';
import { type Prepared, prepareUnits } from './prepare.js';
import { noUnits, refusal, reporting } from './report-errors.js';
import { few } from './select.js';
import { sideBySide } from './side-by-side.js';
import type { Look } from './sight.js';
import { submitAll } from './submit-all.js';
import { unitWait, type Wait, waitForAll } from './wait.js';
import { block, blockAttempts, patienceOf, timeout, waitedCode } from './wait-options.js';

const replace = {
  flag: '--replace',
  help: 'put the local file (or the template) in the place of the unit in the registry',
  parse: parseSwitch,
  default: false,
} satisfies OptionRow<boolean>;
const sign = {
  flag: '--sign',
  help: "fleetctl's; units are not signed any more",
  parse: parseSwitch,
  default: false,
} satisfies OptionRow<boolean>;
const replacing = { replace, dryRun, yes, sign };

export const submit = command({
  options: { ...replacing, blockAttempts, timeout },
  examples: [
    'convoyctl submit web.service',
    "convoyctl submit './*.service'",
    'convoyctl submit --replace web@.service',
  ],
  exitCodes: '3 timed out waiting (--timeout)',
  run: async (context, args, options) => {
    if (args.length === 0) return noUnits(context);
    const patience = patienceOf(options);
    const prepared = await reporting(context, 'creating', () =>
      prepareUnits(context, args, {
        ...options,
        target: 'inactive',
        replaces: ['inactive'],
        templates: true,
        patience,
        look: lookAtUnits(context),
      }),
    );
    return prepared === null ? 1 : (prepared.code ?? 0);
  },
});

/** What brings one unit on its way. */
interface Way {
  readonly does: 'nothing' | 'set-target' | 'restart';
  /** What to wait for; null: nothing. */
  readonly wait: Wait<UnitReport | null> | null;
}

interface Activation {
  readonly name: 'load' | 'start';
  readonly doing: string;
  readonly target: TargetState;
  readonly replaces: readonly TargetState[];
  /** `before`: how it was before it got a new text, if it did. */
  readonly wayOf: (unit: UnitReport, before: UnitReport | undefined) => Way;
  readonly mayBegin: (context: Context, units: readonly UnitReport[], how: How) => Promise<boolean>;
}

interface How {
  readonly yes: boolean;
  readonly globbed: boolean;
}

function activation({ name, doing, target, replaces, wayOf, mayBegin }: Activation): Command {
  return command({
    options: { ...replacing, block, blockAttempts, timeout },
    examples: [
      `convoyctl ${name} web.service`,
      `convoyctl ${name} copy@{1..4}.service`,
      `convoyctl ${name} 'web@*'`,
    ],
    exitCodes: '3 timed out waiting (--timeout)',
    run: async (context, args, options) => {
      if (args.length === 0) return noUnits(context);
      const patience = patienceOf(options);
      const look = lookAtUnits(context);
      const prepared = await reporting(context, 'creating', () =>
        prepareUnits(context, args, { ...options, target, replaces, templates: false, patience, look }),
      );
      if (prepared === null) return 1;
      if (prepared.code !== null) return prepared.code;
      const code = await reporting(context, doing, async () => {
        const units = await reportsOf(context, look, prepared);
        if (!(await mayBegin(context, units, { yes: options.yes, globbed: prepared.globbed }))) return 1;
        const ways = units.map((unit) => ({ unit, ...wayOf(unit, prepared.replaced.get(unit.record.name)) }));
        const moved = ways.filter(({ does }) => does === 'set-target');
        await submitAll(
          context,
          moved.map(({ unit }) => ({ name: unit.record.name, target })),
        );
        await sideBySide(
          ways.filter(({ does }) => does === 'restart'),
          ({ unit }) => context.api.restartUnit(unit.record.name),
        );
        const waits = ways.flatMap(({ unit: { record }, wait }) => {
          if (wait === null) return [];
          if (!record.global && options.block !== false) return [wait];
          context.out(`Triggered ${record.global ? 'global unit' : 'unit'} ${record.name} ${name}`);
          return [];
        });
        const { timeoutMs } = patience;
        return waitedCode(await waitForAll(context, waits, { look, looked: true, timeoutMs }), patience);
      });
      return code ?? 1;
    },
  });
}

/** The units as they are in the registry now. Only those that got a new text are not what they were seen to be. */
async function reportsOf(
  context: Context,
  look: Look<UnitReport | null>,
  { names, seen: known, replaced }: Prepared,
): Promise<UnitReport[]> {
  const template = names.find(isTemplate);
  if (template !== undefined)
    throw permanent(refusal(context, 400, `cannot activate template "${template}"`));
  const seen = replaced.size > 0 ? await look(names) : known;
  return names.map((name) => {
    const unit = seen(name);
    if (unit === null) throw permanent(`Unit ${name} was destroyed meanwhile`);
    return unit;
  });
}

export const load = activation({
  name: 'load',
  doing: 'loading',
  target: 'loaded',
  replaces: ['inactive', 'loaded'],
  wayOf({ record, machine }, before) {
    const wait = unitWait(record.name, 'loaded', loadedGoal);
    if (record.target !== 'loaded') return { does: 'set-target', wait };
    return { does: 'nothing', wait: machine === null || before !== undefined ? wait : null };
  },
  async mayBegin(context, units, { yes: sure, globbed }) {
    const running = units
      .filter(({ record }) => record.target === 'launched')
      .map(({ record }) => record.name);
    if (context.fleet || running.length === 0) return true;
    const deed = { list: [], yes: sure, unnamed: globbed };
    if (
      !(await mayGoAhead(context, {
        question: `Load stops what is launched: ${few(running)}. Go on?`,
        ...deed,
      }))
    )
      return false;
    for (const name of running) context.err(`Unit ${name} was launched: load stops it`);
    return true;
  },
});

export const start = activation({
  name: 'start',
  doing: 'starting',
  target: 'launched',
  replaces: ['inactive', 'loaded', 'launched'],
  wayOf(unit, before) {
    const { name, target, global } = unit.record;
    const waitFor = (former: UnitReport, again: boolean) =>
      unitWait(name, 'launched', launchedGoal(former, again));
    if (target !== 'launched') return { does: 'set-target', wait: waitFor(unit, false) };
    if (before !== undefined) return { does: 'nothing', wait: waitFor(before, true) };
    const ended = unit.states.some((state) =>
      state.reached === 'launched' ? isSettled(state) : isRefused(state),
    );
    if (ended) return { does: 'restart', wait: waitFor(unit, true) };
    const running = unit.states.some(
      ({ machine, active }) => machine === unit.machine && active === 'active',
    );
    return { does: 'nothing', wait: global || running ? null : waitFor(unit, false) };
  },
  mayBegin: async () => true,
});
