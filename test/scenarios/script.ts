/** One command of a script with the indented text below it. `line` counts from 1. */
export interface Command {
  readonly words: readonly string[];
  readonly text: string;
  readonly line: number;
}

/** A paragraph of a script: commands and comments, below which stands what the commands printed. */
export interface Paragraph {
  readonly source: readonly string[];
  readonly commands: readonly Command[];
}

const RULE = '----';

/**
 * Reads a script: paragraphs with an empty line between them; in each, comments (`#`) and commands, then `----` and
 * the output of the commands. What stands there as output is not kept: running the script brings it back.
 */
export function parseScript(text: string): Paragraph[] {
  const paragraphs: Paragraph[] = [];
  let begin = 0;
  const lines = text.split('\n');
  for (const [at, line] of [...lines, ''].entries()) {
    if (line !== '') continue;
    if (at > begin) paragraphs.push(readParagraph(lines.slice(begin, at), begin + 1));
    begin = at + 1;
  }
  return paragraphs;
}

function readParagraph(lines: readonly string[], first: number): Paragraph {
  const rule = lines.indexOf(RULE);
  const source = rule === -1 ? lines : lines.slice(0, rule);
  const commands: { words: string[]; text: string; line: number }[] = [];
  for (const [at, line] of source.entries()) {
    const last = commands.at(-1);
    if (line.startsWith('#')) continue;
    if (!line.startsWith(' ')) commands.push({ words: line.split(/\s+/), text: '', line: first + at });
    else if (last === undefined) throw new Error(`line ${first + at}: indented text below no command`);
    else last.text += `${line.trim()}\n`;
  }
  return { source, commands };
}

/** The script with these outputs, one for each paragraph. */
export function renderScript(
  paragraphs: readonly Paragraph[],
  outputs: readonly (readonly string[])[],
): string {
  const rendered = paragraphs.map(({ source }, at) => {
    const output = outputs[at] ?? [];
    return [...source, ...(output.length === 0 ? [] : [RULE, ...output])].join('\n');
  });
  return `${rendered.join('\n\n')}\n`;
}
