import { transient } from '../../runtime/errors.js';
import type { FolderPage, ListedObject } from '../store.js';
import { elementsAt, parseXml, textAt, type XmlElement } from '../xml.js';

/**
 * The parameters that ask for so many keys after a cursor, null for the first page. `folder` is the location's prefix with its
 * slash, or ''. A cursor is a continuation token, or the last key for a server that knows only the first version of
 * listings and so gave none. `delimiter` `/`: folders in place of what is in them.
 */
export function pageQuery(
  folder: string,
  prefix: string,
  cursor: string | null,
  keys: number,
  delimiter: '/' | null = null,
): readonly (readonly [string, string])[] {
  const of = (name: string, value: string) => [name, value] as const;
  const common = [
    ...[of('prefix', folder + prefix), of('encoding-type', 'url'), of('max-keys', String(keys))],
    ...(delimiter === null ? [] : [of('delimiter', delimiter)]),
  ];
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
export function parsePage(what: string, text: string, folder: string): FolderPage {
  const result = elementsAt(parseXml(what, text), 'ListBucketResult')[0];
  if (result === undefined) throw transient(`${what}: the answer is no listing`, { code: 'bad-answer' });
  const encoded = textAt(result, 'EncodingType') === 'url';
  const nameIn = (element: XmlElement, tag: string): string => {
    const name = textAt(element, tag) ?? '';
    const plain = encoded ? decoded(name) : name;
    if (plain.startsWith(folder)) return plain;
    throw notAskedFor(what);
  };
  const objects: ListedObject[] = [];
  let last = '';
  for (const entry of elementsAt(result, 'Contents')) {
    const size = Number(textAt(entry, 'Size') ?? Number.NaN);
    last = nameIn(entry, 'Key');
    if (!Number.isInteger(size)) throw notAskedFor(what);
    const modifiedMs = Date.parse(textAt(entry, 'LastModified') ?? '');
    if (last !== folder)
      objects.push({
        ...{ key: last.slice(folder.length), size },
        modifiedMs: Number.isNaN(modifiedMs) ? null : modifiedMs,
      });
  }
  const prefixes = elementsAt(result, 'CommonPrefixes').map((entry) => nameIn(entry, 'Prefix'));
  const lastPrefix = prefixes.at(-1) ?? '';
  if (Buffer.compare(Buffer.from(lastPrefix), Buffer.from(last)) > 0) last = lastPrefix;
  return {
    objects,
    folders: prefixes.map((prefix) => prefix.slice(folder.length)),
    cursor: cursorAfter(what, result, last),
  };
}

function notAskedFor(what: string): Error {
  return transient(`${what}: the listing holds what was not asked for`, { code: 'bad-answer' });
}

/** `last`: of the page's names and folders, in the order of their bytes. */
function cursorAfter(what: string, result: XmlElement, last: string): string | null {
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
