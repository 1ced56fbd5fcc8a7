import type { UnitSubmission } from '../api/schemas.js';
import type { UnitReport } from '../api/wire.js';
import { permanent } from '../runtime/errors.js';
import { isTemplate, templateOf } from '../units/name.js';
import type { TargetState } from '../units/state.js';
import { hashOf } from '../units/unit-file.js';
import type { Context } from './command.js';
import { mayGoAhead } from './confirm.js';
import { inactiveGoal } from './goals.js';
import { few } from './select.js';
import { sideBySide } from './side-by-side.js';
import type { Look } from './sight.js';
import { rehearseAll, submitAll } from './submit-all.js';
import { type Reach, type Step, type SubmitStep, stepFor } from './submit-steps.js';
import { counted, formatTable } from './table.js';
import { wantedUnits } from './unit-files.js';
import { unitWait, waitForAll } from './wait.js';
import { type Patience, waitedCode } from './wait-options.js';

export interface PrepareOptions extends Reach {
  /** What the command brings units to in the end. */
  readonly target: TargetState;
  /** Whether a pattern means templates too. */
  readonly templates: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly patience: Patience;
  readonly look: Look<UnitReport | null>;
}

export interface Prepared {
  /** Not null: the command ends with this exit code. */
  readonly code: number | null;
  /** The units that are now in the registry as the command wants them, in order. */
  readonly names: readonly string[];
  /** How units were that got a new text where they are. */
  readonly replaced: ReadonlyMap<string, UnitReport>;
  /** How units are, as far as is known: null for one that is not there. */
  readonly seen: (name: string) => UnitReport | null;
  /** Some were chosen by a pattern. */
  readonly globbed: boolean;
}

/**
 * Makes sure that every unit is in the registry: it is there already, or there is a file, or a template of it in
 * the registry or beside where its file would be. All of it is read and checked before the first is written; what
 * cannot be throws. A unit that is replaced keeps its target, so that it gets its new text where it is.
 */
export async function prepareUnits(
  context: Context,
  args: readonly string[],
  options: PrepareOptions,
): Promise<Prepared> {
  const known = async () => (await context.api.units()).map(({ name }) => name);
  const { wanted, globbed } = await wantedUnits(
    context,
    args,
    known,
    (name) => options.templates || !isTemplate(name),
  );
  const names = wanted.map(({ name }) => name);
  const templates = names.flatMap((name) => templateOf(name) ?? []);
  const seen = await options.look([...new Set([...names, ...templates])]);
  const steps = await sideBySide(wanted, (unit) => stepFor(context, unit, seen, options));

  const kept = steps.filter(({ kind }) => kind !== 'refused' || !context.fleet).map(({ name }) => name);
  const outcome = { code: null, names: kept, replaced: new Map<string, UnitReport>(), seen, globbed };
  if (options.dryRun) return { ...outcome, code: await rehearse(context, steps, options.target) };
  for (const step of steps) tell(context, step);
  const submits = steps.filter((step) => step.kind === 'submit');
  const running = submits.filter(({ before }) => before?.record.target === 'launched');
  if (globbed && running.length > 0) {
    const question = `Replace ${counted(running.length, 'running unit')}, which stops and starts them?`;
    const list = running.map(({ name }) => name);
    if (!(await mayGoAhead(context, { question, list, yes: options.yes, unnamed: true })))
      return { ...outcome, code: 1 };
  }
  await submitAll(context, submits.map(submission));

  for (const { name, before } of submits) if (before !== null) outcome.replaced.set(name, before);
  const resting = submits.filter(({ before }) => (before?.record.target ?? 'inactive') === 'inactive');
  const waits = resting.map(({ name }) => unitWait(name, 'inactive', inactiveGoal));
  const { timeoutMs } = options.patience;
  const waited = await waitForAll(context, waits, { look: options.look, timeoutMs });
  if (!context.fleet) for (const { name } of submits) await tellOfCopies(context, name, outcome.replaced);
  return { ...outcome, code: waitedCode(waited, options.patience) || null };
}

