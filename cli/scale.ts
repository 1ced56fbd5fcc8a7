import type { UnitReport } from '../api/wire.js';
import { permanent, UsageError } from '../runtime/errors.js';
import { isTemplate } from '../units/name.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { type Context, command } from './command.js';
import { dryRun, mayGoAhead, yes } from './confirm.js';
import { describeState, inactiveGoal, launchedGoal } from './goals.js';
import { lookAtUnits } from './look-at-units.js';
import { reporting } from './report-errors.js';
import { firstNumbers, planScale, type ScalePlan } from './scale-plan.js';
import { carryOut, hasEnded, submissions } from './scale-steps.js';
import { few } from './select.js';
import { rehearseAll } from './submit-all.js';
import { counted, formatTable } from './table.js';
import { unitNamed } from './unit-args.js';
import { folderOf, readUnitFile } from './unit-files.js';
import { exitCodeOf, unitWait, type Wait, waitForAll } from './wait.js';
import { timeout } from './wait-options.js';

const MOST_INSTANCES = 10_000;

export const scale = command({
  options: { dryRun, yes, timeout },
  examples: ['convoyctl scale web@ 3', 'convoyctl scale --dry-run web@ 1', 'convoyctl scale --yes web@ 0'],
  exitCodes: '3 timed out waiting',
  run: async (context, args, options) => {
    const [arg, number = ''] = args;
    if (arg === undefined || args.length !== 2)
      throw new UsageError('scale what, and to how many? Such as: convoyctl scale web@ 3');
    const template = unitNamed(arg, context);
    if (!isTemplate(template))
      throw new UsageError(`${arg} is no template: its name ends in @, such as web@`);
    const count = Number(number);
    if (!/^\d+$/.test(number) || count > MOST_INSTANCES)
      throw new UsageError(
        `to how many? Expected a whole number from 0 to ${MOST_INSTANCES}, got "${number}"`,
      );
    const code = await reporting(context, 'scaling', () =>
      scaleTo(context, { arg, template, count, ...options }),
    );
    return code ?? 1;
  },
});

interface Wish {
  readonly arg: string;
  readonly template: string;
  readonly count: number;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly timeout: number;
}

async function scaleTo(context: Context, wish: Wish): Promise<number> {
  const { template, count } = wish;
  const units = await context.api.unitReports();
  const unit = await templateUnit(context, wish, units);
  const plan = planScale(template, hashOf(unit), firstNumbers(count), units);
  if (wish.dryRun) {
    await context.write(formatTable([['UNIT', 'WHAT'], ...(await planRows(context, unit, plan))]));
    return 0;
  }
  for (const name of plan.differing)
    context.err(
      `Unit ${name} keeps its copy of a former ${template}: renew with "convoyctl start --replace ${name}"`,
    );
  if (plan.remove.length > 0) {
    const question = `Unload ${counted(plan.remove.length, 'unit')} (${few(plan.remove.map(({ record }) => record.name))})?`;
    if (!(await mayGoAhead(context, { question, list: [], yes: wish.yes, unnamed: false }))) return 1;
  }
  await carryOut(context, unit, plan);
  const waits = waitsFor(plan);
  const waited = await waitForAll(context, waits, { look: lookAtUnits(context), timeoutMs: wish.timeout });
  const code = exitCodeOf(waited);
  if (code === 0) context.out(`Scaled ${template} to ${count}: ${summary(plan)}`);
  return code;
}

/** The template's text: from the registry, else from its file, of which instances are copies too. */
async function templateUnit(
  context: Context,
  { arg, template }: Wish,
  units: readonly UnitReport[],
): Promise<UnitFile> {
  const known = units.find(({ record }) => record.name === template);
  if (known !== undefined) return { options: known.record.options };
  const file = await readUnitFile(context, folderOf(context, arg), template);
  if (file !== null) return file.unit;
  throw permanent(`unable to find Unit(${template}) in Registry or on filesystem`);
}

function waitsFor({ create, renew, start: again, remove }: ScalePlan): Wait<UnitReport | null>[] {
  return [
    ...remove.map(({ record }) => unitWait(record.name, 'inactive', inactiveGoal)),
    ...create.map((name) => unitWait(name, 'launched', launchedGoal(null, false))),
    ...renew.map((unit) => unitWait(unit.record.name, 'launched', launchedGoal(unit, true))),
    ...again.map((unit) => unitWait(unit.record.name, 'launched', launchedGoal(unit, hasEnded(unit)))),
  ];
}

/** What would be done, with what the scheduler would have against it. */
async function planRows(context: Context, { options }: UnitFile, plan: ScalePlan): Promise<string[][]> {
  const rehearsed = await rehearseAll(context, submissions(options, plan));
  const refusals = new Map(rehearsed.map(({ name, refusal }) => [name, refusal ? `; ${refusal}` : '']));
  const refusal = (name: string): string => refusals.get(name) ?? '';
  return [
    ...plan.create.map((name) => [name, `would be created and started${refusal(name)}`]),
    ...plan.renew.map(({ record: { name, target: now } }) => [
      name,
      `would take the template's text and be started (${now} now)${refusal(name)}`,
    ]),
    ...plan.start.map((unit) => {
      const { name } = unit.record;
      return [name, `would be started (${stateOf(unit)} now)${refusal(name)}`];
    }),
    ...plan.differing.map((name) => [name, 'runs with a copy of a former template: kept as it is']),
    ...plan.remove.map((unit) => [unit.record.name, `would be unloaded (${stateOf(unit)} now)`]),
  ];
}

function stateOf({ record, states }: UnitReport): string {
  const [state] = states;
  return state === undefined ? record.target : describeState(state);
}

function summary({ create, renew, start: again, remove }: ScalePlan): string {
  const started = create.length + renew.length + again.length;
  const parts = [
    ...(started === 0 ? [] : [`${started} started`]),
    ...(remove.length === 0
      ? []
      : [`${remove.length} unloaded (still known: convoyctl destroy takes them out)`]),
  ];
  return parts.length === 0 ? 'nothing to do' : parts.join(', ');
}
