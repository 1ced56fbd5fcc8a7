import { UsageError } from '../runtime/errors.js';
import { can, type FolderPage, type ListableStore, type Store } from '../stores/store.js';
import type { ListedImage } from './image-list.js';
import { insist, type Patience } from './insist.js';
import { collectionRefusal } from './read-image.js';

/** Throws a `UsageError` for a source that cannot be listed. */
export function listable(source: Store): Store & ListableStore {
  if (can(source, 'listPage', 'listFolder')) return source;
  throw new UsageError(`--discover: ${source.name} cannot be listed: give the ids of its images with --ids`);
}

/**
 * What a source holds directly under its location, a page at a time: the tiles, in folders of their own, are not
 * listed. An image is an object `<id>.dzi`, as that is what will be copied; the same in capital letters and collections
 * (`.dzc`) are answered as what they are, so that nothing is passed over in silence.
 */
export async function* discoverImages(
  patience: Patience,
  source: ListableStore,
  signal: AbortSignal,
): AsyncGenerator<readonly ListedImage[]> {
  let cursor: string | null = null;
  do {
    const from: string | null = cursor;
    const page: FolderPage = await insist(patience, signal, () => source.listFolder('', from, signal));
    const images = page.objects.flatMap(({ key }) => listedImage(key) ?? []);
    if (images.length > 0) yield images;
    cursor = page.cursor;
  } while (cursor !== null);
}

/** null for an object that has nothing to do with Deep Zoom. */
function listedImage(key: string): ListedImage | null {
  const [, id = '', extension = ''] = /^(.+)\.(dzi|dzc)$/is.exec(key) ?? [];
  if (id === '') return null;
  if (extension === 'dzi') return { id, refusal: null };
  if (extension.toLowerCase() === 'dzc') return { id: key, refusal: collectionRefusal(key) };
  const detail = `${key} would have to be called ${id}.dzi: nothing looks for a descriptor in capital letters`;
  return { id: key, refusal: { reason: 'letter-case', status: 0, detail } };
}
