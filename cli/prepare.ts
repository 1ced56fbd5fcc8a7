import type { UnitSubmission } from '../api/schemas.js';
import type { UnitReport } from '../api/wire.js';
import { permanent } from '../runtime/errors.js';
import { readConstraints } from '../units/constraints.js';
import { isTemplate, templateOf, whyBadName } from '../units/name.js';
import type { TargetState } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { whyBadOptions } from '../units/validate.js';
import type { Context } from './command.js';
import { mayGoAhead } from './confirm.js';
import { inactiveGoal } from './goals.js';
import { logLine } from './log-line.js';
import { refusal } from './report-errors.js';
import { few } from './select.js';
import { sideBySide } from './side-by-side.js';
import { submitAll } from './submit-all.js';
import { counted, formatTable } from './table.js';
import { type LocalFile, readUnitFile, type Wanted, wantedUnits } from './unit-files.js';
import { lookAtUnits, unitWait, waitForAll } from './wait.js';
import { type Patience, waitedCode } from './wait-options.js';

export interface PrepareOptions {
  readonly replace: boolean;
  /** Target states out of which this command may replace a unit. */
  readonly replaces: readonly TargetState[];
  /** Whether a pattern means templates too. */
  readonly templates: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly patience: Patience;
}

export interface Prepared {
  /** Not null: the command ends with this exit code. */
  readonly code: number | null;
  /** The units that are now in the registry as the command wants them, in order. */
  readonly names: readonly string[];
  /** How units were that got a new text where they are. */
  readonly replaced: ReadonlyMap<string, UnitReport>;
  /** Some were chosen by a pattern. */
  readonly globbed: boolean;
}

/** What is to become of one unit, found out before anything is written. */
type Step =
  | { readonly kind: 'keep' | 'same'; readonly name: string }
  | { readonly kind: 'differs'; readonly name: string; readonly file: string; readonly template: boolean }
  | { readonly kind: 'refused'; readonly name: string; readonly target: TargetState }
  | {
      readonly kind: 'submit';
      readonly name: string;
      readonly unit: UnitFile;
      readonly before: UnitReport | null;
      /** It is made from the template in the registry, though there is another one on disk. */
      readonly notFrom: string | null;
    };

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
  const seen = await lookAtUnits(context)([...new Set([...names, ...templates])]);
  const steps = await sideBySide(wanted, (unit) => stepFor(context, unit, seen, options));

  const kept = steps.filter(({ kind }) => kind !== 'refused' || !context.fleet).map(({ name }) => name);
  const outcome = { code: null, names: kept, replaced: new Map<string, UnitReport>(), globbed };
  if (options.dryRun) {
    await context.write(formatTable([['UNIT', 'WHAT'], ...steps.map((step) => [step.name, describe(step)])]));
    return { ...outcome, code: 0 };
  }
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
  const waited = await waitForAll(context, waits, { look: lookAtUnits(context), timeoutMs });
  if (!context.fleet) for (const { name } of submits) await tellOfCopies(context, name, outcome.replaced);
  return { ...outcome, code: waitedCode(waited, options.patience) || null };
}

async function stepFor(
  context: Context,
  { name, folder }: Wanted,
  seen: (name: string) => UnitReport | null,
  { replace, replaces }: PrepareOptions,
): Promise<Step> {
  const existing = seen(name);
  const file = await readUnitFile(context, folder, name);
  const inRegistry = seen(templateOf(name) ?? '')?.record;
  const template = inRegistry === undefined ? null : { options: inRegistry.options };
  if (existing !== null) {
    const unit = file?.unit ?? (replace ? template : null);
    if (unit === null) return { kind: 'keep', name };
    if (hashOf(unit) === existing.record.hash) return { kind: replace ? 'same' : 'keep', name };
    if (!replace) return { kind: 'differs', name, file: file?.name ?? '', template: file?.template ?? false };
    const { target } = existing.record;
    if (!replaces.includes(target)) return { kind: 'refused', name, target };
    check(context, name, unit, file);
    return { kind: 'submit', name, unit, before: existing, notFrom: null };
  }
  const fromRegistry = template !== null && (file === null || (file.template && !replace));
  const unit = fromRegistry ? template : file?.unit;
  if (unit === undefined) throw permanent(whyNowhere(name));
  check(context, name, unit, fromRegistry ? null : file);
  const other = fromRegistry && file !== null && hashOf(file.unit) !== inRegistry?.hash;
  return { kind: 'submit', name, unit, before: null, notFrom: other ? file.name : null };
}

function whyNowhere(name: string): string {
  const template = templateOf(name);
  if (template === null) return `unable to find Unit(${name}) in Registry or on filesystem`;
  return `failed getting Unit(${name}) from template: unable to find template Unit(${template}) in Registry or on filesystem`;
}

/** All that the API would refuse, with the line it stands on where a file has it; warnings are told. */
function check(context: Context, name: string, unit: UnitFile, file: LocalFile | null): void {
  const { problems, warnings } = readConstraints(name, unit);
  const place = (option: number | null): string =>
    file === null || option === null || context.fleet ? '' : `${file.name}:${file.lines[option] ?? 0}: `;
  const badName = whyBadName(name);
  if (badName !== null) throw permanent(badName);
  if (unit.options.length === 0)
    throw permanent(
      `failed creating unit ${name}: ${refusal(context, 409, 'unit does not exist and options field empty')}`,
    );
  const [problem] = problems;
  if (problem !== undefined) throw permanent(`${place(problem.option)}${problem.what}`);
  const bad = whyBadOptions(name, unit);
  if (bad !== null) throw permanent(bad);
  for (const { option, what } of warnings) {
    const text = `Unit ${name}: ${place(option)}${what}`;
    context.err(context.fleet ? logLine('WARN', text, new Date(context.clock.now())) : `WARNING: ${text}`);
  }
}

function tell(context: Context, step: Step): void {
  if (step.kind === 'same') context.out(`Found same Unit(${step.name}) in Registry, nothing to do`);
  if (step.kind === 'differs') context.err(warning(step.name, step.file, step.template));
  if (step.kind === 'submit' && step.notFrom !== null) context.err(warning(step.notFrom, step.notFrom, true));
  if (step.kind !== 'refused') return;
  const words = `can not replace Unit(${step.name}) in state '${step.target}', use the appropriate command`;
  if (!context.fleet) throw permanent(`${words}: ${step.target === 'loaded' ? 'load' : 'start'} --replace`);
  context.err(`Warning: ${words}`);
}

function warning(name: string, file: string, template: boolean): string {
  const kind = template ? 'local template unit file' : 'local unit file';
  return `WARNING: Unit ${name} in registry differs from ${kind} ${file}. Add --replace to override.`;
}

function describe(step: Step): string {
  switch (step.kind) {
    case 'keep':
      return 'is in the registry: kept as it is';
    case 'same':
      return 'is the same in the registry: nothing to do';
    case 'differs':
      return `differs from ${step.file}: kept as it is (--replace overrides it)`;
    case 'refused':
      return `is ${step.target}: can not be replaced by this command`;
    case 'submit':
      return step.before === null ? 'would be submitted' : `would be replaced${whereRunning(step.before)}`;
  }
}

function whereRunning({ record, machine, states }: UnitReport): string {
  if (record.target !== 'launched') return ` (${record.target})`;
  if (record.global) return `, stopped and started on its ${counted(states.length, 'machine')} at once`;
  return machine === null ? ', launched, on no machine' : `, stopped and started where it is`;
}

function submission({ name, unit, before }: Extract<Step, { kind: 'submit' }>): UnitSubmission {
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
