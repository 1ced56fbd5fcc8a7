import type { DryRun } from './dry-run.js';
import { duration, grouped, size } from './quantities.js';

/** What `zh-populate --dry-run` prints. */
export function dryRunText(source: string, run: DryRun): string {
  const rows: [string, string][] = [
    ['Source', source],
    [
      'List',
      `${run.list}: ${grouped(run.listed)} ids${run.filtered === 0 ? '' : `, ${grouped(run.filtered)} of them not meant`}`,
    ],
    ['Images', grouped(run.images)],
    ['Duplicates', grouped(run.duplicates)],
    ['Refused', refusals(run.refused)],
    ['Tiles', grouped(run.tiles)],
    ['Ranges', `${grouped(run.ranges)} of up to ${grouped(run.rangeSize)} tiles`],
    ['Bytes', bytes(run)],
    ['Redis memory', `${size(run.redisBytes)} when all is done; failures come on top`],
    ...run.times.map(({ tilesPerSecond, seconds }, at): [string, string] => [
      at === 0 ? 'Time' : '',
      `${duration(seconds * 1000)} at ${grouped(tilesPerSecond)} tiles/s`,
    ]),
  ];
  return rows.map(([name, words]) => `${name.padEnd(14)}${words}\n`).join('');
}

function bytes({ bytes: { descriptors, tiles, plusMinus }, tiles: all, sample }: DryRun): string {
  const drawn = sample.tiles === all ? `all ${grouped(all)} tiles` : `${grouped(sample.tiles)} sampled tiles`;
  const flaws = [
    ...(sample.missing === 0 ? [] : [`${grouped(sample.missing)} of them missing`]),
    ...(sample.unread === 0 ? [] : [`${grouped(sample.unread)} not readable`]),
  ].join(', ');
  const from = flaws === '' ? drawn : `${drawn}, ${flaws}`;
  if (tiles === null || plusMinus === null) return `not known: none of ${drawn} could be looked at`;
  return `${size(tiles + descriptors)} ± ${size(plusMinus)} (from the sizes of ${from})`;
}

function refusals(refused: DryRun['refused']): string {
  const reasons = Object.entries(refused).sort(([, a], [, b]) => b - a);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  const by = reasons.map(([reason, count]) => `${reason} ${grouped(count)}`).join(', ');
  return reasons.length === 0 ? '0' : `${grouped(total)}: ${by}`;
}
