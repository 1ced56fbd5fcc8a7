import { type ImageFilter, passes } from './image-filter.js';
import type { ImageRefusal } from './read-image.js';

/** One image of a list, or an object found that is none. */
export interface ListedImage {
  /** Of what is none, the object's key. */
  readonly id: string;
  readonly refusal: ImageRefusal | null;
}

export interface ListedPage {
  /** Ids listed here, whether they pass or not. */
  readonly listed: number;
  /** Those that pass the filters. */
  readonly images: readonly ListedImage[];
}

/** The images to plan, from the first: may be asked for again, and answers the same unless the source changed. */
export interface ImageList {
  /** The same list under the same filters has the same name. */
  readonly name: string;
  pages(signal: AbortSignal): AsyncIterable<ListedPage>;
}

/** So that no page is more than the queue may be asked of at once. */
const PAGE_IDS = 2_000;

/** What passes the filters. Objects that are no image are matched without their extension, and do not count for `top`. */
export async function* filtered(
  pages: AsyncIterable<readonly ListedImage[]>,
  filter: ImageFilter,
): AsyncGenerator<ListedPage> {
  let left = filter.top ?? Number.POSITIVE_INFINITY;
  for await (const page of pages)
    for (let at = 0; at < page.length; at += PAGE_IDS) {
      const images: ListedImage[] = [];
      let listed = 0;
      for (const image of page.slice(at, at + PAGE_IDS)) {
        if (left === 0) break;
        listed++;
        const { id, refusal } = image;
        if (!passes(filter, refusal === null ? id : id.replace(/\.[^.]*$/, ''))) continue;
        images.push(image);
        if (refusal === null) left--;
      }
      yield { listed, images };
      if (left === 0) return;
    }
}
