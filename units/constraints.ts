import { compileGlob } from '../runtime/glob.js';
import { expandSpecifiers, isTemplate, nameParts, templateOf } from './name.js';
import { nearest } from './nearest.js';
import type { Requirement } from './requirement.js';
import type { OptionProblem, UnitFile } from './unit-file.js';
import { type ConvoyConstraints, type Preference, readConvoyOptions, type ServiceOffer } from './x-convoy.js';

/** Where a unit may be, and where rather: [X-Fleet] and [X-Convoy], specifiers replaced. */
export interface Constraints extends ConvoyConstraints {
  /** A machine's full id or its first eight characters. */
  readonly machineId: string | null;
  /** MachineOf: units that must all be on the machine. */
  readonly peers: readonly string[];
  /** By key; a machine needs one of `anyOf` for every key. */
  readonly metadata: readonly MetadataNeed[];
  /** Globs on unit names; they hold in both directions. */
  readonly conflicts: readonly string[];
  /** Globs on the names of units that have to make room. */
  readonly replaces: readonly string[];
  readonly global: boolean;
  /** Moved only by hand. */
  readonly sticky: boolean;
  /** How long a stop may take of a unit that must not outlive its machine's lease (OnPartition=stop), in ms; else null. */
  readonly stopBoundMs: number | null;
  /** Metadata key by whose values instances of one template are spread, as evenly as can be. */
  readonly spread: string | null;
  /** What a machine rather has. */
  readonly prefers: readonly Preference[];
  /** What a machine has to have or not to have; all of them. */
  readonly requires: readonly Requirement[];
  /** So many failures on one machine, and it goes to another. */
  readonly moveAfterFailures: number | null;
}

export interface MetadataNeed {
  readonly key: string;
  readonly anyOf: readonly string[];
}

export interface ReadConstraints {
  readonly constraints: Constraints;
  readonly offer: ServiceOffer | null;
  /** A unit with any of these is refused at submit; one that got past it is never placed. The first comes first. */
  readonly problems: readonly OptionProblem[];
  /** Likely mistakes that fleet let through. */
  readonly warnings: readonly OptionProblem[];
}

type Meaning = 'machineId' | 'peers' | 'metadata' | 'conflicts' | 'replaces' | 'global';
const FLEET_KEYS: ReadonlyMap<string, Meaning> = new Map([
  ['MachineID', 'machineId'],
  ['X-ConditionMachineID', 'machineId'],
  ['X-ConditionMachineBootID', 'machineId'],
  ['MachineOf', 'peers'],
  ['X-ConditionMachineOf', 'peers'],
  ['MachineMetadata', 'metadata'],
  ['X-ConditionMachineMetadata', 'metadata'],
  ['Conflicts', 'conflicts'],
  ['X-Conflicts', 'conflicts'],
  ['Replaces', 'replaces'],
  ['Global', 'global'],
]);
/** Which spelling of MachineID wins when several are there, in whatever order. */
const MACHINE_ID_KEYS = ['MachineID', 'X-ConditionMachineID', 'X-ConditionMachineBootID'];

const NONE: ReadConstraints = {
  constraints: {
    machineId: null,
    peers: [],
    metadata: [],
    conflicts: [],
    replaces: [],
    global: false,
    sticky: false,
    stopBoundMs: null,
    spread: null,
    prefers: [],
    requires: [],
    moveAfterFailures: null,
  },
  offer: null,
  problems: [],
  warnings: [],
};

/** Reads [X-Fleet] and [X-Convoy] of a unit. Never throws; what is wrong is in `problems` and `warnings`. */
export function readConstraints(name: string, unit: UnitFile): ReadConstraints {
  if (!unit.options.some(({ section }) => section === 'X-Fleet' || section === 'X-Convoy')) return NONE;
  const problems: OptionProblem[] = [];
  const warnings: OptionProblem[] = [];
  // A template's own `%i` is not known yet: its values are checked as if the instance were called `i`.
  const expandAs = isTemplate(name) ? name.replace('@.', '@i.') : name;

  const machineIds = new Map<string, string>();
  const found: Record<'peers' | 'conflicts' | 'replaces', string[]> = {
    peers: [],
    conflicts: [],
    replaces: [],
  };
  const metadata = new Map<string, string[]>();
  let global = false;

  for (const [option, { section, name: key, value }] of unit.options.entries()) {
    if (section !== 'X-Fleet') continue;
    const meaning = FLEET_KEYS.get(key);
    if (meaning === undefined) {
      const near = nearest(key, [...FLEET_KEYS.keys()]);
      const hint = near === null ? '' : ` (did you mean ${near}=?)`;
      warnings.push({
        option,
        what: `unrecognized requirement in [X-Fleet] section: ${JSON.stringify(key)}${hint}`,
      });
      continue;
    }
    for (const raw of splitQuoted(value)) {
      const text = expandSpecifiers(raw, expandAs);
      if (meaning === 'global') {
        global = /^(true|yes|1|on|t)$/i.test(text);
      } else if (meaning === 'conflicts') {
        found.conflicts.push(...text.split(/\s+/).filter((pattern) => pattern !== ''));
      } else if (text === '') {
        problems.push({ option, what: `${key}= has no value` });
      } else if (meaning === 'machineId') {
        if (!machineIds.has(key)) machineIds.set(key, text);
      } else if (meaning === 'metadata') {
        const [, metadataKey, wanted] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
        if (metadataKey === undefined || wanted === undefined)
          problems.push({ option, what: `malformed ${key} ${JSON.stringify(text)}: expected one key=value` });
        else metadata.set(metadataKey, [...(metadata.get(metadataKey) ?? []), wanted]);
      } else {
        found[meaning].push(text);
      }
    }
    if (meaning === 'conflicts' || meaning === 'replaces') {
      const bad = found[meaning].find((pattern) => !compileGlob(pattern).valid);
      if (bad !== undefined)
        warnings.push({
          option,
          what: `${key}: ${JSON.stringify(bad)} is not a well-formed pattern and matches nothing`,
        });
    }
  }

  const convoy = readConvoyOptions(unit, expandAs, problems);
  const constraints: Constraints = {
    machineId: MACHINE_ID_KEYS.map((key) => machineIds.get(key)).find((id) => id !== undefined) ?? null,
    ...found,
    metadata: [...metadata].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, anyOf]) => ({ key, anyOf })),
    global,
    ...convoy.constraints,
  };
  const combination = whyForbidden(constraints) ?? whyUseless(expandAs, constraints);
  if (combination !== null) problems.push({ option: null, what: combination });
  return { constraints, offer: convoy.offer, problems, warnings };
}

