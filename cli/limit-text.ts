import { megabytes } from '../jobs/quantities.js';
import type { Limit } from '../jobs/work-queue.js';

/** How limits of a migration are typed and told. `off` is no limit, null. */

const MOST_RPS = 1_000_000;
const BYTES: Readonly<Record<string, number>> = { K: 1e3, M: 1e6, G: 1e9 };

/** Requests per second. */
export function parseRps(text: string): number | null {
  if (text === 'off') return null;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MOST_RPS)
    throw new Error(`expected a whole number from 1 to ${MOST_RPS}, or off`);
  return value;
}

/**
 * Bytes per second, as rclone writes its --bwlimit, but decimal as all megabytes here: `10M` is 10,000,000. A bare
 * number, which rclone takes for KiB and others for bytes, is refused.
 */
export function parseBandwidth(text: string): number | null {
  if (text === 'off') return null;
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMG])$/i.exec(text) ?? [];
  const value = Math.round(Number(number) * (BYTES[unit.toUpperCase()] ?? 0));
  if (!(value >= 1 && value <= Number.MAX_SAFE_INTEGER))
    throw new Error('expected bytes a second with K, M or G, such as 500K, 10M or 1.5G, or off');
  return value;
}

/** `at most 500 requests/s and 10.0 MB/s`, `none` */
export function limitWords({ requestsPerSecond, bytesPerSecond }: Limit): string {
  const parts = [
    ...(requestsPerSecond === null ? [] : [`${requestsPerSecond} requests/s`]),
    ...(bytesPerSecond === null ? [] : [`${megabytes(bytesPerSecond)}/s`]),
  ];
  return parts.length === 0 ? 'none' : `at most ${parts.join(' and ')}`;
}
