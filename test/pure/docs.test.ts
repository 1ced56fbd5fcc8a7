import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/programs.js';

/** What the documents say is shown by tests: each test they name is there, by that title. */

const DOCS = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const COMPATIBILITY = 'docs/fleet-compatibility.md';
/** Their tests are named by recordings, and count the steps of fleetctl or the exchanges. */
const CLI_REPLAY = 'test/services/cli/fleet-replay.test.ts';
const API_REPLAYS = ['test/services/api/fleet-replay.test.ts', 'test/services/api/fleet-replay-live.test.ts'];

const titles = new Map<string, readonly string[]>();

/** The titles of a test file, those of describe before them, joined by ' > '; as they stand in the source. */
function titlesOf(file: string): readonly string[] {
  const known =
    titles.get(file) ?? readTitles(ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest));
  titles.set(file, known);
  return known;
}

function readTitles(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node, outer: readonly string[]): void => {
    const title = titleOf(node, source);
    const path = title === null ? outer : [...outer, title];
    if (title !== null) found.push(path.join(' > '));
    ts.forEachChild(node, (child) => visit(child, path));
  };
  visit(source, []);
  return found;
}

function titleOf(node: ts.Node, source: ts.SourceFile): string | null {
  if (!ts.isCallExpression(node) || !/^(describe|it|test)\b/.test(node.expression.getText(source)))
    return null;
  const [title] = node.arguments;
  if (title === undefined) return null;
  if (ts.isStringLiteralLike(title)) return title.text;
  return ts.isTemplateExpression(title) ? title.getText(source).slice(1, -1) : null;
}

function isTitle(file: string, title: string): boolean {
  const shortened = /^(.*?) ?(\.\.\.|…)$/.exec(title)?.[1];
  return titlesOf(file).some(
    (one) => one === title || (shortened !== undefined && one.startsWith(shortened)),
  );
}

interface Recording {
  readonly steps: readonly { readonly argv: readonly string[]; readonly exchanges: readonly object[] }[];
}

/** Whether each step of a recording is one of fleetctl; of the API's replays one for each exchange. None: no recording. */
function stepsOf(file: string, name: string): readonly boolean[] {
  const path = `test/fixtures/fleetctl-1.0/${name}.json`;
  if (!existsSync(join(ROOT, path))) return [];
  const { steps } = JSON.parse(textOf(path)) as Recording;
  if (file === CLI_REPLAY) return steps.map(({ argv }) => argv[0] === 'fleetctl');
  const exchanges = steps.flatMap((step) => step.exchanges);
  return exchanges.filter((one) => !('elided' in one)).map(() => true);
}

/** `name (1, 3-5), other`: recordings, and steps or exchanges that they have. */
const areRecordings = (file: string, text: string): boolean =>
  text.split(/, (?=[a-z])/).every((one) => {
    const [, name = '', numbers = ''] = /^([a-z-]+)(?: \(([\d, -]+)\))?$/.exec(one) ?? [];
    const steps = stepsOf(file, name);
    const named = numbers.match(/\d+/g) ?? [];
    return steps.includes(true) && named.every((number) => steps[Number(number)] === true);
  });

/** What is wrong with a reference to a test, null if nothing is. */
function whyWrong(file: string | undefined, title: string | undefined): string | null {
  if (file === undefined) return 'the file has no name in this section';
  if (!existsSync(join(ROOT, file))) return 'there is no such file';
  if (title === undefined || isTitle(file, title)) return null;
  if ((file === CLI_REPLAY || API_REPLAYS.includes(file)) && areRecordings(file, title)) return null;
  return 'there is no such test';
}

it('every test that a document names by its path is there', () => {
  const references = DOCS.flatMap((doc) =>
    [...textOf(`docs/${doc}`).matchAll(/`(test\/[^\s`*]+)(?: > ([^`]+))?`/g)].map(([, file, title]) => ({
      ...{ doc, file, title, why: whyWrong(file?.replace(/\/$/, ''), title) },
    })),
  );
  expect(references.filter(({ why }) => why !== null)).toEqual([]);
});

describe('the compatibility tables', () => {
  interface Row {
    readonly row: string;
    readonly shownBy: readonly { readonly text: string; readonly why: string | null }[];
  }
  const cellsOf = (line: string): string[] => line.split(/(?<!\\)\|/).map((cell) => cell.trim());

  function readShown(cell: string, names: ReadonlyMap<string, string>): Row['shownBy'] {
    const next = new RegExp(`; (?=\`test/|(?:${[...names.keys()].join('|')})(?: > |;|$))`);
    return cell.split(next).map((text) => {
      if (text.startsWith('`'))
        return { text, why: /^`test\/[^`]+`$/.test(text) ? null : 'not one reference' };
      const [name = '', ...title] = text.split(' > ');
      return { text, why: whyWrong(names.get(name), title.length === 0 ? undefined : title.join(' > ')) };
    });
  }

  function* readRows(): Generator<Row> {
    for (const section of textOf(COMPATIBILITY).split(/^## /m)) {
      const [, tests = ''] = /^Tests:([\s\S]*?)\n\n/m.exec(section) ?? [];
      const names = new Map(
        [...tests.matchAll(/([A-Z][A-Z-]*) = `([^`]+)`/g)].map(([, name = '', file = '']) => [name, file]),
      );
      let column: number | null = null;
      for (const line of section.split('\n')) {
        if (!line.startsWith('|')) column = null;
        else if (column === null) column = cellsOf(line).indexOf('shown by');
        else if (!/^\|[\s|:-]+$/.test(line))
          yield { row: line, shownBy: readShown(cellsOf(line)[column] ?? '', names) };
      }
    }
  }
  const rows = [...readRows()];

  it('name tests in every row, each of which is there', () => {
    const wrong = rows.map(({ row, shownBy }) => ({ row, wrong: shownBy.filter(({ why }) => why !== null) }));
    expect(wrong.filter((one) => one.wrong.length > 0)).toEqual([]);
    expect(rows.length).toBeGreaterThan(200);
  });

  it("have all 43 behaviours of fleet's own suite, each with the test that bears its number", () => {
    const numbered = rows.flatMap(({ row, shownBy }) => {
      const [, number] = /^\| (\d+) \|/.exec(row) ?? [];
      return number === undefined ? [] : [{ number, shownBy }];
    });
    expect(numbered.map(({ number }) => Number(number))).toEqual(Array.from({ length: 43 }, (_, n) => n + 1));
    for (const { number, shownBy } of numbered)
      expect(shownBy.map(({ text }) => text).join()).toMatch(
        new RegExp(`\\((?:\\d+, )*(?:${number}|%d)(?:, \\d+)*\\)`),
      );
  });
});
