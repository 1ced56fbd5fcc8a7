import { duration, grouped, megabytes } from '../../jobs/quantities.js';
import type { Block, Chart } from './page.js';
import type { Rates } from './rates.js';

/** Tiles/s and MB/s over time, side by side. */
export function rateCharts({ tilesPerSecond, bytesPerSecond, slotMs }: Rates, band: number): Block[] {
  const from = `${duration(tilesPerSecond.length * slotMs)} ago`;
  const block = (
    id: 'tiles-rate' | 'bytes-rate',
    title: string,
    tone: 'accent' | 'good',
    values: Chart['series'][number]['values'],
    told: Chart['told'],
  ): Block => ({
    ...{ id, title, band, grow: { width: 1, height: 1 }, least: { width: 24, height: 6 } },
    ...{ spare: id === 'tiles-rate' ? 4 : 6 },
    body: { kind: 'chart', series: [{ label: title, tone, values }], told, from, to: 'now' },
  });
  return [
    block('tiles-rate', 'Tiles/s', 'accent', tilesPerSecond, tilesTold),
    block('bytes-rate', 'MB/s', 'good', bytesPerSecond, (bytes) => grouped(megabytes(bytes))),
  ];
}

/** Whole numbers, but of a migration that hardly moves. */
function tilesTold(rate: number): string {
  return grouped(rate < 10 ? rate.toFixed(1) : rate.toFixed(0));
}
