import { expect, test } from 'vitest';
import { isGlob, readUnitArgument, unitNamed } from '../../../cli/unit-args.js';

const convoyctl = { fleet: false };

test.each([
  ['web', 'web.service'],
  ['dir/web.socket', 'web.socket'],
  ['web@1', 'web@1.service'],
  ['foo.target', 'foo.target'],
  ['a\\x2db.service', 'a\\x2db.service'],
  ['pair@{1,2}.service', 'pair@{1,2}.service'],
])('%s is a name', (argument, name) => {
  expect(isGlob(argument)).toBe(false);
  expect(readUnitArgument(argument, convoyctl)).toEqual({ kind: 'name', name });
});

test('fleetctl knew seven types only', () => {
  const names = ['foo.target', 'foo.timer', 'foo.slice'].map((argument) =>
    unitNamed(argument, { fleet: true }),
  );
  expect(names).toEqual(['foo.target.service', 'foo.timer', 'foo.slice.service']);
});

test.each<[string, string, string[], string[]]>([
  ['web@*', 'web@*.service', ['web@1.service', 'web@.service'], ['web@1.socket', 'web.service']],
  ['*', '*.service', ['a.service'], ['a.timer', 'README.service.bak']],
  ['web.*', 'web.*', ['web.service', 'web.timer'], ['web@1.service', 'web.md']],
  ['web@[1-3].service', 'web@[1-3].service', ['web@2.service'], ['web@4.service']],
  ['dir*/web?', 'web?.service', ['web1.service'], ['web.service']],
  ['a\\x2d*', 'a\\x2d*.service', ['a\\x2db.service'], ['ax2db.service']],
  ['web[', 'web[.service', [], ['web[.service', 'web.service']],
])('%s is a pattern', (argument, pattern, matching, others) => {
  const read = readUnitArgument(argument, convoyctl);
  if (read.kind !== 'glob') throw new Error('not a pattern');
  expect(read.pattern).toBe(pattern);
  expect([...matching, ...others].filter((name) => read.matches(name))).toEqual(matching);
});
