import { describe, expect, test } from 'vitest';
import { attributeOf, type Colours, lookOf } from '../../../../cli/dashboard/attributes.js';
import type { Tone } from '../../../../cli/dashboard/page.js';

const TONES: readonly Tone[] = ['plain', 'dim', 'strong', 'good', 'warn', 'bad', 'accent'];
const ALL: readonly Colours[] = [0, 8, 16, 256];

/** Of the 6 x 6 x 6 colours and the greys of xterm's palette of 256, by WCAG 2.1. */
function luminance(colour: number): number {
  const steps = [0, 95, 135, 175, 215, 255];
  const cube = colour - 16;
  const grey = 8 + (colour - 232) * 10;
  const parts =
    colour >= 232 ? [grey, grey, grey] : [36, 6, 1].map((by) => steps[Math.floor(cube / by) % 6] ?? 0);
  const [red = 0, green = 0, blue = 0] = parts.map((part) =>
    part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

describe('tones', () => {
  test.each(TONES)('%s can be read on black and on white', (tone) => {
    const { colour } = lookOf(tone, 256);
    if (colour === null) return;
    expect((luminance(colour) + 0.05) / 0.05).toBeGreaterThan(3.5);
    expect(1.05 / (luminance(colour) + 0.05)).toBeGreaterThan(3.5);
  });

  test('use no colour the terminal has not, and neither black nor white', () => {
    for (const colours of ALL)
      for (const tone of TONES) {
        const { colour } = lookOf(tone, colours);
        if (colour !== null)
          expect([
            colour < colours,
            colour % 8 === 0 && colours < 16,
            colour % 8 === 7 && colours < 256,
          ]).toEqual([true, false, false]);
      }
  });

  test('tell what is bad, what needs care and what is strong without colour', () => {
    expect(['bad', 'warn', 'strong', 'plain'].map((tone) => lookOf(tone as Tone, 0))).toEqual([
      { colour: null, bold: true, underline: true },
      { colour: null, bold: true, underline: false },
      { colour: null, bold: true, underline: false },
      { colour: null, bold: false, underline: false },
    ]);
  });

  test('are packed as blessed reads them, without colour where inverted', () => {
    expect(attributeOf({ tone: 'plain', inverse: false }, 256)).toBe(0x3ffff);
    expect(attributeOf({ tone: 'bad', inverse: false }, 8)).toBe((1 << 18) | (1 << 9) | 0x1ff);
    expect(attributeOf({ tone: 'good', inverse: true }, 256)).toBe((8 << 18) | 0x3ffff);
  });
});
