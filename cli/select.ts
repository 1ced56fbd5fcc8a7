import { permanent, UsageError } from '../runtime/errors.js';
import { isTemplate } from '../units/name.js';
import type { Context } from './command.js';
import { readUnitArgument } from './unit-args.js';

/** The units a command line means, each once, in its order; those of a pattern by name. */
export interface Selection {
  readonly names: readonly string[];
  /** Some were chosen by a pattern and not by the caller: what is destructive asks first. */
  readonly globbed: boolean;
}

/**
 * Looks patterns up in the registry; names are taken as they are, known or not. `templates`: whether a pattern means
 * templates too, which a command that starts or stops has no use for. Throws when a pattern matches nothing.
 */
export async function selectUnits(
  context: Context,
  args: readonly string[],
  { templates }: { readonly templates: boolean },
): Promise<Selection> {
  const wanted = args.map((arg) => readUnitArgument(arg, context));
  const globbed = wanted.some(({ kind }) => kind === 'glob');
  const known = globbed ? (await context.api.units()).map(({ name }) => name) : [];
  const names = wanted.flatMap((one) => {
    if (one.kind === 'name') return [one.name];
    const found = known.filter((name) => one.matches(name) && (templates || !isTemplate(name)));
    if (found.length === 0) throw permanent(`no unit in the registry matches "${one.pattern}"`);
    return found;
  });
  return { names: [...new Set(names)], globbed };
}

/** The one unit a command is about; a pattern has to match exactly one. */
export async function selectUnit(context: Context, argument: string): Promise<string> {
  const { names } = await selectUnits(context, [argument], { templates: true });
  if (names.length > 1)
    throw new UsageError(`"${argument}" matches ${names.length} units (${few(names)}): name one of them`);
  return names[0] ?? '';
}

/** `a, b, c and 4 more`. */
export function few(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
