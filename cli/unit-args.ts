import { compileGlob } from '../runtime/glob.js';
import { FLEETCTL_SUFFIXES, nameFromArgument, nameParts, UNIT_SUFFIXES, whyBadName } from '../units/name.js';
import type { Context } from './command.js';

/**
 * What an argument of a unit command means: a unit by its name, or every unit whose name matches. No name of a unit
 * can hold `*`, `?` or `[`, so a name is never taken for a pattern; a backslash, which names do hold, quotes nothing.
 */
export type UnitArgument =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'glob'; readonly pattern: string; matches(name: string): boolean };

export function isGlob(argument: string): boolean {
  return /[*?[]/.test(baseOf(argument));
}

/** As for names, `.service` is added to a pattern without a type: `web@*` is `web@*.service`, `web.*` stays. */
export function readUnitArgument(argument: string, who: Pick<Context, 'fleet'>): UnitArgument {
  if (!isGlob(argument)) return { kind: 'name', name: unitNamed(argument, who) };
  const base = baseOf(argument);
  const pattern = isGlob(nameParts(base).suffix) ? base : unitNamed(base, who);
  const glob = compileGlob(pattern.replaceAll('\\', '\\\\'));
  return {
    kind: 'glob',
    pattern,
    matches: (name) => glob.matches(name) && whyBadName(name) === null,
  };
}

/** The unit an argument names. By the name fleetctl `foo.target` is `foo.target.service`, as it was there. */
export function unitNamed(argument: string, { fleet }: Pick<Context, 'fleet'>): string {
  return nameFromArgument(argument, fleet ? FLEETCTL_SUFFIXES : UNIT_SUFFIXES);
}

function baseOf(argument: string): string {
  return argument.replace(/\/+$/, '').split('/').at(-1) ?? '';
}
