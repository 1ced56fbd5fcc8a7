import type { Piece } from './compose.js';
import type { Tone } from './page.js';

/** How many colours the terminal can show and may: 0, 8, 16 or 256. */
export type Colours = 0 | 8 | 16 | 256;

export interface Look {
  /** A number of the palette; null: the terminal's own. */
  readonly colour: number | null;
  readonly bold: boolean;
  readonly underline: boolean;
}

/**
 * Colours that can be read on black as on white: of the 256, those in the middle of both (WCAG contrast of about 4 and
 * more on either); of fewer, the user's own red, green, yellow and cyan.
 */
const PALETTE: Readonly<Record<Tone, { readonly of256: number | null; readonly of16: number | null }>> = {
  plain: { of256: null, of16: null },
  dim: { of256: 244, of16: 8 },
  strong: { of256: null, of16: null },
  good: { of256: 28, of16: 2 },
  warn: { of256: 130, of16: 3 },
  bad: { of256: 160, of16: 1 },
  accent: { of256: 31, of16: 6 },
};
const BOLD: readonly Tone[] = ['strong', 'warn', 'bad'];

/** Never by colour alone: what is bad is bold too, and underlined where there is no colour. */
export function lookOf(tone: Tone, colours: Colours): Look {
  const { of256, of16 } = PALETTE[tone];
  const few = of16 !== null && of16 < colours ? of16 : null;
  return {
    colour: colours === 256 ? of256 : few,
    bold: BOLD.includes(tone),
    underline: colours === 0 && tone === 'bad',
  };
}

/** As blessed packs it for a cell: flags, then foreground and background of nine bits each, all ones for the terminal's own. */
export function attributeOf({ tone, inverse }: Pick<Piece, 'tone' | 'inverse'>, colours: Colours): number {
  const { colour, bold, underline } = lookOf(tone, colours);
  const flags = (bold ? 1 : 0) | (underline ? 2 : 0) | (inverse ? 8 : 0);
  return (flags << 18) | ((inverse ? OWN : (colour ?? OWN)) << 9) | OWN;
}

const OWN = 0x1ff;
