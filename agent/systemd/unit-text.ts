import { serialize, type UnitFile, type UnitOption, valuesOf } from '../../units/unit-file.js';
import { joinLines, splitWords } from '../words.js';

/** Which section has the Exec*= and Environment= of a type; other types run no process of their own. */
const EXEC_SECTIONS: Readonly<Record<string, string>> = {
  service: 'Service',
  socket: 'Socket',
  mount: 'Mount',
  swap: 'Swap',
};

const typeOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
const execSection = (name: string): string | undefined => EXEC_SECTIONS[typeOf(name)];

/** D-Bus interface of what only this type of unit has. */
export function typeInterface(name: string): string {
  const type = typeOf(name);
  return `org.freedesktop.systemd1.${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}

/** What there is to know of a unit of this type beside what every unit has. */
export function typeProperties(name: string): readonly string[] {
  const type = typeOf(name);
  if (type === 'service') return ['Result', 'ExecMainCode', 'ExecMainStatus', 'NRestarts'];
  return type === 'target' || type === 'slice' ? [] : ['Result'];
}

/**
 * The text given to systemd: the unit as it is, and what Convoy needs.
 *
 * Ours is in the file itself, not in a drop-in: an EnvironmentFile= in front of the unit's own ones is the only one
 * that theirs override, and a linked unit has no folder of drop-ins that could go with it. An empty EnvironmentFile=
 * of the unit throws away what stands before it, so ours comes right after the last such line.
 */
export function textForSystemd(
  name: string,
  unit: UnitFile,
  environmentFile: string,
  leaseUnit: string | null,
): string {
  let options: readonly UnitOption[] = unit.options;
  const section = execSection(name);
  if (section !== undefined) {
    const reset = options.findLastIndex(
      (option) => option.section === section && option.name === 'EnvironmentFile' && option.value === '',
    );
    const ours = { section, name: 'EnvironmentFile', value: `-${escapeSpecifiers(environmentFile)}` };
    options = [...options.slice(0, reset + 1), ours, ...options.slice(reset + 1)];
  }
  if (leaseUnit !== null)
    options = [
      ...options,
      { section: 'Unit', name: 'BindsTo', value: leaseUnit },
      { section: 'Unit', name: 'After', value: leaseUnit },
    ];
  return serialize({ options });
}

/** The names the unit sets itself with Environment=. systemd lets every EnvironmentFile= override those. */
export function ownNames(name: string, unit: UnitFile): string[] {
  const section = execSection(name);
  if (section === undefined) return [];
  const values = valuesOf(unit, section, 'Environment').map(joinLines);
  return values.slice(values.lastIndexOf('') + 1).flatMap((value) => {
    try {
      return splitWords(value).map((word) => word.text.split('=', 1)[0] ?? '');
    } catch {
      // systemd passes over what it cannot read, and so has no such name.
      return [];
    }
  });
}

export function hasInstall(unit: UnitFile): boolean {
  return unit.options.some(({ section }) => section === 'Install');
}

/** Text of an EnvironmentFile=. */
export function environmentText(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${value.replace(/["\\`$]/g, '\\$&')}"\n`)
    .join('');
}

/** One argument of an Exec*= line that reaches the program as it is. */
export function execArgument(text: string): string {
  const quoted = text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('$', '$$$$');
  return `"${escapeSpecifiers(quoted)}"`;
}

function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%');
}

/** Why systemd is not even asked to load a unit of this name, or null. */
export function whyNotLoadable(name: string, reserved: readonly string[]): string | null {
  const type = typeOf(name);
  if (type === 'device') return 'devices come from the kernel: systemd loads no file for them';
  if (type === 'scope') return 'scopes are made of running processes: systemd loads no file for them';
  if (/@\.[a-z]+$/.test(name)) return 'it is a template: only its instances can be loaded';
  if (reserved.includes(name)) return 'the name is used by Convoy itself';
  return null;
}
