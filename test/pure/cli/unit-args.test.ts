import { expect, test } from 'vitest';
import { isGlob, readUnitArgument } from '../../../cli/unit-args.js';

test.each([
  ['web', 'web.service'],
  ['dir/web.socket', 'web.socket'],
  ['web@1', 'web@1.service'],
  ['a\\x2db.service', 'a\\x2db.service'],
  ['pair@{1,2}.service', 'pair@{1,2}.service'],
])('%s is a name', (argument, name) => {
  expect(isGlob(argument)).toBe(false);
  expect(readUnitArgument(argument)).toEqual({ kind: 'name', name });
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
  const read = readUnitArgument(argument);
  if (read.kind !== 'glob') throw new Error('not a pattern');
  expect(read.pattern).toBe(pattern);
  expect([...matching, ...others].filter((name) => read.matches(name))).toEqual(matching);
});
