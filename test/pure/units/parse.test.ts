import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LINE_LIMIT, parse, whyNotWritable } from '../../../units/parse.js';
import { hashOf, serialize, type UnitOption, valuesOf } from '../../../units/unit-file.js';
import recorded from '../../fixtures/fleetctl/syntax.json' with { type: 'json' };

const seed = Number(process.env.TEST_SEED ?? 20260102);
const checked = { seed, numRuns: 1000 } as const;

const pieces = [
  '[',
  ']',
  '[Unit]',
  '[X-Fleet]',
  '=',
  'A=b',
  ' ',
  '\t',
  '\\',
  '\\\n',
  '\n',
  '\n\n',
  '\r\n',
  '#',
  ';',
  'é',
  '"',
];
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 }))).map((parts) => parts.join('')),
);

describe('parse', () => {
  it.each(recorded)('reads $name as fleetctl did', ({ text, options, error, shortHash, cat }) => {
    const { unit, problems } = parse(text);
    if (error === undefined) {
      expect(problems).toEqual([]);
      expect(unit.options).toEqual(options);
    } else if (error.startsWith('found garbage')) {
      // fleetctl printed the garbage as numbers, and the section's name not at all.
      expect(problems).toEqual([{ line: 1, what: 'found garbage after section name [Service]: trailing' }]);
    } else {
      expect(problems.map(({ what }) => what)).toEqual([error]);
    }
    if (shortHash !== undefined) expect(hashOf(unit).slice(0, 7)).toBe(shortHash);
    if (cat !== undefined) expect(serialize(unit)).toBe(cat);
  });

  it('has the hashes that fleet had', () => {
    expect(hashOf(parse('[Service]\nExecStart=/bin/sleep 100\n').unit)).toBe(
      '1c6fb6f3684bafb0c173d8b8b957ceff031180c1',
    );
    expect(hashOf(parse('').unit)).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709');
    expect(hashOf(parse('; one\n[Service]\n# two\n\n  ExecStart  =   /bin/sleep 100  ').unit)).toBe(
      '1c6fb6f3684bafb0c173d8b8b957ceff031180c1',
    );
  });

  it('keeps order, repetitions and continuations, and knows the line of each option', () => {
    const text = [
      'ignored = up to the first section',
      '# [Comment]',
      '[Unit]',
      'After=a',
      '  ; comment \\',
      'goes on here = not an option',
      '[Service]',
      'Environment = A=1 \\',
      '# not a comment',
      'Environment=',
      '[Unit]',
      'After=b',
    ].join('\n');
    const { unit, lines, problems } = parse(text);
    expect(problems).toEqual([]);
    expect(unit.options).toEqual([
      { section: 'Unit', name: 'After', value: 'a' },
      { section: 'Service', name: 'Environment', value: 'A=1 \\\n# not a comment' },
      { section: 'Service', name: 'Environment', value: '' },
      { section: 'Unit', name: 'After', value: 'b' },
    ]);
    expect(lines).toEqual([4, 8, 10, 12]);
    expect(valuesOf(unit, 'Unit', 'After')).toEqual(['a', 'b']);
    expect(serialize(unit)).toBe(
      '[Unit]\nAfter=a\nAfter=b\n\n[Service]\nEnvironment=A=1 \\\n# not a comment\nEnvironment=\n',
    );
  });

  it('takes the line ends of other systems for its own, in continuations too', () => {
    const { unit } = parse('[A]\r\nB=c \\\r\nd\r\n# e \\\r\nf\r\n');
    expect(unit.options).toEqual([{ section: 'A', name: 'B', value: 'c \\\nd' }]);
  });

  it('reports every problem with its line', () => {
    const text = '[Unit]\nDescription\n[Service\nExecStart=/bin/true\n[Install] x\nnothing\n';
    expect(parse(text).problems.map(({ line }) => line)).toEqual([2, 3, 5, 6]);
  });

  it('reads lines of systemd’s length, and refuses longer ones', () => {
    const line = (bytes: number): string => `[Service]\nE=${'é'.repeat((bytes - 2) / 2)}\n`;
    expect(parse(line(LINE_LIMIT)).problems).toEqual([]);
    expect(parse(line(LINE_LIMIT + 2)).problems).toEqual([
      { line: 2, what: 'line too long (max 1048576 bytes)' },
    ]);
  });

  it('never throws, and every problem and option has a line of the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { unit, lines, problems } = parse(text);
        const count = text.split('\n').length;
        expect(lines).toHaveLength(unit.options.length);
        for (const line of [...lines, ...problems.map((problem) => problem.line)]) {
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(count);
        }
      }),
      checked,
    );
  });

  it('reads back what was serialized, and serializes it the same again', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { unit, problems } = parse(`[S]\n${text}`);
        fc.pre(problems.length === 0);
        const canonical = serialize(unit);
        const again = parse(canonical);
        expect(again.problems).toEqual([]);
        expect(serialize(again.unit)).toBe(canonical);
        expect(hashOf(again.unit)).toBe(hashOf(unit));
        expect(whyNotWritable(unit)).toBeNull();
      }),
      checked,
    );
  });
});

describe('whyNotWritable', () => {
  const option = (value: string, name = 'ExecStart', section = 'Service'): UnitOption => ({
    section,
    name,
    value,
  });

  it('accepts what a unit file can say', () => {
    expect(
      whyNotWritable({ options: [option('/bin/true'), option('a \\\n b'), option('', 'X', 'Unit')] }),
    ).toBeNull();
  });

  it.each([
    [option('/bin/true\nUser=root')],
    [option('two \\')],
    [option(' padded')],
    [option('x', 'A=B')],
    [option('x', '#A')],
    [option('x', 'A', 'S]\n[T')],
    [option('\n')],
  ])('refuses %o, which would read back as something else', (odd) => {
    expect(
      whyNotWritable({ options: [option('/bin/true', 'First'), odd, option('y', 'Last')] }),
    ).not.toBeNull();
  });

  it('names the option', () => {
    expect(whyNotWritable({ options: [option('a\nb=c')] })).toBe(
      'option "ExecStart" of section [Service] would not read back from a unit file as it was given',
    );
  });

  it('refuses exactly what does not survive being written', () => {
    const word = fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 }), fc.constant('A'));
    const options = fc.array(
      fc.record({ section: word, name: word, value: fc.array(word).map((w) => w.join('')) }),
    );
    fc.assert(
      fc.property(options, (given) => {
        fc.pre(whyNotWritable({ options: given }) === null);
        const back = parse(serialize({ options: given }));
        expect(back.problems).toEqual([]);
        expect(serialize(back.unit)).toBe(serialize({ options: given }));
        expect(back.unit.options).toHaveLength(given.length);
      }),
      checked,
    );
  });
});
