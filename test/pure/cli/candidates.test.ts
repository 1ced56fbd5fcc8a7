import { expect, test } from 'vitest';
import { candidatesFor } from '../../../cli/candidates.js';
import { groupsFor, loadCommands } from '../../../cli/commands.js';
import { grammarOf } from '../../../cli/program.js';

const ROWS = await loadCommands(groupsFor(false).flatMap(({ commands }) => commands));
const at = (line: string) => {
  const { words, ...rest } = candidatesFor(line.split(' '), ROWS, grammarOf(ROWS, false));
  return { ...rest, words: words.map(([word]) => word) };
};
const LIVE = { words: [], files: null };

test.each([
  ['stop ', { ...LIVE, live: 'units' }],
  ['stop a.service ', { ...LIVE, live: 'units' }],
  ['start ', { ...LIVE, live: 'units', files: 'units' }],
  ['--endpoint x cat ', { ...LIVE, live: 'units' }],
  ['drain ', { ...LIVE, live: 'machines' }],
  ['ssh ', { ...LIVE, live: 'both' }],
  ['ssh web ', { ...LIVE, live: null }],
  ['ssh --unit ', { ...LIVE, live: 'units' }],
  ['ssh --machine=4', { ...LIVE, live: 'machines' }],
  ['move --to ', { ...LIVE, live: 'machines' }],
  ['--ca-file ', { ...LIVE, live: null, files: 'any' }],
  ['--endpoint ', { ...LIVE, live: null }],
  ['rejoin ', { ...LIVE, live: null }],
  ['nosuch ', { ...LIVE, live: null }],
])('%j', (line, expected) => {
  expect(at(line)).toEqual(expected);
});

test('commands at first, and after help', () => {
  const names = ['list-units', 'ssh', 'migration', 'completion', 'help'];
  for (const line of ['', '--debug ', 'help ']) expect(at(line).words).toEqual(expect.arrayContaining(names));
  expect(at('help list-units ').words).toEqual([]);
  const verbs = [
    'create',
    'list',
    'status',
    'images',
    'failures',
    'retry',
    'pause',
    'resume',
    'limit',
    'accept',
  ];
  expect(at('migration ').words).toEqual(expect.arrayContaining([...verbs, 'close', 'cancel']));
});

test("a command's flags and those of all commands", () => {
  const flags = ['--full', '-l', '--no-legend', '--endpoint', '--help'];
  expect(at('list-units -').words).toEqual(expect.arrayContaining(flags));
  expect(at('list-units -').words).not.toContain('--accept');
  expect(at('migration create -').words).toEqual(expect.arrayContaining(['--source', '--incomplete']));
  expect(at('migration limit zoom -').words).toEqual(expect.arrayContaining(['--rps', '--bandwidth']));
  const filters = ['--reason', '--image', '--status', '--lane', '--tiles'];
  for (const verb of ['failures', 'retry'])
    expect(at(`migration ${verb} -`).words).toEqual(expect.arrayContaining(filters));
  expect(at('-').words).not.toContain('--full');
});
