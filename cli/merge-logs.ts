/** The log of one machine; `label` goes before each of its lines. */
export interface MachineLog {
  readonly label: string;
  readonly lines: readonly string[];
}

/**
 * The logs of several machines as one, by time, each machine's lines in their order. A line that does not begin with
 * a time goes with the one before it; where no line has one (`cat`), one machine comes after the other. `now` (ms)
 * tells the year of times that have none.
 */
export function mergeLogs(logs: readonly MachineLog[], now: number): string[] {
  const entries = logs.flatMap(({ label, lines }) => {
    const found: { at: number; lines: string[] }[] = [];
    for (const line of lines) {
      const before = found.at(-1);
      const at = timeOf(line, now);
      if (at === null && before !== undefined) before.lines.push(`${label}: ${line}`);
      // A machine's clock may have been set back; its lines stay in order.
      else found.push({ at: Math.max(at ?? 0, before?.at ?? 0), lines: [`${label}: ${line}`] });
    }
    return found;
  });
  return entries.sort((a, b) => a.at - b.at).flatMap((entry) => entry.lines);
}

const DAY_MS = 86_400_000;

/** When a line of journalctl was written (ms since the epoch), in whichever form it is; null if that does not say. */
export function timeOf(line: string, now: number): number | null {
  const iso = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?)([+-]\d\d):?(\d\d) /.exec(line);
  if (iso !== null) return Date.parse(`${iso[1]?.replace(',', '.')}${iso[2]}:${iso[3]}`);
  const full = /^\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) /.exec(line);
  if (full !== null) return valid(Date.parse(`${full[1]}T${full[2]?.slice(0, 12)}Z`));
  const short = /^(\w{3}) ([ \d]\d) (\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d* /.exec(line);
  if (short !== null) {
    const inYear = (year: number) => Date.parse(`${short[2]} ${short[1]} ${year} ${short[3]} UTC`);
    const year = new Date(now).getUTCFullYear();
    return valid(inYear(year) > now + DAY_MS ? inYear(year - 1) : inYear(year));
  }
  const seconds = /^(\d{9,}\.\d+) /.exec(line);
  if (seconds !== null) return Number(seconds[1]) * 1000;
  const microseconds = /"__REALTIME_TIMESTAMP"\s*:\s*"(\d+)"/.exec(line);
  return microseconds === null ? null : Number(microseconds[1]) / 1000;
}

const valid = (at: number): number | null => (Number.isNaN(at) ? null : at);
