import { clean, cut, lineWidth, pad, width } from './cells.js';
import type { Chart, Line, Span, Tone } from './page.js';

/** A chart cut to its room: lines with the legend and the axes, and the place among them where the curves go. */
export interface Plot {
  /** No more than the room is high, none wider than it. */
  readonly lines: readonly Line[];
  /** In cells from the upper left corner of the room; null: there is only room for the numbers of now. */
  readonly area: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  } | null;
  readonly curves: readonly Curve[];
}

export interface Curve {
  /** Stands before its label in the legend, and for its points where there are no lines. */
  readonly mark: string;
  readonly tone: Tone;
  /** From the first to the last, evenly; shares of the height, 0 at the bottom; null: not known. */
  readonly heights: readonly (number | null)[];
}

const LEAST_AREA = { width: 10, height: 2 };
const MARKS = '*+ox#@%&';

export function plotOf(chart: Chart, room: { readonly width: number; readonly height: number }): Plot {
  const known = chart.series.map(({ values }) => values.map((value) => finite(value)));
  const highest = known.reduce(
    (most, values) => values.reduce<number>((a, b) => Math.max(a, b ?? 0), most),
    0,
  );
  const top = roundedUp(highest);
  const curves = chart.series.map(
    ({ tone }, at): Curve => ({
      ...{ mark: MARKS[at % MARKS.length] ?? '*', tone },
      heights: (known[at] ?? []).map((value) => (value === null ? null : Math.max(0, value) / top)),
    }),
  );
  const entries = chart.series.map(({ label, tone }, at): Line => {
    const now = known[at]?.at(-1) ?? null;
    const told = now === null ? '-' : clean(chart.told(now));
    const mark = chart.series.length > 1 ? `${MARKS[at % MARKS.length]} ` : '';
    return [
      { text: `${mark}${clean(label)} `, tone },
      { text: told, tone: 'strong' },
    ];
  });
  const scale = (highest > 0 ? [top, top / 2, 0] : [0, 0, 0]).map((value) => clean(chart.told(value)));
  const left = Math.max(...scale.map(width)) + 1;
  const head = legend(entries, Math.max(0, room.width), room.height < 8 ? 1 : 2);
  const area = { left, top: head.length, width: room.width - left, height: room.height - head.length - 1 };
  if (area.width < LEAST_AREA.width || area.height < LEAST_AREA.height) {
    const lines = entries
      .slice(0, Math.max(0, room.height))
      .map((entry) => cut(entry, Math.max(0, room.width)));
    return { lines, area: null, curves: [] };
  }
  const [, half = '', none = ''] = scale;
  const most = highest > 0 ? (scale[0] ?? '') : '';
  const middle =
    most === '' || half === most || half === none || area.height < 4 ? -1 : Math.round(area.height / 2 - 0.5);
  const sides = Array.from({ length: area.height }, (_, row): Line => {
    const told = row === 0 ? most : row === middle ? half : '';
    return pad([{ text: `${told}${told === '' ? '│' : '┤'}`, tone: 'dim' }], left, 'right');
  });
  const [from, to] = [clean(chart.from), clean(chart.to)];
  const between = '─'.repeat(Math.max(1, area.width - width(from) - width(to)));
  const under = pad([{ text: `${none}└`, tone: 'dim' }], left, 'right');
  const lines = [
    ...head,
    ...sides,
    cut([...under, { text: `${from}${between}${to}`, tone: 'dim' }], room.width),
  ];
  return { lines, area, curves };
}

function finite(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : value;
}

/** The least of 1, 2 and 5 times a power of ten that is not below: a scale that stays while values change a little. */
function roundedUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const digit = [1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10;
  return digit * power;
}

/** Side by side as they fit whole, in so many rows at most; what is over is cut. */
function legend(entries: readonly Line[], cells: number, rows: number): readonly Line[] {
  const lines: Line[] = [];
  for (const entry of entries) {
    const last = lines.at(-1) ?? [];
    const longer = last.length === 0 ? entry : [...last, BETWEEN, ...entry];
    if (lines.length === 0 || (lineWidth(longer) > cells && lines.length < rows)) lines.push(entry);
    else lines[lines.length - 1] = longer;
  }
  return lines.length === 0 ? [[]] : lines.map((line) => cut(line, cells));
}

const BETWEEN: Span = { text: '   ', tone: 'plain' };

const EIGHTHS = ' ▁▂▃▄▅▆▇█';

/** The curves in characters, a line for each row of the area: one as columns, several as their marks. */
export function curveLines({ curves, area }: Plot): readonly Line[] {
  if (area === null) return [];
  const cells = Array.from({ length: area.height }, () =>
    Array.from({ length: area.width }, (): Span => BLANK),
  );
  for (const { mark, tone, heights } of [...curves].reverse()) {
    for (let column = 0; column < area.width; column += 1) {
      const height = heightAt(heights, column, area.width);
      if (height === null) continue;
      if (curves.length > 1) {
        const row = Math.round((1 - height) * (area.height - 1));
        cells[row]?.splice(column, 1, { text: mark, tone });
        continue;
      }
      const eighths = height === 0 ? 0 : Math.max(1, Math.round(height * area.height * 8));
      for (let row = 0; row < area.height; row += 1) {
        const full = Math.max(0, Math.min(8, eighths - (area.height - 1 - row) * 8));
        if (full > 0) cells[row]?.splice(column, 1, { text: EIGHTHS[full] ?? '█', tone });
      }
    }
  }
  return cells;
}

const BLANK: Span = { text: ' ', tone: 'plain' };

/** Of several values in one column the largest: a peak must be seen. */
function heightAt(heights: readonly (number | null)[], column: number, columns: number): number | null {
  const last = heights.length - 1;
  if (last < 1) return column === columns - 1 ? (heights[0] ?? null) : null;
  const from = Math.round((column * last) / Math.max(1, columns - 1));
  const to = Math.max(from, Math.round(((column + 1) * last) / Math.max(1, columns - 1)) - 1);
  let most: number | null = null;
  for (let at = from; at <= Math.min(last, to); at += 1) {
    const height = heights[at] ?? null;
    if (height !== null && height > (most ?? -1)) most = height;
  }
  return most;
}
