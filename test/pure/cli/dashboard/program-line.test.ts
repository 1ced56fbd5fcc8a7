import { expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import { programLine } from '../../../../cli/dashboard/program-line.js';

const AT = '"time":"2026-11-21T19:07:14.123Z","name":"zh-import-blobs"';

test.each([
  [`{"level":30,${AT},"lane":"tiles","msg":"idle: finished"}`, '19:07:14Z idle: finished lane=tiles'],
  [`{"level":40,${AT},"pid":7,"msg":"no answer"}`, '19:07:14Z warn: no answer'],
  [
    `{"level":50,${AT},"index":[1,2],"why":"two words","msg":"it broke"}`,
    '19:07:14Z error: it broke index=[1,2] why="two words"',
  ],
  [`Nov 21 19:07:14 host zh-import-blobs[7]: {"level":30,${AT},"msg":"started"}`, '19:07:14Z started'],
  ['{"level":20,"msg":"no time"}', 'no time'],
  [`{"level":30,${AT},"msg":"\\u001b[2J"}`, '19:07:14Z �[2J'],
])('%s', (line, words) => {
  expect(textOf(programLine(line) ?? [])).toBe(words);
});

test('a warning and an error look so', () => {
  const tones = (level: number) => programLine(`{"level":${level},"msg":"m"}`)?.map(({ tone }) => tone);
  expect(tones(30)).toEqual(['plain', 'dim']);
  expect(tones(40)).toEqual(['warn', 'plain', 'dim']);
  expect(tones(50)).toEqual(['bad', 'plain', 'dim']);
});

test.each([
  '',
  'plain text',
  '{"level":30,"msg":"cut',
  '{"level":"info","msg":"of another program"}',
  '{"level":30}',
  '{"msg":"no level"}',
])('another line is left as it is: %s', (line) => {
  expect(programLine(line)).toBeNull();
});
