import { UsageError } from '../runtime/errors.js';
import type { OptionTable } from '../runtime/options.js';

/** What is to be known of a program to tell its flags, their values and its command apart. */
export interface Grammar {
  /** Of every command. */
  readonly globals: OptionTable;
  /** By the first word of the command. */
  readonly commands: ReadonlyMap<string, OptionTable>;
  /** Commands whose prefixes come before those of all others. */
  readonly preferred: readonly string[];
}

/** The flags of a table: with a value of their own (`--lines <n>`), with one after `=` at most (`--debug [bool]`), or none. */
export type FlagForm = 'value' | 'bool' | 'switch';

/**
 * A command line as fleetctl understood it, in the form that the parser wants: the command's name in full where its
 * beginning was enough, `--full=true` as `--full`, a global switch as `--debug=true`. What follows `--` stays as it is.
 * Throws a usage error for a beginning that several commands have.
 */
export function readCommandLine(argv: readonly string[], grammar: Grammar): string[] {
  const words: string[] = [];
  let command: string | undefined;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') return [...words, ...argv.slice(at)];
    if (!word.startsWith('-') || word === '-') {
      const named = command === undefined || command === 'help';
      const full = named ? completed(word, grammar) : word;
      if (command === 'help' && !grammar.commands.has(full) && full !== 'help')
        throw new UsageError(`there is no command "${word}" to tell about`);
      if (named) command = command === undefined ? full : '';
      words.push(full);
      continue;
    }
    const [flag, value] = halves(word);
    const form = formOf(flag, grammar, command);
    if (flag === '--h') words.push('--help');
    else if (form === 'bool') words.push(`${flag}=${value ?? 'true'}`);
    else if (form === 'switch' && value !== undefined && /^(1|t|true|0|f|false)$/i.test(value))
      words.push(...(/^(1|t|true)$/i.test(value) ? [flag] : []));
    else words.push(word, ...(form === 'value' && value === undefined ? argv.slice(++at, at + 1) : []));
  }
  return words;
}

/**
 * The command that a command line names, in full, or that it asks `help` about. Undefined for one without, and for a word
 * that is none; a usage error for a beginning that several have. Only the names of the grammar's commands are looked at.
 */
export function commandIn(argv: readonly string[], grammar: Grammar): string | undefined {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (!word.startsWith('-') || word === '-') {
      const full = completed(word, grammar);
      if (full !== 'help') return grammar.commands.has(full) ? full : undefined;
    } else if (!word.includes('=') && formOf(word, grammar, undefined) === 'value') at += 1;
  }
  return undefined;
}

/** How a flag of this command (undefined: before there is one) is written; undefined: there is no such flag. */
export function formOf(
  flag: string,
  { globals, commands }: Grammar,
  command: string | undefined,
): FlagForm | undefined {
  const tables = [globals, ...(command === undefined ? [] : [commands.get(command) ?? {}])];
  const rows = tables.flatMap((table) => Object.values(table));
  const row = rows.find((one) => flagsOf(one.flag).includes(flag));
  if (row === undefined) return undefined;
  return row.flag.endsWith('>') ? 'value' : row.flag.endsWith(']') ? 'bool' : 'switch';
}

/** `-o, --output <format>` -> `-o`, `--output` */
export function flagsOf(text: string): string[] {
  return text.split(/[ ,]+/).filter((word) => word.startsWith('-'));
}

/** The command that a word means. */
function completed(word: string, { commands, preferred }: Grammar): string {
  const names = [...commands.keys(), 'help'];
  if (names.includes(word)) return word;
  for (const some of [preferred, names]) {
    const matches = some.filter((name) => name.startsWith(word));
    if (matches.length === 1) return matches[0] ?? word;
    if (matches.length > 1 && some === names)
      throw new UsageError(`"${word}" could be ${matches.slice(0, -1).join(', ')} or ${matches.at(-1)}`);
  }
  return word;
}

function halves(word: string): [string, string | undefined] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
