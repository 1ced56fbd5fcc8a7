import { tileCount } from './pyramid.js';
import type { Image, ImageGeometry, MigrationDefinition, VerifyOptions } from './work-queue.js';

/** How records look inside Redis values: packed small, because a large migration has millions of images. */

/**
 * JSON, compared as text when a migration is created again. What came later than the first definitions is left out
 * where it has its default, so that an old one reads, and compares, as what it always meant.
 */
export function packDefinition(definition: MigrationDefinition): string {
  const { name, source, destination, rangeSize, maxAttempts, stopAfterFailures, stopAfterTiles } = definition;
  const { serverSide, incomplete } = definition;
  return JSON.stringify({
    ...{ name, source, destination, rangeSize, maxAttempts, stopAfterFailures, stopAfterTiles },
    ...(serverSide === LATER.serverSide ? {} : { serverSide }),
    ...(incomplete === LATER.incomplete ? {} : { incomplete }),
  });
}

export function unpackDefinition(text: string): MigrationDefinition {
  return { ...LATER, ...(JSON.parse(text) as Omit<MigrationDefinition, keyof typeof LATER>) };
}

const LATER = { serverSide: 'auto', incomplete: 'withhold' } as const;

/** JSON, compared as text with the options of the round under way. */
export function packVerifyOptions({ sample, read, unpublish }: VerifyOptions): string {
  return JSON.stringify({ sample, read, unpublish });
}

/** `width:height:tileSize:overlap:format:id`, numbers in base 36; the id may hold anything, the format is escaped. */
export function packRow(id: string, image: ImageGeometry): string {
  const numbers = [image.width, image.height, image.tileSize, image.overlap].map((n) => n.toString(36));
  return [...numbers, encodeURIComponent(image.format), id].join(':');
}

export function unpackRow(number: number, row: string): Image {
  const [width, height, tileSize, overlap, format, ...id] = row.split(':');
  const extent = { width: base36(width), height: base36(height), tileSize: base36(tileSize) };
  return {
    ...extent,
    overlap: base36(overlap),
    format: decodeURIComponent(format ?? ''),
    number,
    id: id.join(':'),
    tiles: tileCount(extent),
  };
}

/** The id of a row, where nothing else is asked. */
export function idOfRow(row: string): string {
  return row.split(':').slice(5).join(':');
}

/** A stored failure: field `<image in bucket>:first`, value `count:reason:status:attempt`. */
export function unpackFailure(
  field: string,
  value: string,
): { place: number; first: number; count: number; reason: number; status: number; attempt: number } {
  const [place, first] = field.split(':').map(base36) as [number, number];
  const [count, reason, status, attempt] = value.split(':').map(base36) as [number, number, number, number];
  return { place, first, count, reason, status, attempt };
}

/** Redis's flat list of fields and values. */
export function pairs(flat: readonly string[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index + 1 < flat.length; index += 2) map.set(flat[index]!, flat[index + 1]!);
  return map;
}

function base36(text: string | undefined): number {
  return Number.parseInt(text ?? '', 36);
}
