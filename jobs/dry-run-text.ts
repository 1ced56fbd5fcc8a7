import type { DryRun } from './dry-run.js';
import { duration, size } from './quantities.js';

/** What `zh-populate --dry-run` prints. */
export function dryRunText(source: string, run: DryRun): string {
  const rows: [string, string][] = [
    ['Source', source],
    [
      'List',
      `${run.list}: ${number(run.listed)} ids${run.filtered === 0 ? '' : `, ${number(run.filtered)} of them not meant`}`,
    ],
    ['Images', number(run.images)],
    ['Duplicates', number(run.duplicates)],
    ['Refused', refusals(run.refused)],
    ['Tiles', number(run.tiles)],
    ['Ranges', `${number(run.ranges)} of up to ${number(run.rangeSize)} tiles`],
    ['Bytes', bytes(run)],
    ['Redis memory', `${size(run.redisBytes)} when all is done; failures come on top`],
    ...run.times.map(({ tilesPerSecond, seconds }, at): [string, string] => [
      at === 0 ? 'Time' : '',
      `${duration(seconds * 1000)} at ${number(tilesPerSecond)} tiles/s`,
    ]),
  ];
  return rows.map(([name, words]) => `${name.padEnd(14)}${words}\n`).join('');
}

function bytes({ bytes: { descriptors, tiles, plusMinus }, tiles: all, sample }: DryRun): string {
  const drawn = sample.tiles === all ? `all ${number(all)} tiles` : `${number(sample.tiles)} sampled tiles`;
  const flaws = [
    ...(sample.missing === 0 ? [] : [`${number(sample.missing)} of them missing`]),
    ...(sample.unread === 0 ? [] : [`${number(sample.unread)} not readable`]),
  ].join(', ');
  const from = flaws === '' ? drawn : `${drawn}, ${flaws}`;
  if (tiles === null || plusMinus === null) return `not known: none of ${drawn} could be looked at`;
  return `${size(tiles + descriptors)} ± ${size(plusMinus)} (from the sizes of ${from})`;
}

function refusals(refused: DryRun['refused']): string {
  const reasons = Object.entries(refused).sort(([, a], [, b]) => b - a);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  const by = reasons.map(([reason, count]) => `${reason} ${number(count)}`).join(', ');
  return reasons.length === 0 ? '0' : `${number(total)}: ${by}`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
