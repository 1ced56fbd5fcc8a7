import { expect, test } from 'vitest';
import { type Grammar, readCommandLine } from '../../../cli/command-line.js';
import { type OptionRow, type OptionTable, parseText } from '../../../runtime/options.js';

const rows = (...flags: readonly string[]): OptionTable =>
  Object.fromEntries(
    flags.map((flag): [string, OptionRow<unknown>] => [flag, { flag, help: '', parse: parseText }]),
  );

const GRAMMAR: Grammar = {
  globals: rows('--endpoint <url>', '--debug [bool]'),
  commands: new Map([
    ['list-units', rows('-l, --l', '--full', '--no-legend', '--fields <names>')],
    ['list-machines', rows('--full')],
    ['restart', rows('--block-attempts <n>')],
    ['rejoin', rows()],
    ['ssh', rows('-A, --forward-agent')],
  ]),
  preferred: ['list-units', 'list-machines', 'restart', 'ssh'],
};
const read = (line: string): string => readCommandLine(line.split(' '), GRAMMAR).join(' ');

test.each([
  ['list-m', 'list-machines'],
  ['--endpoint list list-m', '--endpoint list list-machines'],
  ['--endpoint=x list-u --full', '--endpoint=x list-units --full'],
  ['help list-m', 'help list-machines'],
  ['he res', 'help restart'],
  // Only fleet's own count for its name, where there is one.
  ['re a', 'restart a'],
  ['rej', 'rejoin'],
  ['ssh list-m', 'ssh list-m'],
  ['nosuch', 'nosuch'],
])('%s: the command is completed: %s', (line, expected) => {
  expect(read(line)).toBe(expected);
});

test('a beginning that several commands have is refused, with their names', () => {
  expect(() => read('list')).toThrow('"list" could be list-units or list-machines');
  expect(() => readCommandLine(['re'], { ...GRAMMAR, preferred: [] })).toThrow(
    '"re" could be restart or rejoin',
  );
  expect(() => read('help nosuch')).toThrow('there is no command "nosuch" to tell about');
});

test.each([
  ['list-units --full=true', 'list-units --full'],
  ['list-units --full=false', 'list-units'],
  ['list-units --no-legend=1 -l', 'list-units --no-legend -l'],
  ['list-units --full=perhaps', 'list-units --full=perhaps'],
  ['list-units --fields=unit,hash', 'list-units --fields=unit,hash'],
  ['list-units --fields --full --full=t', 'list-units --fields --full --full'],
  ['--debug list-units', '--debug=true list-units'],
  ['list-units --debug=false', 'list-units --debug=false'],
  ['restart --h', 'restart --help'],
  ['--h', '--help'],
  ['ssh x -- ls --debug --full=true', 'ssh x -- ls --debug --full=true'],
  ['ssh x ls -l', 'ssh x ls -l'],
])('%s: flags as Go reads them: %s', (line, expected) => {
  expect(read(line)).toBe(expected);
});
