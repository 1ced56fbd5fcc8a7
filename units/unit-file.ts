import { hash } from 'node:crypto';

/** One `Name=Value` of a unit file. Repeated names keep their order; the value is verbatim, continuations included. */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

/** What a unit file says, comments and spacing dropped. Two files that say the same are the same unit. */
export interface UnitFile {
  readonly options: readonly UnitOption[];
}

/** Something about an option of the unit; `option` is its index in `unit.options`, null for a combination. */
export interface OptionProblem {
  readonly option: number | null;
  readonly what: string;
}

/** All values of an option, in file order. Section and name are case-sensitive, as in systemd. */
export function valuesOf(unit: UnitFile, section: string, name: string): string[] {
  return unit.options
    .filter((option) => option.section === section && option.name === name)
    .map((option) => option.value);
}

/**
 * The canonical text: sections in the order first seen, a section's options together, `Name=Value`, a blank
 * line between sections, a final newline, no comments. It is what is hashed, stored and shown.
 */
export function serialize(unit: UnitFile): string {
  const sections = new Map<string, string[]>();
  for (const { section, name, value } of unit.options) {
    const lines = sections.get(section) ?? [];
    lines.push(`${name}=${value}\n`);
    sections.set(section, lines);
  }
  return [...sections].map(([section, lines]) => `[${section}]\n${lines.join('')}`).join('\n');
}

/** SHA-1 of the canonical text, 40 hex digits, as fleet computed it. */
export function hashOf(unit: UnitFile): string {
  return hash('sha1', serialize(unit), 'hex');
}
