import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clean, cut, lineWidth, pad, textOf, width, wrap } from '../../../../cli/dashboard/cells.js';
import type { Line } from '../../../../cli/dashboard/page.js';
import { seeded } from '../../../support/seed.js';

const plain = (text: string): Line => [{ text, tone: 'plain' }];
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());

describe('text from outside', () => {
  test.each([
    ['a\tb\nc\r\nd\u2028e', 'a b c d e'],
    ['\x1b[2J\x07\x9b31m', '�[2J��31m'],
    ['invoice\u202egpj.exe', 'invoice�gpj.exe'],
    ['e\u0301', '\u00e9'],
    ['a\u0301\u0302\u0303\u0304', '\u00e1\u0302\u0303'],
    ['👍🏽 ❤️ 👩‍🚀 🇨🇭', '👍 ❤ 👩�🚀 ��'],
    ['\ud800x', '�x'],
    ['図書館', '図書館'],
  ])('%j becomes %j', (text, shown) => {
    expect(clean(text)).toBe(shown);
  });

  test('holds nothing a terminal would obey or turn around, and stays as it is when cleaned again', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const shown = clean(text);
        expect(shown).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(clean(shown)).toBe(shown);
      }),
      seeded(2000),
    );
  });
});

describe('a line', () => {
  test('is as wide as the cells it takes', () => {
    expect(['abc', '図書', '🎉', 'a\u0302\u0303', '…─█⠿'].map(width)).toEqual([3, 4, 2, 1, 4]);
  });

  test('is cut with an ellipsis, through its spans', () => {
    const line: Line = [
      { text: 'ab', tone: 'good' },
      { text: '図書館', tone: 'bad' },
    ];
    expect([8, 7, 6, 5, 3, 2, 1, 0].map((cells) => textOf(cut(line, cells)))).toEqual([
      'ab図書館',
      'ab図書…',
      'ab図…',
      'ab図…',
      'ab…',
      'a…',
      '…',
      '',
    ]);
    expect(cut(line, 5)).toEqual([
      { text: 'ab', tone: 'good' },
      { text: '図…', tone: 'bad' },
    ]);
  });

  test('is filled up on either side, also when a wide character left half a place', () => {
    expect(textOf(pad(plain('12'), 4, 'right'))).toBe('  12');
    expect(textOf(pad(plain('12'), 4))).toBe('12  ');
    expect(textOf(pad(plain('図書'), 3))).toBe('図…');
    expect(textOf(pad(plain('a図書'), 3))).toBe('a… ');
  });

  test('is broken between words, within a word only where it has to be, and loses nothing but spaces', () => {
    const said: Line = [
      { text: 'stop the ', tone: 'plain' },
      { text: 'twelve units', tone: 'bad' },
    ];
    expect(wrap(said, 12).map((line) => textOf(line).trimEnd())).toEqual(['stop the', 'twelve units']);
    expect(wrap(plain('abcdefgh ij'), 3).map(textOf)).toEqual(['abc', 'def', 'gh ', 'ij']);
    fc.assert(
      fc.property(anyText.map(clean), fc.integer({ min: 2, max: 40 }), (text, cells) => {
        const lines = wrap(plain(text), cells);
        for (const line of lines) expect(lineWidth(line)).toBeLessThanOrEqual(cells);
        // Not only ASCII's: a line may end in an em space as well.
        expect(lines.map(textOf).join('').replace(/\s/gu, '')).toBe(text.replace(/\s/gu, ''));
      }),
      seeded(1000),
    );
  });

  test('is never wider than it is cut or padded to', () => {
    fc.assert(
      fc.property(fc.array(anyText.map(clean)), fc.nat(30), (texts, cells) => {
        const line = texts.flatMap(plain);
        expect(lineWidth(cut(line, cells))).toBeLessThanOrEqual(cells);
        expect(lineWidth(pad(line, cells))).toBe(cells);
        expect(lineWidth(pad(line, cells, 'right'))).toBe(cells);
      }),
      seeded(1000),
    );
  });
});
