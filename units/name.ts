/** Every unit type that may be submitted. */
export const UNIT_SUFFIXES = [
  'automount',
  'busname',
  'device',
  'mount',
  'path',
  'scope',
  'service',
  'slice',
  'snapshot',
  'socket',
  'swap',
  'target',
  'timer',
] as const;
const TEMPLATE_SUFFIXES: readonly string[] = ['path', 'service', 'socket', 'target', 'timer'];
/** The types that fleetctl knew on its command line. */
export const FLEETCTL_SUFFIXES: readonly string[] = [
  'service',
  'socket',
  'timer',
  'path',
  'device',
  'mount',
  'automount',
];

/** Longest unit name, in bytes. */
const NAME_LIMIT = 256;

/** The parts of `prefix@instance.suffix`. */
export interface NameParts {
  /** The name without `.suffix`. */
  readonly stem: string;
  readonly suffix: string;
  readonly prefix: string;
  /** `null` without `@`, empty for a template. */
  readonly instance: string | null;
}

/** Why a name is refused, in the words fleet's API used, or null. */
export function whyBadName(name: string): string | null {
  if (name === '') return 'unit name cannot be empty';
  if (new TextEncoder().encode(name).length > NAME_LIMIT)
    return `unit name exceeds maximum length (${NAME_LIMIT})`;
  if (!name.includes('.')) return 'unit name must contain "."';
  if (name.endsWith('.')) return 'unit name cannot end in "."';
  const { stem, suffix, instance } = nameParts(name);
  if (!(UNIT_SUFFIXES as readonly string[]).includes(suffix))
    return `invalid unit type: ${JSON.stringify(suffix)}`;
  if (instance !== null && !TEMPLATE_SUFFIXES.includes(suffix))
    return `invalid unit type for template: ${JSON.stringify(suffix)}`;
  const bad = Array.from(stem).find((character) => !/[0-9A-Za-z:\-_.\\@]/.test(character));
  if (bad !== undefined) return `invalid character ${quoteCharacter(bad)} in unit name`;
  if (name.startsWith('@')) return 'unit name cannot start in "@"';
  return null;
}

/** `'%'`, and control characters visibly. */
function quoteCharacter(character: string): string {
  const inside = character === "'" ? "\\'" : JSON.stringify(character).slice(1, -1).replace('\\"', '"');
  return `'${inside}'`;
}

export function nameParts(name: string): NameParts {
  const dot = name.lastIndexOf('.');
  const stem = dot === -1 ? name : name.slice(0, dot);
  const at = stem.indexOf('@');
  return {
    stem,
    suffix: dot === -1 ? '' : name.slice(dot + 1),
    prefix: at === -1 ? stem : stem.slice(0, at),
    instance: at === -1 ? null : stem.slice(at + 1),
  };
}

/** `copy@.service`: known, but never placed or started itself. */
export function isTemplate(name: string): boolean {
  return name.includes('@') && nameParts(name).instance === '';
}

/** The template of an instance: `copy@3.service` -> `copy@.service`; null for anything else. */
export function templateOf(name: string): string | null {
  if (!name.includes('@')) return null;
  const { prefix, instance, suffix } = nameParts(name);
  return instance === null || instance === '' ? null : `${prefix}@.${suffix}`;
}

/** The unit meant by a command-line argument: its last path component, with `.service` if it has none of these types. */
export function nameFromArgument(argument: string, types: readonly string[]): string {
  const base = argument.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return types.includes(nameParts(base).suffix) ? base : `${base}.service`;
}

/**
 * Replaces `%n` (name), `%N` (name without suffix), `%p` (prefix) and `%i` (instance, empty if none) in a value
 * of [X-Fleet] or [X-Convoy]. Any other `%` stays: those sections know no `%%`.
 */
export function expandSpecifiers(value: string, name: string): string {
  if (!value.includes('%')) return value;
  const { stem, prefix, instance } = nameParts(name);
  const values: Readonly<Record<string, string>> = { n: name, N: stem, p: prefix, i: instance ?? '' };
  return value.replace(/%([nNpi])/g, (_, letter: string) => values[letter] ?? '');
}
