/** `5s`, `3min`, `2h`, `4d`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** As systemctl writes a time, in UTC: `Sat 2026-11-21 09:00:00 UTC`. */
export function stamp(ms: number): string {
  const date = new Date(ms);
  return `${DAYS[date.getUTCDay()]} ${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The time of day in UTC: `09:00:00Z`. By hand: a dashboard tells hundreds of them at each look. */
export function timeOfDay(ms: number): string {
  const second = Math.floor(ms / 1000) % 86_400;
  return `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}Z`;
}

function two(count: number): string {
  return count < 10 ? `0${count}` : `${count}`;
}

const DAY_MS = 86_400_000;

/** A time near `now` is told by its time of day, `09:00:00Z`; any other with its date: `2026-11-21T09:00:00Z`. */
export function timeNear(ms: number, now: number): string {
  return Math.abs(now - ms) < DAY_MS / 2 ? timeOfDay(ms) : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
