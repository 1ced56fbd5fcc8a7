import { flagsOf, formOf, type Grammar } from './command-line.js';
import type { CommandEntry, LoadedCommand } from './commands.js';

/** What may stand where the cursor is. */
export interface Candidates {
  /** Words, with what they are. */
  readonly words: readonly (readonly [word: string, summary: string])[];
  /** Names to be looked up. */
  readonly live: 'units' | 'machines' | 'both' | null;
  /** Files too: `units` only unit files. */
  readonly files: 'any' | 'units' | null;
}

const NOTHING: Candidates = { words: [], live: null, files: null };
/** Commands that take units from files. */
const FROM_FILES = ['submit', 'load', 'start', 'restart'];
/** Options whose value is a unit, a machine or a file. */
const VALUES: readonly [RegExp, Candidates][] = [
  [/^--(unit)$/, { ...NOTHING, live: 'units' }],
  [/^--(machine|to|on|from)$/, { ...NOTHING, live: 'machines' }],
  [/-file$/, { ...NOTHING, files: 'any' }],
];

type Row = CommandEntry & Partial<LoadedCommand>;

/** What may follow: `words` are those after the program's name, the last the one being written, empty if none is. */
export function candidatesFor(words: readonly string[], rows: readonly Row[], grammar: Grammar): Candidates {
  const word = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const { command, values, after } = partsOf(before, grammar);
  if (after !== undefined) return ofValue(after);
  const equals = word.indexOf('=');
  if (word.startsWith('--') && equals > 0) {
    const flag = word.slice(0, equals);
    const { words: some, ...rest } = ofValue(flag);
    return { ...rest, words: some.map(([value, summary]) => [`${flag}=${value}`, summary] as const) };
  }
  const found = rowsOf(rows, command, values);
  if (word.startsWith('-')) {
    const tables = [grammar.globals, ...found.map(({ options = {} }) => options)];
    const flags = tables.flatMap((table) =>
      Object.values(table).flatMap(({ flag, help }) => flagsOf(flag).map((one) => [one, help] as const)),
    );
    return { ...NOTHING, words: [...flags, ['--help', 'tell more about it']] };
  }
  if (command === undefined) return { ...NOTHING, words: topLevel(rows) };
  if (command === 'help') return { ...NOTHING, words: values.length === 0 ? topLevel(rows) : [] };
  const nested = rows.filter(({ name }) => name.startsWith(`${command} `));
  if (nested.length > 0)
    return {
      ...NOTHING,
      words:
        values.length > 0
          ? []
          : nested.map(({ name, summary }) => [name.split(' ')[1] ?? '', summary] as const),
    };
  const [row] = found;
  return row === undefined ? NOTHING : argumentsOf(row, values.length);
}

/** The command, its arguments so far, and the option whose value comes next. */
export function partsOf(words: readonly string[], grammar: Grammar) {
  let command: string | undefined;
  let after: string | undefined;
  const values: string[] = [];
  for (const word of words) {
    if (after !== undefined) after = undefined;
    else if (word.startsWith('-')) {
      if (!word.includes('=') && formOf(word, grammar, command) === 'value') after = word;
    } else if (command === undefined) command = word;
    else values.push(word);
  }
  return { command, values, after };
}

function ofValue(flag: string): Candidates {
  return VALUES.find(([pattern]) => pattern.test(flag))?.[1] ?? NOTHING;
}

function rowsOf(
  rows: readonly Row[],
  command: string | undefined,
  values: readonly string[],
): readonly Row[] {
  return rows.filter(({ name }) => name === command || name === `${command} ${values[0]}`);
}

function argumentsOf({ name, arguments: shape }: Row, position: number): Candidates {
  const [first = '', second = ''] = shape.split(' ');
  const shown = position === 0 || first.includes('...') ? first : second;
  if (name === 'ssh') return position === 0 ? { ...NOTHING, live: 'both' } : NOTHING;
  if (name === 'completion')
    return position === 0
      ? { ...NOTHING, words: ['bash', 'zsh', 'fish'].map((shell) => [shell, ''] as const) }
      : NOTHING;
  if (name === 'fd-forward') return { ...NOTHING, files: 'any' };
  if (/unit|template/.test(shown))
    return { ...NOTHING, live: 'units', files: FROM_FILES.includes(name) ? 'units' : null };
  return /machine/.test(shown) ? { ...NOTHING, live: 'machines' } : NOTHING;
}

/** `migration` once, for all its commands. */
function topLevel(rows: readonly Row[]): (readonly [string, string])[] {
  const found = new Map(
    rows.map(({ name, summary }) => {
      const [word = '', more] = name.split(' ');
      return [word, more === undefined ? summary : `commands about a ${word}`];
    }),
  );
  return [...found, ['help', 'tell more about a command']];
}
