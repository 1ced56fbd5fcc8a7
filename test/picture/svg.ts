import type { Cell, Style } from '../support/styled-screen.js';

/** The colours of one look of a terminal. */
export interface Theme {
  readonly background: string;
  readonly foreground: string;
  readonly frame: string;
  /** The sixteen: black, red, green, yellow, blue, magenta, cyan, white, and their bright forms. */
  readonly palette: readonly string[];
}

export const DARK: Theme = {
  background: '#12161c',
  foreground: '#d7dde5',
  frame: '#2a323d',
  palette: [
    ...['#2b333f', '#f2777a', '#8ac926', '#f2c14e', '#6ea8fe', '#c792ea', '#5ccfe6', '#c3cad4'],
    ...['#6b7685', '#ff8f92', '#a5df4b', '#ffd97a', '#93c0ff', '#dbb2f5', '#8ae3f2', '#f2f5f8'],
  ],
};

export const LIGHT: Theme = {
  background: '#fbfbf9',
  foreground: '#22272e',
  frame: '#d5d8dc',
  palette: [
    ...['#22272e', '#b3261e', '#2f7d1f', '#8a6100', '#1f5fbf', '#8338a8', '#0b7285', '#a7adb5'],
    ...['#7a828c', '#d13b32', '#3f9a2c', '#a87800', '#3878db', '#9f55c4', '#178ba0', '#d5d8dc'],
  ],
};

/** Of a cell, in pixels. DejaVu Sans Mono is 0.602 of its size wide; other fonts are fitted by textLength. */
const WIDTH = 8;
const HEIGHT = 17;
const BASELINE = 13;
const MARGIN = 14;

/**
 * The screen as SVG. Letters are text; what terminals draw with characters (lines, blocks, braille dots) are shapes, so
 * that the picture is whole with any font.
 */
export function svgOf(rows: readonly (readonly Cell[])[], title: string, theme: Theme): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const [width, height] = [columns * WIDTH + 2 * MARGIN, rows.length * HEIGHT + 2 * MARGIN];
  const parts = rows.flatMap((row, at) => [...grounds(row, at, theme), ...inks(row, at, theme)]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${theme.background}" stroke="${theme.frame}"/>`,
    `<g transform="translate(${MARGIN} ${MARGIN})" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13.29" xml:space="preserve">`,
    ...parts,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function inkOf(style: Style, theme: Theme): string {
  const ink = colour(style.foreground, theme, theme.foreground);
  return style.inverse ? colour(style.background, theme, theme.background) : ink;
}

function groundOf(style: Style, theme: Theme): string | null {
  if (style.inverse) return colour(style.foreground, theme, theme.foreground);
  return style.background === null ? null : colour(style.background, theme, theme.background);
}

/** Sixteen of the theme, a cube of 6 x 6 x 6, and 24 greys, as xterm has them. */
function colour(number: number | null, { palette }: Theme, own: string): string {
  if (number === null) return own;
  const named = palette[number];
  if (named !== undefined) return named;
  if (number >= 232) return hex([0, 0, 0].map(() => 8 + (number - 232) * 10));
  const level = (of: number): number => (of === 0 ? 0 : 55 + of * 40);
  const cube = number - 16;
  return hex([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)]);
}

const hex = (values: readonly number[]): string =>
  `#${values.map((value) => value.toString(16).padStart(2, '0')).join('')}`;

/** Cells side by side of which `key` says the same, those without one left out. */
function runs<K>(
  row: readonly Cell[],
  key: (cell: Cell) => K | null,
): { key: K; from: number; cells: Cell[] }[] {
  const found: { key: K; from: number; cells: Cell[] }[] = [];
  let last: { key: K; from: number; cells: Cell[] } | null = null;
  for (const [at, cell] of row.entries()) {
    const now = key(cell);
    if (now !== null && last !== null && last.key === now) last.cells.push(cell);
    else {
      last = now === null ? null : { key: now, from: at, cells: [cell] };
      if (last !== null) found.push(last);
    }
  }
  return found;
}

