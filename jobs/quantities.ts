import type { Rate } from './progress.js';

/** How sizes and times are put in words. Units of bytes are decimal: 1 MB is 1,000,000 bytes. */

/** `12.3 MB`, `0.002 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes > 0 && bytes < 1e6 ? 3 : 1)} MB`;
}

/** `12.3 MB`, from ten thousand of a unit on in the next larger: `18.4 GB`, `17.9 TB`. */
export function size(bytes: number): string {
  if (bytes < 1e10) return megabytes(bytes);
  return bytes < 1e13 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e12).toFixed(1)} TB`;
}

/** `51.0 tiles/s, 1.0 MB/s` */
export function rateWords({ tilesPerSecond, bytesPerSecond }: Rate): string {
  return `${tilesPerSecond.toFixed(1)} tiles/s, ${megabytes(bytesPerSecond)}/s`;
}

/** `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`: the two largest units. */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .flatMap(([count, unit]) => (count > 0 ? [`${count} ${unit}`] : []))
    .join(' ');
}

/** `1,204,113`, `8,123.4 MB`: a number, or words with numbers in them, with the thousands of each grouped. */
export function grouped(told: number | string): string {
  return String(told).replace(/(?<![.\d])\d{4,}/g, (digits) => digits.replace(/\B(?=(?:\d{3})+$)/g, ','));
}

/** How long a request took: `0.4 ms`, `12 ms`, `1.2 s`. */
export function latencyWords(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
