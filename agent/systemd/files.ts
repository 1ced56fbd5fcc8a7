import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Remembered } from './states.js';
import { environmentText } from './unit-text.js';

/** Whole or not at all, whenever we are killed. */
export function replaceFile(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}

/**
 * Where Convoy's units are on this machine: the unit file systemd is linked to, the environment of its last start, and
 * what has to be remembered of it, one small file each. Nothing of it survives a reboot, nor do the units.
 */
export interface UnitFiles {
  /** Units in memory as on disk. */
  readonly remembered: ReadonlyMap<string, Remembered>;
  path(name: string): string;
  environmentPath(name: string): string;
  /** A file that systemd is to be linked to. */
  writeUnit(name: string, text: string): void;
  writeEnvironment(name: string, values: Readonly<Record<string, string>>): void;
  remember(name: string, what: Remembered): void;
  /** Removes all files of the unit. */
  forget(name: string): void;
}

export function openUnitFiles(runDir: string, unitsDir: string): UnitFiles {
  const folders = { environment: join(runDir, 'environment'), remembered: join(runDir, 'remembered') };
  mkdirSync(unitsDir, { recursive: true, mode: 0o755 });
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const remembered = new Map<string, Remembered>();
  const path = (name: string): string => join(unitsDir, name);
  const environmentPath = (name: string): string => join(folders.environment, name);
  const rememberedPath = (name: string): string => join(folders.remembered, `${name}.json`);

  function forget(name: string): void {
    remembered.delete(name);
    // What is remembered goes last: a unit file without it would be nobody's.
    for (const file of [path(name), environmentPath(name), rememberedPath(name)])
      rmSync(file, { force: true });
  }

  for (const file of readdirSync(folders.remembered)) {
    if (!file.endsWith('.json')) continue;
    const name = file.slice(0, -'.json'.length);
    // Killed in the middle of loading or unloading it: it is not running.
    if (!existsSync(path(name))) forget(name);
    else remembered.set(name, JSON.parse(readFileSync(rememberedPath(name), 'utf8')) as Remembered);
  }

  return {
    remembered,
    path,
    environmentPath,
    writeUnit: (name, text) => replaceFile(path(name), text, 0o644),
    writeEnvironment: (name, values) => replaceFile(environmentPath(name), environmentText(values), 0o600),
    remember(name, what) {
      remembered.set(name, what);
      replaceFile(rememberedPath(name), `${JSON.stringify(what)}\n`, 0o600);
    },
    forget,
  };
}
