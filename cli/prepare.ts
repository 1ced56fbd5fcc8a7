import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { UnitReport } from '../api/wire.js';
import { ConvoyError, messageOf, permanent } from '../runtime/errors.js';
import { readConstraints } from '../units/constraints.js';
import { nameFromArgument, templateOf } from '../units/name.js';
import { type ParsedUnit, parse } from '../units/parse.js';
import type { TargetState } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import type { Context } from './command.js';
import { inactiveGoal } from './goals.js';
import { sideBySide } from './side-by-side.js';
import { ATTEMPT_MS, lookAtUnits, unitWait, waitForAll } from './wait.js';

export interface PrepareOptions {
  readonly replace: boolean;
  /** Desired states out of which this command may replace a unit. */
  readonly replaces: readonly TargetState[];
  /** 0 = wait for ever. */
  readonly attempts: number;
}

/**
 * Makes sure that every unit is in the registry: it is there already, or there is a file, or a template of it in
 * the registry or beside where its file would be. Answers the names, in order; null if a unit did not come to rest
 * (told on stderr). The first problem ends it; what was submitted until then stays.
 */
export async function prepareUnits(
  context: Context,
  args: readonly string[],
  options: PrepareOptions,
): Promise<readonly string[] | null> {
  const names = args.map(nameFromArgument);
  const seen = await lookAtUnits(context)(names);
  const first = [...new Set(names)].map((name) => ({ name, arg: args[names.indexOf(name)] ?? name }));
  const submitted = await sideBySide(first, async ({ name, arg }) =>
    (await prepareUnit(context, arg, name, seen(name), options)) ? [name] : [],
  );
  const { failed, late } = await waitForAll(
    context,
    submitted.flat().map((name) => unitWait(name, 'inactive', inactiveGoal)),
    { look: lookAtUnits(context), timeoutMs: options.attempts * ATTEMPT_MS },
  );
  return failed.length + late.length === 0 ? names : null;
}

/** Whether it was submitted. */
async function prepareUnit(
  context: Context,
  arg: string,
  name: string,
  existing: UnitReport | null,
  options: PrepareOptions,
): Promise<boolean> {
  const file = await readUnitFile(resolve(context.cwd, dirname(arg)), name);
  if (existing !== null) {
    if (file === null) return false;
    if (hashOf(file.unit) === existing.record.hash) {
      if (options.replace) context.out(`Found same Unit(${name}) in Registry, nothing to do`);
      return false;
    }
    if (!options.replace) {
      const kind = file.template ? 'local template unit file' : 'local unit file';
      context.err(
        `WARNING: Unit ${name} in registry differs from ${kind} ${file.name}. Add --replace to override.`,
      );
      return false;
    }
    refuseOutOfReach(existing, options.replaces);
  }
  const unit = file?.unit ?? (await templateInRegistry(context, name));
  checkOptions(context, name, unit, file);
  try {
    await context.api.changeUnit(name, { options: unit.options, desiredState: 'inactive' });
  } catch (error) {
    if (error instanceof ConvoyError && error.status === 409)
      throw permanent(`failed creating unit ${name}: ${messageOf(error)}`, { cause: error });
    throw error;
  }
  return true;
}

/** A running unit is not taken down by a command that is not meant to. */
function refuseOutOfReach({ record }: UnitReport, replaces: readonly TargetState[]): void {
  if (!replaces.includes(record.target))
    throw permanent(
      `can not replace Unit(${record.name}) in state '${record.target}', use the appropriate command`,
    );
}

interface LocalFile extends ParsedUnit {
  readonly name: string;
  /** It is the template of the unit that was asked for. */
  readonly template: boolean;
}

/** The unit's own file or its template's, whichever there is in the folder. */
async function readUnitFile(folder: string, name: string): Promise<LocalFile | null> {
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
    if (parsed.problems.length > 0) {
      const problems = parsed.problems.map(({ line, what }) => `${file}:${line}: ${what}`).join('\n');
      throw permanent(`failed getting Unit(${name}) from file: ${problems}`);
    }
    return { ...parsed, name: file, template: at > 0 };
  }
  return null;
}

async function templateInRegistry(context: Context, name: string): Promise<UnitFile> {
  const template = templateOf(name);
  if (template === null) throw permanent(`unable to find Unit(${name}) in Registry or on filesystem`);
  const found = await context.api.unit(template);
  if (found === null)
    throw permanent(
      `failed getting Unit(${name}) from template: unable to find template Unit(${template}) in Registry or on filesystem`,
    );
  return { options: found.record.options };
}

/** What is wrong with the options, with the line it stands on where a file has it. */
function checkOptions(context: Context, name: string, unit: UnitFile, file: LocalFile | null): void {
  const { problems, warnings } = readConstraints(name, unit);
  const place = (option: number | null): string =>
    file === null || option === null ? '' : `${file.name}:${file.lines[option] ?? 0}: `;
  for (const { option, what } of warnings) context.err(`WARNING: Unit ${name}: ${place(option)}${what}`);
  const problem = problems[0];
  if (problem !== undefined) throw permanent(`${place(problem.option)}${problem.what}`);
}
