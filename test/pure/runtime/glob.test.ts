import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../../runtime/glob.js';

const seed = Number(process.env.TEST_SEED ?? 20260103);

/** The same rules once more, by trying every way; null if the pattern is not well formed. */
function twin(pattern: string, name: string): boolean | null {
  return wellFormed(pattern) ? tries(pattern, name) : null;
}

function tries(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  const rest = pattern.slice(1);
  if (pattern[0] === '*')
    return tries(rest, name) || (name !== '' && name[0] !== '/' && tries(pattern, name.slice(1)));
  if (name === '') return false;
  if (pattern[0] === '?') return name[0] !== '/' && tries(rest, name.slice(1));
  if (pattern[0] === '[') {
    const end = endOfClass(pattern);
    return inClass(pattern.slice(1, end), name[0] ?? '') && tries(pattern.slice(end + 1), name.slice(1));
  }
  const quoted = pattern[0] === '\\' ? 1 : 0;
  return pattern[quoted] === name[0] && tries(pattern.slice(quoted + 1), name.slice(1));
}

const CLASS = /^\[(?:\^|(?!\^))(?:(?:\\[\s\S]|[^\]\\-])(?:-(?:\\[\s\S]|[^\]\\-]))?)+\]/;
const endOfClass = (pattern: string): number => (CLASS.exec(pattern)?.[0].length ?? 0) - 1;

function wellFormed(pattern: string): boolean {
  return /^(?:\\[\s\S]|\[(?:\^|(?!\^))(?:(?:\\[\s\S]|[^\]\\-])(?:-(?:\\[\s\S]|[^\]\\-]))?)+\]|[^\\[])*$/.test(
    pattern,
  );
}

function inClass(inside: string, character: string): boolean {
  const negated = inside.startsWith('^');
  const items = inside.slice(negated ? 1 : 0).match(/(?:\\[\s\S]|[^\\-])(?:-(?:\\[\s\S]|[^\\-]))?/g) ?? [];
  const hit = items.some((item) => {
    const ends = [...item.matchAll(/\\([\s\S])|([^\\])/g)].map((match) => match[1] ?? match[2] ?? '');
    const [low = '', high = low] = ends.length === 3 ? [ends[0], ends[2]] : ends;
    return low <= character && character <= high;
  });
  return hit !== negated;
}

describe('compileGlob', () => {
  it.each([
    ['web@*.service', 'web@1.service', true],
    ['web@*.service', 'web@.service', true],
    ['web@*.service', 'web.service', false],
    ['*', 'anything.service', true],
    ['*', 'a/b', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[^a-c]x', 'dx', true],
    ['[]a]', ']', false],
    ['[a', 'a', false],
    ['a\\', 'a', false],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['a*b*c', 'aXbYbZc', true],
    ['', '', true],
    ['', 'a', false],
    ['?', 'é', true],
    ['?', '😀', true],
  ])('%j on %j is %j', (pattern, name, expected) => {
    expect(compileGlob(pattern).matches(name)).toBe(expected);
  });

  it('knows what is literal and what every match begins with', () => {
    expect(compileGlob('web.service')).toMatchObject({ literal: true, prefix: 'web.service', valid: true });
    expect(compileGlob('we\\b@*.service')).toMatchObject({ literal: false, prefix: 'web@', valid: true });
    expect(compileGlob('a[')).toMatchObject({ literal: false, prefix: '', valid: false });
  });

  it('agrees with trying every way, and is never slow', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '/', '*', '?', '[', ']', '^', '-', '\\'), {
      maxLength: 9,
    });
    const name = fc.array(fc.constantFrom('a', 'b', 'c', '/', '*', ']', '-', '\\', '^'), { maxLength: 6 });
    fc.assert(
      fc.property(text, name, (parts, letters) => {
        const [pattern, subject] = [parts.join(''), letters.join('')];
        const glob = compileGlob(pattern);
        const expected = twin(pattern, subject);
        expect(glob.valid).toBe(expected !== null);
        expect(glob.matches(subject)).toBe(expected ?? false);
        if (glob.matches(subject)) expect(subject.startsWith(glob.prefix)).toBe(true);
      }),
      { seed, numRuns: 20_000 },
    );
    expect(compileGlob('a*'.repeat(50)).matches('a'.repeat(200))).toBe(true);
    expect(compileGlob(`${'a*'.repeat(50)}b`).matches('a'.repeat(200))).toBe(false);
  });
});
