import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { messageOf, permanent } from '../runtime/errors.js';
import { templateOf } from '../units/name.js';
import { type ParsedUnit, parse } from '../units/parse.js';
import type { Context } from './command.js';
import { readUnitArgument } from './unit-args.js';

export interface LocalFile extends ParsedUnit {
  readonly name: string;
  /** It is the template of the unit that was asked for. */
  readonly template: boolean;
}

/** The folder an argument of `submit`, `load` and `start` points into. */
export function folderOf({ cwd }: Context, argument: string): string {
  return resolve(cwd, dirname(argument));
}

/** Names of the files in a folder that a pattern matches. A folder that is not there has none. */
async function matchingFiles(folder: string, matches: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => !entry.isDirectory() && matches(entry.name));
  return files.map(({ name }) => name).sort();
}

/**
 * The unit's own file or its template's, whichever there is in the folder; null if neither. `fleet`: problems are told
 * in fleet's words, the first one only and without its line.
 */
export async function readUnitFile(
  { fleet }: Pick<Context, 'fleet'>,
  folder: string,
  name: string,
): Promise<LocalFile | null> {
  const template = templateOf(name);
  const files = [join(folder, name), ...(template === null ? [] : [join(folder, template)])];
  for (const [at, path] of files.entries()) {
    if (!(await stat(path).catch(() => null))?.isFile()) continue;
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      throw permanent(`failed getting Unit(${name}) from file: ${messageOf(cause)}`, { cause });
    }
    const parsed = parse(text);
    const file = basename(path);
    const problems = parsed.problems.map(({ line, what }) => (fleet ? what : `${file}:${line}: ${what}`));
    if (problems.length > 0) {
      const told = fleet ? problems.slice(0, 1) : problems;
      throw permanent(`failed getting Unit(${name}) from file: ${told.join('\n')}`);
    }
    return { ...parsed, name: file, template: at > 0 };
  }
  return null;
}

/** A unit that is to be in the registry, and the folder its file may be in. */
export interface Wanted {
  readonly name: string;
  readonly folder: string;
}

/**
 * The units that arguments of `submit`, `load` and `start` mean, each once, in their order. A pattern means files of
 * its folder and, without a folder, units among `known` too.
 */
export async function wantedUnits(
  context: Context,
  args: readonly string[],
  known: () => Promise<readonly string[]>,
  takes: (name: string) => boolean,
): Promise<{ readonly wanted: readonly Wanted[]; readonly globbed: boolean }> {
  const wanted = new Map<string, Wanted>();
  let globbed = false;
  for (const arg of args) {
    const folder = folderOf(context, arg);
    const meant = readUnitArgument(arg, context);
    const add = (name: string): void => {
      if (!wanted.has(name)) wanted.set(name, { name, folder });
    };
    if (meant.kind === 'name') {
      add(meant.name);
      continue;
    }
    globbed = true;
    const here = !arg.includes('/');
    const found = [
      ...(await matchingFiles(folder, meant.matches)),
      ...(here ? (await known()).filter((name) => meant.matches(name)) : []),
    ].filter(takes);
    if (found.length === 0)
      throw permanent(
        here
          ? `no unit in the registry and no unit file in ${folder} matches "${meant.pattern}"`
          : `no unit file in ${folder} matches "${meant.pattern}"`,
      );
    for (const name of found.sort()) add(name);
  }
  return { wanted: [...wanted.values()], globbed };
}
