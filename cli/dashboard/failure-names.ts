import { tileAt } from '../../jobs/pyramid.js';
import { grouped } from '../../jobs/quantities.js';
import type { FailureFilter, FailureRecord, Image } from '../../jobs/work-queue.js';

/** How failures are named, and what can be done about them. */

type Named = Pick<FailureRecord, 'lane' | 'image' | 'first' | 'count'>;

/**
 * `12/3_4`, `12/3_4 and 16 more`, where the geometry is not known `tiles 40-56`; `descriptor`; `check 12/3_4`, `check of the
 * image`; `id` of one that could not be planned.
 */
export function whatWords({ lane, first, count }: Named, image: Image | null): string {
  switch (lane) {
    case 'images':
      return 'id';
    case 'descriptors':
      return 'descriptor';
    case 'tiles':
      return tilesWords(first, count, image) ?? `${count === 1 ? 'tile' : 'tiles'} ${numbers(first, count)}`;
    case 'checks':
      if (image !== null && first === image.tiles) return 'check of the image';
      return `check ${tilesWords(first, count, image) ?? numbers(first, count)}`;
  }
}

function tilesWords(first: number, count: number, image: Image | null): string | null {
  if (image === null || first >= image.tiles) return null;
  const { level, column, row } = tileAt(image, first);
  return `${level}/${column}_${row}${count === 1 ? '' : ` and ${grouped(count - 1)} more`}`;
}

/** `40`, `40-56`: both ends count. */
function numbers(first: number, count: number): string {
  return count === 1 ? `${first}` : `${first}-${first + count - 1}`;
}

/** Who it is, through all looks. */
export function failureKey({ lane, image, first, count }: Named): string {
  return `${lane} ${first} ${count} ${image}`;
}

/** Chooses this failure and no other; nothing of one that is not tried again by the queue, but by zh-populate or zh-verify. */
export function retried({ lane, image, first, count }: Named): { readonly failure?: FailureFilter } {
  switch (lane) {
    case 'tiles':
      return { failure: { lane, image, range: { first, end: first + count } } };
    case 'descriptors':
      return { failure: { lane, image } };
    case 'images':
    case 'checks':
      return {};
  }
}
