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
  if (last?.text !== text)
    last = {
      text,
      definition: { ...LATER, ...(JSON.parse(text) as Omit<MigrationDefinition, keyof typeof LATER>) },
    };
  return last.definition;
}
/** Each claim brings the definition along, nearly always the same. */
let last: { readonly text: string; readonly definition: MigrationDefinition } | undefined;

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
  const [w, h, side, overlap, format = '', ...id] = row.split(':');
  const [width, height, tileSize] = [base36(w), base36(h), base36(side)];
  const tiles = tileCount({ width, height, tileSize });
  // Without `...` of a variable: to V8 the first image made so has another shape than those after it.
  return {
    ...{ number, id: id.join(':'), tiles },
    ...{ width, height, tileSize, overlap: base36(overlap), format: decodeURIComponent(format) },
  };
}

/** The id of a row, where nothing else is asked. */
export function idOfRow(row: string): string {
  return row.split(':').slice(5).join(':');
}

export interface StoredFailure {
  /** Of the image in its bucket. */
  readonly place: number;
  readonly kind: number;
  readonly ranges: readonly { readonly first: number; readonly count: number }[];
}

/** A digit for each image of a bucket of failures: the first character of a field. */
const PLACES = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_';

/** What matches the fields of one image in its bucket of failures, as HSCAN takes it. */
export function failureFieldsOf(place: number): string {
  return `${PLACES[place]}*`;
}

/**
 * Failures as jobs/scripts/failures.lua stores them: field `<place>first`, value `kind[-count]{.gap[-count]}`. A lone tile
 * that failed in a common way has a value of one digit, which Redis keeps as a number.
 */
export function unpackFailure(field: string, value: string): StoredFailure {
  const first = base36(field.slice(1));
  const [head = '', ...more] = value.split('.');
  const [kind, count = 1] = head.split('-').map(base36) as [number, number?];
  const ranges = [{ first, count }];
  let past = first + count;
  for (const text of more) {
    const [gap, size = 1] = text.split('-').map(base36) as [number, number?];
    ranges.push({ first: past + gap, count: size });
    past += gap + size;
  }
  return { place: PLACES.indexOf(field[0] ?? ''), kind, ranges };
}

/** A kind of failure: `status:attempt:reason`. */
export function unpackKind(text: string): { reason: string; status: number; attempt: number } {
  const [status, attempt, ...reason] = text.split(':');
  return { reason: reason.join(':'), status: Number(status), attempt: Number(attempt) };
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
