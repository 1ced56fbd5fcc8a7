import { transient } from '../../runtime/errors.js';
import type { ListedObject, ListPage } from '../store.js';
import { elementsAt, parseXml, textAt } from '../xml.js';

/**
 * The parameters that ask for so many keys after a cursor, null for the first page. `folder` is the location's prefix with its
 * slash, or ''. A cursor is a continuation token, or the last key for a server that knows only the first version of
 * listings and so gave none.
 */
export function pageQuery(
  folder: string,
  prefix: string,
  cursor: string | null,
  keys: number,
): readonly (readonly [string, string])[] {
  const of = (name: string, value: string) => [name, value] as const;
  const common = [of('prefix', folder + prefix), of('encoding-type', 'url'), of('max-keys', String(keys))];
  if (cursor?.startsWith(BY_KEY) === true) return [...common, of('marker', cursor.slice(BY_KEY.length))];
  return [
    ...common,
    of('list-type', '2'),
    ...(cursor === null ? [] : [of('continuation-token', cursor.slice(BY_TOKEN.length))]),
  ];
}

const BY_TOKEN = 'token:';
const BY_KEY = 'key:';

/** A page out of the answer. What only stands for the location's own folder is left out. */
export function parsePage(what: string, text: string, folder: string): ListPage {
  const result = elementsAt(parseXml(what, text), 'ListBucketResult')[0];
  if (result === undefined) throw transient(`${what}: the answer is no listing`, { code: 'bad-answer' });
  const encoded = textAt(result, 'EncodingType') === 'url';
  const objects: ListedObject[] = [];
  let last = '';
  for (const entry of elementsAt(result, 'Contents')) {
    const name = textAt(entry, 'Key') ?? '';
    const size = Number(textAt(entry, 'Size') ?? Number.NaN);
    last = encoded ? decoded(name) : name;
    if (!last.startsWith(folder) || !Number.isInteger(size))
      throw transient(`${what}: the listing holds what was not asked for`, { code: 'bad-answer' });
    const modifiedMs = Date.parse(textAt(entry, 'LastModified') ?? '');
    if (last !== folder)
      objects.push({
        ...{ key: last.slice(folder.length), size },
        modifiedMs: Number.isNaN(modifiedMs) ? null : modifiedMs,
      });
  }
  return { objects, cursor: cursorAfter(what, result, last) };
}

function cursorAfter(what: string, result: Parameters<typeof textAt>[0], last: string): string | null {
  if (textAt(result, 'IsTruncated') !== 'true') return null;
  const next = textAt(result, 'NextContinuationToken');
  if (next !== null && next !== '') return BY_TOKEN + next;
  if (last === '') throw transient(`${what}: the listing goes on, but from where?`, { code: 'bad-answer' });
  return BY_KEY + last;
}

/** AWS encodes a space as `+`, others as `%20`; a plus is `%2B` to all. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', '%20'));
  } catch {
    return name;
  }
}
