import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { messageOf, UsageError } from './errors.js';
import type { ListenAddress } from './web-server.js';

/**
 * One row of a program's option table. A flag on the command line wins over the environment, which wins over
 * settings from elsewhere (`Setting`), which win over the default. An empty environment variable counts as not set.
 */
export interface OptionRow<T> {
  /** As commander writes it: `--max-rps <n>` takes a value, `--json` is a switch. */
  readonly flag: string;
  readonly env?: string;
  readonly help: string;
  /** Turns the text into a value, or throws a plain Error whose message says what is expected. */
  readonly parse: (text: string) => T;
  /** Without a default the option is absent (`undefined`) unless given. */
  readonly default?: T;
  /** The default as one would type it, where that is not its value as text; '' says nothing of it. */
  readonly defaultText?: string;
  /**
   * May be given several times: `parse` gets each text by itself, and the value is the list of what it answers, empty
   * without any. In the environment, and in settings from elsewhere, spaces separate them.
   */
  readonly repeatable?: true;
}

/** The text of an option from a file or another program's environment, and where it stands, for complaints. */
export interface Setting {
  readonly text: string;
  readonly source: string;
}
export type Settings = Readonly<Record<string, Setting>>;

export type OptionTable = Readonly<Record<string, OptionRow<unknown>>>;
export type OptionValues<Table extends OptionTable> = {
  readonly [K in keyof Table]: Table[K] extends { readonly repeatable: true }
    ? readonly ReturnType<Table[K]['parse']>[]
    : Table[K] extends { readonly default: unknown }
      ? ReturnType<Table[K]['parse']>
      : ReturnType<Table[K]['parse']> | undefined;
};

/** Adds the table's flags to a commander command; the help text names default and environment variable. */
export function addOptions(command: Command, table: OptionTable): Command {
  for (const row of Object.values(table)) {
    const text = row.defaultText ?? (row.default === false ? '' : String(row.default ?? ''));
    const facts = [
      text === '' ? undefined : `default: ${text}`,
      row.env === undefined ? undefined : `env: ${row.env}`,
    ].filter((fact) => fact !== undefined);
    const help = facts.length === 0 ? row.help : `${row.help} (${facts.join(', ')})`;
    if (row.repeatable)
      command.option(row.flag, help, (text: string, before: string[] = []) => [...before, text]);
    else command.option(row.flag, help);
  }
  return command;
}

/** The typed values of a table from what commander read (`given`), the environment, and settings by the table's keys. */
export function readOptions<Table extends OptionTable>(
  table: Table,
  given: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
  settings: Settings = {},
): OptionValues<Table> {
  const values: Record<string, unknown> = {};
  for (const [key, row] of Object.entries(table)) {
    const fromFlag = given[flagKey(row.flag)];
    const fromEnv = row.env === undefined || env[row.env] === '' ? undefined : env[row.env];
    const text = fromFlag ?? fromEnv ?? settings[key]?.text;
    const elsewhere = fromEnv === undefined ? settings[key]?.source : row.env;
    const source = fromFlag === undefined ? elsewhere : row.flag.split(/[ ,]/)[0];
    const parsed = (one: unknown): unknown => parseValue(row, String(one), String(source));
    if (row.repeatable) values[key] = severalIn(text).map(parsed);
    else values[key] = text === undefined ? row.default : parsed(text);
  }
  return values as OptionValues<Table>;
}

/** The texts of a repeatable option: as commander gathered them, or one text with spaces between. */
function severalIn(text: unknown): readonly unknown[] {
  if (Array.isArray(text)) return text;
  return text === undefined
    ? []
    : String(text)
        .split(/ +/)
        .filter((one) => one !== '');
}

function parseValue(row: OptionRow<unknown>, text: string, source: string): unknown {
  try {
    return row.parse(text);
  } catch (error) {
    throw new UsageError(`${source}: ${messageOf(error)}, got "${text}"`, { cause: error });
  }
}

/** `--max-rps <n>` -> `maxRps`, the name commander gives it. */
function flagKey(flag: string): string {
  const long = flag.split(/[ ,|]+/).find((part) => part.startsWith('--')) ?? flag;
  return long.replace(/^--(no-)?/, '').replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

export interface Program<Table extends OptionTable> {
  readonly name: string;
  readonly description: string;
  readonly table: Table;
  /** Text after the option list of --help: examples, exit codes. */
  readonly epilogue?: string;
}

/**
 * Reads a whole program's command line. Prints help and exits 0 for --help; throws a `UsageError` for a wrong
 * flag, value or stray argument.
 */
export function parseProgram<Table extends OptionTable>(
  program: Program<Table>,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  settings: Settings = {},
): OptionValues<Table> {
  const command = addOptions(
    new Command(program.name).description(program.description).allowExcessArguments(false).exitOverride(),
    program.table,
  ).configureOutput({ writeErr: () => undefined });
  if (program.epilogue !== undefined) command.addHelpText('after', `\n${program.epilogue}`);
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) process.exit(0);
    throw new UsageError(`${messageOf(error).replace(/^error: /, '')} (see ${program.name} --help)`);
  }
  return readOptions(program.table, command.opts(), env, settings);
}

/** Parsers for the table's `parse`. */
export const parseText = (text: string): string => text;
/** Counted from where the program was started: what it starts itself is elsewhere. */
export const parsePath = (text: string): string => resolve(text);
export const parseSwitch = (text: string): boolean => {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new Error('expected yes or no');
};
export function parseInteger(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < least || value > most)
      throw new Error(`expected a whole number from ${least} to ${most}`);
    return value;
  };
}
export function parseNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new Error(`expected a number from ${least} to ${most}`);
    return value;
  };
}
export function parseChoice<const Choices extends readonly string[]>(
  choices: Choices,
): (text: string) => Choices[number] {
  return (text) => {
    if (!choices.includes(text)) throw new Error(`expected one of ${choices.join(', ')}`);
    return text as Choices[number];
  };
}
/** `host:port`, or `[address]:port` for IPv6. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new Error('expected host:port');
  return { host: match[1] ?? match[2] ?? '', port };
}
/** `10s`, `1.5m`, `250ms`, `2h`; a bare number is seconds. The value is in ms. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (!match) throw new Error('expected a duration such as 250ms, 10s or 5m');
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1000;
  return Number(match[1]) * unit;
}
