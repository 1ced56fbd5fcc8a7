import { compileGlob } from '../units/glob.js';
import { nameFromArgument, nameParts, whyBadName } from '../units/name.js';

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
export function readUnitArgument(argument: string): UnitArgument {
  if (!isGlob(argument)) return { kind: 'name', name: nameFromArgument(argument) };
  const base = baseOf(argument);
  const pattern = isGlob(nameParts(base).suffix) ? base : nameFromArgument(base);
  const glob = compileGlob(pattern.replaceAll('\\', '\\\\'));
  return {
    kind: 'glob',
    pattern,
    matches: (name) => glob.matches(name) && whyBadName(name) === null,
  };
}

function baseOf(argument: string): string {
  return argument.replace(/\/+$/, '').split('/').at(-1) ?? '';
}
