import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { messageOf, transient } from '../runtime/errors.js';

/** An element by the local names of its children: each a list, in order, of texts (leaves) and elements. */
export interface XmlElement {
  readonly [localName: string]: readonly (string | XmlElement)[];
}

/** Spaces are kept, as names may begin and end with them; so is every number, as text. */
const parser = new XMLParser({
  isArray: () => true,
  removeNSPrefix: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  trimValues: false,
  parseTagValue: false,
  processEntities: false,
  ignoreAttributes: true,
});

/**
 * A store's answer in XML: the document, whose one child is the root element. What is no XML, or declares entities
 * (none of them needs any), is `transient`/`bad-answer`: something stands between us and the store. `what` for
 * messages.
 */
export function parseXml(what: string, text: string): XmlElement {
  const reading = read(text);
  if (typeof reading !== 'string') return reading;
  throw transient(`${what}: the answer is no XML that can be used: ${reading}`, { code: 'bad-answer' });
}

/** The document, or why it is none. */
function read(text: string): XmlElement | string {
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) return 'it declares a DOCTYPE';
  try {
    const plain = text.replace(/<!\[CDATA\[([\s\S]*?)\]\]>/g, (_, inside: string) => escaped(inside));
    const valid = XMLValidator.validate(plain);
    return valid === true ? (parser.parse(plain) as XmlElement) : valid.err.msg;
  } catch (error) {
    return messageOf(error);
  }
}

/** All elements at the end of a path of local names. */
export function elementsAt(element: XmlElement, ...path: readonly string[]): XmlElement[] {
  return path.reduce<XmlElement[]>(
    (found, name) => found.flatMap((one) => (one[name] ?? []).filter((child) => typeof child !== 'string')),
    [element],
  );
}

/** The text of the first leaf at the end of a path; null if there is none. '' for an empty element. */
export function textAt(element: XmlElement, ...path: readonly string[]): string | null {
  const name = path.at(-1) ?? '';
  for (const parent of elementsAt(element, ...path.slice(0, -1))) {
    const text = parent[name]?.find((child) => typeof child === 'string');
    if (text !== undefined) return unescaped(text);
  }
  return null;
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function unescaped(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
