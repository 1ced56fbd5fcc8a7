import type { Readable } from 'node:stream';
import type { Store } from '../stores/store.js';
import { openIdList } from './id-list.js';
import { discoverImages, listable } from './image-discovery.js';
import { type ImageFilter, listName } from './image-filter.js';
import { filtered, type ImageList, type ListedImage } from './image-list.js';
import { insist, type Patience } from './insist.js';

export interface ImageListOptions extends Patience, ImageFilter {
  /** As `openIdList` takes it; undefined = what the source holds. */
  readonly ids: string | undefined;
  readonly source: Store;
  readonly stdin: Readable;
  readonly env: NodeJS.ProcessEnv;
}

/** Waits for a list that may be had later. Rejects with one sentence if there is none. */
export async function openImageList(options: ImageListOptions, signal: AbortSignal): Promise<ImageList> {
  const { ids, source, stdin, log, env } = options;
  if (ids === undefined) {
    const from = listable(source);
    return {
      name: listName('discover', options),
      pages: (until) => filtered(discoverImages(options, from, until), options),
    };
  }
  const list = await insist(options, signal, () =>
    openIdList({ from: ids, source, stdin, log, env }, signal),
  );
  return {
    name: listName(list.name, options),
    pages: () => filtered(asImages(list.pages()), options),
  };
}

async function* asImages(pages: AsyncIterable<readonly string[]>): AsyncGenerator<readonly ListedImage[]> {
  for await (const page of pages) yield page.map((id) => ({ id, refusal: null }));
}
