import { permanent } from '../runtime/errors.js';
import { decodePath } from './key.js';
import { elementsAt, parseXml, textAt, type XmlElement } from './xml.js';

/** One entry of a collection; a collection itself has the size 0. */
export interface DavEntry {
  /** Decoded, without a slash. */
  readonly name: string;
  readonly isCollection: boolean;
  /** Bytes. */
  readonly size: number;
  readonly modifiedMs: number | null;
}

export interface DavListing {
  /** The asked resource is a collection. */
  readonly isCollection: boolean;
  readonly entries: readonly DavEntry[];
}

/**
 * The answer to PROPFIND (RFC 4918, 9.1) for the resource at a path, with Depth 0 or 1. Paths are compared decoded, as
 * every server has its own way of encoding them; addresses may be whole or begin with a slash. What could hide an
 * entry is an error. `asked`: the path of the request.
 */
export function readMultistatus(what: string, text: string, asked: string): DavListing {
  const path = pathOf(asked);
  const broken = (why: string) => permanent(`${what}: the answer ${why}`, { code: 'rejected' });
  const document = parseXml(what, text);
  if (document.multistatus === undefined) throw broken('is no multistatus');
  let isCollection = false;
  const entries: DavEntry[] = [];
  for (const response of elementsAt(document, 'multistatus', 'response')) {
    const href = textAt(response, 'href');
    if (href === null) throw broken('has an entry without a name');
    const at = pathOf(href);
    if (at !== path && !at.startsWith(`${path}/`)) throw broken(`tells of ${at}, which is not below ${path}`);
    const status = textAt(response, 'status');
    if (status !== null && !isGood(status)) {
      // It has just gone.
      if (/ 404\b/.test(status)) continue;
      throw broken(`says ${status} of ${at}`);
    }
    const isFolder = propertiesOf(response).some(isCollectionType) || href.trim().endsWith('/');
    if (at === path) {
      isCollection = isFolder;
      continue;
    }
    const name = at.slice(path.length + 1);
    // A server that looks deeper than it was asked to: that collection is asked for its own.
    if (name.includes('/')) continue;
    const size = propertyOf(response, 'getcontentlength');
    if (!isFolder && !/^\d+$/.test(size ?? '')) throw broken(`tells no size of ${at}`);
    const modifiedMs = Date.parse(propertyOf(response, 'getlastmodified') ?? '');
    entries.push({
      name,
      isCollection: isFolder,
      size: isFolder ? 0 : Number(size),
      modifiedMs: Number.isNaN(modifiedMs) ? null : modifiedMs,
    });
  }
  return { isCollection, entries };
}

/** The path of an address, decoded, without a slash at its end. Not as `URL` would have it: that changes `\` and `..`. */
function pathOf(href: string): string {
  const path = href
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')
    .replace(/[?#].*$/s, '')
    .replace(/\/+$/, '');
  return decodePath(path);
}

/** The properties that were found: those of other names come in a part of their own, with status 404. */
function propertiesOf(response: XmlElement): XmlElement[] {
  return elementsAt(response, 'propstat')
    .filter((part) => isGood(textAt(part, 'status') ?? ''))
    .flatMap((part) => elementsAt(part, 'prop'));
}

function propertyOf(response: XmlElement, name: string): string | null {
  for (const properties of propertiesOf(response)) {
    const text = textAt(properties, name);
    if (text !== null) return text.trim();
  }
  return null;
}

function isCollectionType(properties: XmlElement): boolean {
  return elementsAt(properties, 'resourcetype').some(({ collection }) => collection !== undefined);
}

/** `HTTP/1.1 200 OK` */
function isGood(status: string): boolean {
  return /^\s*HTTP\/\S+ 2\d\d\b/.test(status);
}
