/** What a figure is held to. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** One promise of a table, measured several times. */
export interface Figure {
  readonly what: string;
  /** One value of each run; for a comparison the ratio of ours to the peer's in that run. */
  readonly values: readonly number[];
  /** Of the values and the target: `s`, `/s`, `MiB`, `x`. */
  readonly unit: string;
  /** null: told for orientation. */
  readonly target: Target | null;
  /** What stands behind it, in words: the rates of both sides, the peer's version and setting. */
  readonly beside: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which this part (0 to 1) of all lies, by nearest rank. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
}

/** Run by run: runs of one number are neighbours in time, so that what disturbs one disturbs the other. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((value, run) => value / theirs[run]!);
}

/** By its median. */
export function isMet({ values, target }: Figure): boolean {
  if (target === null) return true;
  const value = median(values);
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
}

/** `1.42 x (1.38-1.47)`: the median, and the least and most of all runs. */
export function spread(values: readonly number[], unit: string): string {
  const one = `${inWords(median(values))} ${unit}`;
  if (values.length === 1) return one;
  return `${one} (${inWords(Math.min(...values))}-${inWords(Math.max(...values))})`;
}

/** Three digits that mean something, thousands grouped. */
export function inWords(value: number): string {
  if (Math.abs(value) >= 100 || value === 0) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(value < 1 ? 2 : 3)));
}

/** The rows as a table in Markdown. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { what, values, unit, target, beside } = figure;
    const must =
      target === null
        ? '-'
        : 'atLeast' in target
          ? `at least ${inWords(target.atLeast)} ${unit}`
          : `at most ${inWords(target.atMost)} ${unit}`;
    const verdict = target === null ? '-' : isMet(figure) ? 'yes' : '**no**';
    return `| ${what} | ${spread(values, unit)} | ${values.length} | ${must} | ${verdict} | ${beside} |`;
  });
  return [
    '| what | measured | runs | must be | met | beside it |',
    '|---|---|---:|---|---|---|',
    ...rows,
  ].join('\n');
}
