import { serialize, type UnitFile, type UnitOption } from './unit-file.js';

/** The longest line, in bytes, continuations counted one by one. systemd reads as much. */
export const LINE_LIMIT = 1024 * 1024;

/** Something wrong with a unit file's text. `line` counts from 1. */
export interface ParseProblem {
  readonly line: number;
  readonly what: string;
}

export interface ParsedUnit {
  /** What could be read; complete if there are no problems. */
  readonly unit: UnitFile;
  /** The line on which each of `unit.options` begins. */
  readonly lines: readonly number[];
  readonly problems: readonly ParseProblem[];
}

/** What Go calls white space. JavaScript's `trim` differs on U+0085 and U+FEFF, and so would the hash. */
const SPACE = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const OUTER_SPACE = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g');
const NOT_SPACE = new RegExp(SPACE.replace('[', '[^'));
const trim = (text: string): string => text.replace(OUTER_SPACE, '');

/**
 * Reads a unit file the way fleet did. Never throws: after a problem it goes on with the next line, so that all
 * problems are reported at once. Text before the first `[` is ignored; comments and spacing are dropped; a
 * backslash at the end of a line joins the next one verbatim.
 */
export function parse(text: string): ParsedUnit {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  const options: UnitOption[] = [];
  const starts: number[] = [];
  const problems: ParseProblem[] = [];
  const report = (at: number, what: string): void => void problems.push({ line: at + 1, what });
  let section: string | null = null;

  for (const [at, line] of lines.entries())
    if (tooLong(line)) report(at, `line too long (max ${LINE_LIMIT} bytes)`);

  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const begin: number = section === null ? line.search(/[[#;]/) : line.search(NOT_SPACE);
    const first = line[begin];
    if (first === undefined) continue;
    if (first === '#' || first === ';') {
      while (/\\ ?$/.test(lines[at] ?? '')) at++;
    } else if (first === '[') {
      section = readSection(line.slice(begin + 1), (what) => report(at, what)) ?? section;
    } else if (section !== null) {
      const name = line.slice(0, line.indexOf('='));
      if (!line.includes('=') || name.includes('\r')) {
        report(at, 'unexpected newline encountered while parsing option name');
        continue;
      }
      const { value, last } = readValue(lines, at, line.slice(name.length + 1));
      options.push({ section, name: trim(name), value });
      starts.push(at + 1);
      at = last;
    }
  }
  return { unit: { options }, lines: starts, problems };
}

/**
 * Why options that did not come from a file (they came over the API) cannot be kept as one, or null. What is
 * stored is text: it must read back as exactly these options.
 */
export function whyNotWritable(unit: UnitFile): string | null {
  const { unit: back, problems } = parse(serialize(unit));
  if (problems[0] !== undefined) return problems[0].what;
  const sections = [...new Set(unit.options.map(({ section }) => section))];
  const written = sections.flatMap((name) => unit.options.filter(({ section }) => section === name));
  const odd = written.find((option, index) => !sameOption(option, back.options[index]));
  if (odd === undefined) return null;
  return `option ${JSON.stringify(odd.name)} of section [${odd.section}] would not read back from a unit file as it was given`;
}

function sameOption(one: UnitOption, other: UnitOption | undefined): boolean {
  return (
    other !== undefined &&
    one.section === other.section &&
    one.name === other.name &&
    one.value === other.value
  );
}

/** The section's name, or null after reporting what is wrong with `rest`, the text after `[`. */
function readSection(rest: string, report: (what: string) => void): string | null {
  const end = rest.indexOf(']');
  if (end === -1) {
    report('unable to find end of section');
    return null;
  }
  const garbage = trim(rest.slice(end + 1));
  if (garbage !== '') report(`found garbage after section name [${rest.slice(0, end)}]: ${garbage}`);
  return rest.slice(0, end);
}

/**
 * A value that begins with `first` on line `at`. A continuation followed by an empty line or by the end of the
 * file keeps its newline.
 */
function readValue(lines: readonly string[], at: number, first: string): { value: string; last: number } {
  let text = '';
  let piece: string | undefined = first;
  let last = at;
  while (piece !== undefined && trim(piece) !== '') {
    text += piece;
    if (!piece.endsWith('\\')) break;
    text += '\n';
    piece = lines[++last];
  }
  return { value: text.endsWith('\n') ? `${trim(text)}\n` : trim(text), last };
}

function tooLong(line: string): boolean {
  return line.length * 3 > LINE_LIMIT && new TextEncoder().encode(line).length > LINE_LIMIT;
}
