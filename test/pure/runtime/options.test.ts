import { expect, test } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import {
  type OptionTable,
  parseChoice,
  parseDuration,
  parseInteger,
  parseProgram,
  parseSwitch,
  parseText,
} from '../../../runtime/options.js';

const table = {
  maxRps: { flag: '--max-rps <n>', env: 'ZH_MAX_RPS', help: 'most requests', parse: parseInteger(1, 1000) },
  level: { flag: '--level <word>', help: 'level', parse: parseChoice(['low', 'high']), default: 'low' },
  json: { flag: '--json', help: 'as JSON', parse: parseSwitch, default: false },
  name: { flag: '--name <text>', env: 'NAME', help: 'name', parse: parseText, default: 'x' },
} satisfies OptionTable;

const read = (argv: string[], env: NodeJS.ProcessEnv = {}) =>
  parseProgram({ name: 'prog', description: 'd', table }, argv, env);

test('a flag wins over the environment, which wins over the default', () => {
  expect(read([]).name).toBe('x');
  expect(read([], { NAME: 'env' }).name).toBe('env');
  expect(read(['--name', 'flag'], { NAME: 'env' }).name).toBe('flag');
});

test('an empty environment variable counts as not set', () => {
  expect(read([], { NAME: '', ZH_MAX_RPS: '' })).toMatchObject({ name: 'x', maxRps: undefined });
});

test('a switch is true when given', () => {
  expect(read(['--json']).json).toBe(true);
  expect(read([]).json).toBe(false);
});

test('a repeatable option is a list: of flags as they are, of the environment what spaces separate', () => {
  const several = {
    flag: '--only <x>',
    env: 'ONLY',
    help: 'only these',
    parse: parseInteger(1, 9),
    repeatable: true as const,
  };
  const only = (argv: string[], env: NodeJS.ProcessEnv = {}) =>
    parseProgram({ name: 'prog', description: 'd', table: { only: several } }, argv, env).only;
  expect(only([])).toEqual([]);
  expect(only(['--only', '1', '--only', '2'], { ONLY: '3' })).toEqual([1, 2]);
  expect(only([], { ONLY: ' 3  4 ' })).toEqual([3, 4]);
  expect(() => only(['--only', '1', '--only', '1 2'])).toThrow(
    '--only: expected a whole number from 1 to 9, got "1 2"',
  );
});

test.each([
  [['--max-rps', '0'], {}, '--max-rps: expected a whole number from 1 to 1000, got "0"'],
  [[], { ZH_MAX_RPS: 'many' }, 'ZH_MAX_RPS: expected a whole number from 1 to 1000, got "many"'],
  [['--level', 'mid'], {}, '--level: expected one of low, high, got "mid"'],
  [['--nosuch'], {}, "unknown option '--nosuch' (see prog --help)"],
  [['stray'], {}, 'too many arguments. Expected 0 arguments but got 1. (see prog --help)'],
])('a usage error is one sentence that names its source: %j %j', (argv, env, message) => {
  expect(() => read(argv, env)).toThrow(new UsageError(message));
});

test('durations', () => {
  expect(['250ms', '10s', '1.5m', '2h', '3'].map(parseDuration)).toEqual([
    250, 10_000, 90_000, 7_200_000, 3000,
  ]);
  expect(() => parseDuration('soon')).toThrow('expected a duration');
});
