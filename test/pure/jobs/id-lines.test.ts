import fc from 'fast-check';
import { expect, test } from 'vitest';
import { idsIn } from '../../../jobs/id-lines.js';
import { seeded } from '../../support/seed.js';

async function idsOf(...chunks: (string | Uint8Array)[]): Promise<string[]> {
  const all: string[] = [];
  const bytes = async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk as string);
  };
  for await (const page of idsIn(bytes())) all.push(...page);
  return all;
}

test.each([
  ['one a line', 'a\nb\nc\n', ['a', 'b', 'c']],
  ['no line end at the end', 'a\nb', ['a', 'b']],
  ['CRLF', 'a:1\r\nb:2\r\n', ['a', 'b']],
  ['CR alone', 'a\rb\r', ['a', 'b']],
  ['a byte order mark', '\ufeffa:12\nb', ['a', 'b']],
  ['empty lines and blanks around', '\n\n  a:3  \n\t\n b \n\n', ['a', 'b']],
  ['nothing', '', []],
  ['blank lines alone', '\n \r\n\n', []],
])('%s', async (_, text, ids) => {
  expect(await idsOf(text)).toEqual(ids);
});

test('the same however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'ü', '\u{1f5bc}', '\r\n', '\n', ':7', ' ', 'xyz'), { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
      async (parts, sizes) => {
        const bytes = Buffer.from(parts.join(''));
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + sizes[turn % sizes.length]!;
          chunks.push(bytes.subarray(at, end));
          at = end;
        }
        expect(await idsOf(...chunks)).toEqual(await idsOf(bytes));
      },
    ),
    seeded(),
  );
});

test('what is not UTF-8 is marked, and a file without line ends stays small', async () => {
  expect(await idsOf(Uint8Array.of(0x61, 0xff, 0x0a, 0x62))).toEqual(['a\ufffd', 'b']);
  const chunks = Array.from({ length: 100 }, () => 'x'.repeat(50_000));
  const [only = '', ...others] = await idsOf(...chunks, '\nb');
  expect(only.length).toBeLessThan(100_000);
  expect(others).toEqual(['b']);
});