function grounds(row: readonly Cell[], at: number, theme: Theme): string[] {
  return runs(row, ({ style }) => groundOf(style, theme)).map(
    ({ key, from, cells }) =>
      `<rect x="${from * WIDTH}" y="${at * HEIGHT}" width="${cells.length * WIDTH}" height="${HEIGHT}" fill="${key}"/>`,
  );
}

function inks(row: readonly Cell[], at: number, theme: Theme): string[] {
  const shapes = row.flatMap((cell, column) => {
    const drawn = shapeOf(cell.text, column * WIDTH, at * HEIGHT);
    return drawn === null ? [] : [{ ink: inkOf(cell.style, theme), dim: cell.style.dim, drawn }];
  });
  const byInk = new Map<string, string>();
  for (const { ink, dim, drawn } of shapes) {
    const look = `fill="${ink}"${dim ? ' opacity="0.65"' : ''}`;
    byInk.set(look, `${byInk.get(look) ?? ''}${drawn}`);
  }
  const texts = runs(row, ({ text, style }) =>
    text.trim() === '' || shapeOf(text, 0, 0) !== null
      ? null
      : `fill="${inkOf(style, theme)}"${style.bold ? ' font-weight="700"' : ''}${style.dim ? ' opacity="0.65"' : ''}${style.underline ? ' text-decoration="underline"' : ''}`,
  );
  return [
    ...[...byInk].map(([look, path]) => `<path ${look} d="${path}"/>`),
    ...texts.map(
      ({ key, from, cells }) =>
        `<text x="${from * WIDTH}" y="${at * HEIGHT + BASELINE}" textLength="${cells.length * WIDTH}" ${key}>${escaped(cells.map(({ text }) => text).join(''))}</text>`,
    ),
  ];
}

/** Arms of a line-drawing character: up, right, down, left. */
const ARMS: Readonly<Record<string, string>> = {
  ...{ '│': 'ud', '─': 'lr', '┌': 'rd', '┐': 'ld', '└': 'ur', '┘': 'ul' },
  ...{ '├': 'urd', '┤': 'uld', '┬': 'lrd', '┴': 'ulr', '┼': 'ulrd' },
  ...{ '╭': 'rd', '╮': 'ld', '╰': 'ur', '╯': 'ul' },
};
const LOWER_BLOCKS = '▁▂▃▄▅▆▇█';
const LEFT_BLOCKS = '▏▎▍▌▋▊▉';
/** Bit of a braille character -> column and row of its dot. */
const DOTS: readonly (readonly [number, number])[] = [
  ...([
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 0],
    [1, 1],
    [1, 2],
    [0, 3],
    [1, 3],
  ] as const),
];

function box(x: number, y: number, width: number, height: number): string {
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}

/** A path for what is drawn rather than written; null for a letter. */
function shapeOf(text: string, x: number, y: number): string | null {
  const arms = ARMS[text];
  const [middle, half] = [x + WIDTH / 2 - 0.5, y + Math.floor(HEIGHT / 2)];
  if (arms !== undefined)
    return [...arms]
      .map((arm) => {
        if (arm === 'u') return box(middle, y, 1, half - y + 1);
        if (arm === 'd') return box(middle, half, 1, y + HEIGHT - half);
        if (arm === 'l') return box(x, half, WIDTH / 2 + 0.5, 1);
        return box(middle, half, WIDTH / 2 + 0.5, 1);
      })
      .join('');
  const lower = LOWER_BLOCKS.indexOf(text);
  if (text !== '' && lower !== -1) {
    const tall = ((lower + 1) * HEIGHT) / 8;
    return box(x, y + HEIGHT - tall, WIDTH, tall);
  }
  const left = LEFT_BLOCKS.indexOf(text);
  if (text !== '' && left !== -1) return box(x, y, left + 1, HEIGHT);
  const code = text.codePointAt(0) ?? 0;
  if (code < 0x2800 || code > 0x28ff) return null;
  return DOTS.map(([column, row], bit) =>
    (code - 0x2800) & (1 << bit) ? box(x + 1 + column * 4, y + 1.5 + row * 4, 2.2, 2.2) : '',
  ).join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
