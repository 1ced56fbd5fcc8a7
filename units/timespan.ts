/** systemd's units of time, in ms. `m` is minutes, `M` months. */
const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
  M: 2_629_800_000,
  month: 2_629_800_000,
  months: 2_629_800_000,
  y: 31_557_600_000,
  year: 31_557_600_000,
  years: 31_557_600_000,
};

/**
 * A time span as systemd writes it (`90`, `1min 30s`, `1.5h`, `infinity`) in ms; a bare number is seconds.
 * `null` if it is not one.
 */
export function parseTimespan(text: string): number | null {
  const trimmed = text.trim();
  if (trimmed === 'infinity') return Number.POSITIVE_INFINITY;
  if (!/^(\d+(\.\d+)?\s*[a-zA-Z]*\s*)+$/.test(trimmed)) return null;
  let total = 0;
  for (const [, number, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*([a-zA-Z]*)/g)) {
    const factor = unit === '' ? 1000 : UNITS[unit ?? ''];
    if (factor === undefined) return null;
    total += Number(number) * factor;
  }
  return total;
}

/** For people: `100 ms`, `1.5 s`, `90 s`. */
export function formatMs(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
