/** What a terminal shows: rows of cells, read from `tmux capture-pane -e`. */
export interface Cell {
  /** Empty: the right half of a wide character. */
  readonly text: string;
  readonly style: Style;
}

/** Colours are numbers of the 256-colour palette; null: the terminal's own. */
export interface Style {
  readonly foreground: number | null;
  readonly background: number | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly underline: boolean;
  readonly inverse: boolean;
}

const PLAIN: Style = {
  foreground: null,
  background: null,
  bold: false,
  dim: false,
  underline: false,
  inverse: false,
};

/** Styles are those of ECMA-48 (SGR); letters between SO and SI, also rows apart, are of the alternate set, which draws lines. */
export function readStyledScreen(rows: readonly string[]): Cell[][] {
  let style = PLAIN;
  let drawn = false;
  return rows.map((row) => {
    const cells: Cell[] = [];
    for (const [piece, codes] of row.matchAll(PIECES)) {
      if (codes !== undefined) style = styled(style, codes);
      else if (piece === SHIFT_OUT || piece === SHIFT_IN) drawn = piece === SHIFT_OUT;
      else {
        cells.push({ text: drawn ? (DRAWN[piece] ?? piece) : piece, style });
        if (isWide(piece)) cells.push({ text: '', style });
      }
    }
    return cells;
  });
}

const SHIFT_OUT = '\u000e';
const SHIFT_IN = '\u000f';
const PIECES = /\u001b\[([\d;:]*)m|[^\u001b]/gu;
const DRAWN: Readonly<Record<string, string>> = {
  ...{ j: '┘', k: '┐', l: '┌', m: '└', n: '┼', q: '─', t: '├', u: '┤', v: '┴', w: '┬', x: '│' },
  ...{ a: '▒', '`': '◆', '~': '·' },
};

function styled(style: Style, codes: string): Style {
  const numbers = codes === '' ? [0] : codes.split(/[;:]/).map(Number);
  let now = style;
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at] as number;
    if (code === 38 || code === 48) {
      // Of the palette: 5;N. tmux tells no true colour unless a program asked for one.
      if (numbers[at + 1] !== 5) throw new Error(`no palette colour: ESC[${codes}m`);
      now = { ...now, [code === 38 ? 'foreground' : 'background']: numbers[at + 2] ?? null };
      at += 2;
    } else now = { ...now, ...changeBy(code) };
  }
  return now;
}

function changeBy(code: number): Partial<Style> {
  if (code >= 30 && code <= 37) return { foreground: code - 30 };
  if (code >= 40 && code <= 47) return { background: code - 40 };
  if (code >= 90 && code <= 97) return { foreground: code - 90 + 8 };
  if (code >= 100 && code <= 107) return { background: code - 100 + 8 };
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { bold: true };
    case 2:
      return { dim: true };
    case 4:
      return { underline: true };
    case 7:
      return { inverse: true };
    case 22:
      return { bold: false, dim: false };
    case 24:
      return { underline: false };
    case 27:
      return { inverse: false };
    case 39:
      return { foreground: null };
    case 49:
      return { background: null };
    default:
      return {};
  }
}

/** East Asian wide characters and emoji, as terminals reckon. */
function isWide(text: string): boolean {
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
    text,
  );
}