/**
 * Whether what a unit asks for may differ between names: by a specifier, by being an instance or not, by its type.
 * All else two units with one content ask alike.
 */
export function dependsOnName(unit: UnitFile): boolean {
  return unit.options.some(
    ({ section, name, value }) =>
      (section === 'X-Fleet' && value.includes('%')) ||
      (section === 'X-Convoy' && (value.includes('%') || name === 'Spread' || name === 'OnPartition')),
  );
}

/** The first combination of options that can never be met or makes no sense, in fleet's words, or null. */
function whyForbidden(constraints: Constraints): string | null {
  const { machineId, peers, conflicts, replaces, global, sticky, stopBoundMs, moveAfterFailures } =
    constraints;
  for (const peer of peers) {
    const conflict = conflicts.find((pattern) => compileGlob(pattern).matches(peer));
    if (conflict !== undefined)
      return `unresolvable requirements: peer "${peer}" matches conflict "${conflict}"`;
    const replace = replaces.find((pattern) => compileGlob(pattern).matches(peer));
    if (replace !== undefined)
      return `unresolvable requirements: peer "${peer}" matches replace "${replace}"`;
  }
  if (machineId !== null) {
    if (peers.length > 0) return 'MachineID cannot be used with Peers';
    if (conflicts.length > 0) return 'MachineID cannot be used with Conflicts';
    if (global) return 'MachineID cannot be used with Global';
    if (replaces.length > 0) return 'MachineID cannot be used with Replaces';
  }
  if (global) {
    if (peers.length > 0) return 'Global cannot be used with Peers';
    if (replaces.length > 0) return 'Global cannot be used with Replaces';
    if (sticky) return 'Global cannot be used with Sticky';
    if (stopBoundMs !== null) return 'Global cannot be used with OnPartition=stop';
  }
  if (sticky && moveAfterFailures !== null) return 'Sticky cannot be used with MoveAfterFailures';
  if (conflicts.length > 0 && replaces.length > 0) return 'Conflicts cannot be used with Replaces';
  return null;
}

/** An option that could have no effect beside the others, as a sentence, or null. */
function whyUseless(name: string, constraints: Constraints): string | null {
  const { machineId, peers, global, spread, prefers, moveAfterFailures } = constraints;
  const settled = [
    ...(global ? ['Global'] : []),
    ...(machineId === null ? [] : ['MachineID']),
    ...(peers.length > 0 ? ['Peers'] : []),
  ];
  const choosing = [
    ...(spread === null ? [] : ['Spread']),
    ...(prefers.length > 0 ? ['Prefer'] : []),
    ...(moveAfterFailures === null ? [] : ['MoveAfterFailures']),
  ];
  if (settled[0] !== undefined && choosing[0] !== undefined)
    return `${settled[0]} cannot be used with ${choosing[0]}`;
  if (spread !== null && templateOf(name) === null)
    return `Spread=${spread} is for instances of a template, such as ${nameParts(name).stem}@1.${nameParts(name).suffix}`;
  return null;
}

/**
 * A value that begins and ends with a quote is a list of quoted words, separated by single spaces; quotes cannot
 * be escaped. Any other value is one word as it stands.
 */
function splitQuoted(value: string): string[] {
  if (!value.startsWith('"') || !value.endsWith('"')) return [value];
  const words = [''];
  let quoted = false;
  for (const character of value) {
    if (character === '"') quoted = !quoted;
    else if (character === ' ' && !quoted) words.push('');
    else words[words.length - 1] += character;
  }
  return words;
}