function tell(context: Context, step: Step): void {
  if (step.kind === 'same') context.out(`Found same Unit(${step.name}) in Registry, nothing to do`);
  if (step.kind === 'differs') context.err(warning(step.name, step.file, step.template));
  if (step.kind === 'submit' && step.notFrom !== null) context.err(warning(step.notFrom, step.notFrom, true));
  if (step.kind !== 'refused') return;
  const { target } = step.before.record;
  const words = `can not replace Unit(${step.name}) in state '${target}', use the appropriate command`;
  if (!context.fleet) throw permanent(`${words}: ${target === 'loaded' ? 'load' : 'start'} --replace`);
  context.err(`Warning: ${words}`);
}

function warning(name: string, file: string, template: boolean): string {
  const kind = template ? 'local template unit file' : 'local unit file';
  return `WARNING: Unit ${name} in registry differs from ${kind} ${file}. Add --replace to override.`;
}

/** Shows what would become of each unit, and what the scheduler would have against it. Answers the exit code. */
async function rehearse(context: Context, steps: readonly Step[], target: TargetState): Promise<number> {
  const wishes = steps.map((step): UnitSubmission => {
    const to = isTemplate(step.name) || step.kind === 'refused' ? {} : { target };
    return step.kind === 'submit'
      ? { ...submission(step), ...to }
      : { name: step.name, target: step.before.record.target, ...to };
  });
  const refusals = new Map((await rehearseAll(context, wishes)).map(({ name, refusal }) => [name, refusal]));
  const rows = steps.map((step) => {
    const refusal = refusals.get(step.name) ?? null;
    return [step.name, [describe(step, target), ...(refusal === null ? [] : [refusal])].join('; ')];
  });
  await context.write(formatTable([['UNIT', 'WHAT'], ...rows]));
  return steps.some(({ kind }) => kind === 'refused') ? 1 : 0;
}

function describe(step: Step, target: TargetState): string {
  const { before } = step;
  if (step.kind === 'refused') return `is ${before?.record.target}: can not be replaced by this command`;
  const now = before?.record.target ?? 'inactive';
  const turns = now === target || target === 'inactive' ? '' : `, then ${target}`;
  switch (step.kind) {
    case 'keep':
      return `is in the registry (${now})${turns}`;
    case 'same':
      return `is the same in the registry (${now})${turns}`;
    case 'differs':
      return `differs from ${step.file}, which --replace would take (${now})${turns}`;
    case 'submit':
      return before === null
        ? `would be submitted${turns}`
        : `would be replaced (${now})${whereRunning(before)}${turns}`;
  }
}

function whereRunning({ record, machine, states }: UnitReport): string {
  if (record.target !== 'launched') return '';
  if (record.global) return `, stopped and started on its ${counted(states.length, 'machine')} at once`;
  return machine === null ? '' : ', stopped and started where it is';
}

function submission({ name, unit, before }: SubmitStep): UnitSubmission {
  const { target, generation } = before?.record ?? { target: 'inactive', generation: 0 };
  return { name, options: [...unit.options], target, expected: generation };
}

/** Instances are copies: a template that is replaced changes none of them. */
async function tellOfCopies(
  context: Context,
  name: string,
  replaced: ReadonlyMap<string, UnitReport>,
): Promise<void> {
  if (!isTemplate(name) || !replaced.has(name)) return;
  const hash = (await context.api.unit(name))?.record.hash;
  const copies = (await context.api.units())
    .filter((unit) => templateOf(unit.name) === name && hashOf({ options: unit.options }) !== hash)
    .map((unit) => unit.name);
  if (copies.length === 0) return;
  context.out(
    `Template ${name} is replaced; its ${counted(copies.length, 'instance')} (${few(copies)}) ${copies.length === 1 ? 'keeps its copy' : 'keep their copies'} of the former one: renew with "convoyctl start --replace ${copies[0]}"`,
  );
}
