import type { UnitReport } from '../api/wire.js';
import { permanent } from '../runtime/errors.js';
import { readConstraints } from '../units/constraints.js';
import { templateOf, whyBadName } from '../units/name.js';
import type { TargetState } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { whyBadOptions } from '../units/validate.js';
import type { Context } from './command.js';
import { logLine } from './log-line.js';
import { refusal } from './report-errors.js';
import { type LocalFile, readUnitFile, type Wanted } from './unit-files.js';

/** What is to become of one unit, found out before anything is written. `before`: how it is in the registry. */
export type Step =
  | { readonly kind: 'keep' | 'same' | 'refused'; readonly name: string; readonly before: UnitReport }
  | {
      readonly kind: 'differs';
      readonly name: string;
      readonly before: UnitReport;
      readonly file: string;
      readonly template: boolean;
    }
  | SubmitStep;

export interface SubmitStep {
  readonly kind: 'submit';
  readonly name: string;
  readonly unit: UnitFile;
  readonly before: UnitReport | null;
  /** It is made from the template in the registry, though there is another one on disk. */
  readonly notFrom: string | null;
}

export interface Reach {
  readonly replace: boolean;
  /** Target states out of which this command may replace a unit. */
  readonly replaces: readonly TargetState[];
}

/** Reads the unit's file, compares it with the registry, and checks what would be submitted; throws what is wrong. */
export async function stepFor(
  context: Context,
  { name, folder }: Wanted,
  seen: (name: string) => UnitReport | null,
  { replace, replaces }: Reach,
): Promise<Step> {
  const before = seen(name);
  const file = await readUnitFile(context, folder, name);
  const inRegistry = seen(templateOf(name) ?? '')?.record;
  const template = inRegistry === undefined ? null : { options: inRegistry.options };
  if (before !== null) {
    const unit = file?.unit ?? (replace ? template : null);
    if (unit === null) return { kind: 'keep', name, before };
    if (hashOf(unit) === before.record.hash) return { kind: replace ? 'same' : 'keep', name, before };
    if (!replace)
      return { kind: 'differs', name, before, file: file?.name ?? '', template: file?.template ?? false };
    if (!replaces.includes(before.record.target)) return { kind: 'refused', name, before };
    check(context, name, unit, file);
    return { kind: 'submit', name, unit, before, notFrom: null };
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
