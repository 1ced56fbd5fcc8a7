import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { messageOf } from '../runtime/errors.js';
import { tileCount } from './pyramid.js';
import type { ImageGeometry } from './work-queue.js';

/** A descriptor is some 200 bytes; what is larger than this is not one. */
export const MAX_DESCRIPTOR_BYTES = 65_536;
/** 1,000,000 x 1,000,000 px in tiles of 254 px are 21 million. */
const MAX_TILES = 100_000_000;
const MAX_SIDE = 2 ** 31 - 1;
const MAX_TILE_SIZE = 65_536;

/** Why a file is not the descriptor of an image that can be migrated. */
export interface DescriptorRefusal {
  /** A constant word, stored with the failure. */
  readonly reason: 'not-a-descriptor' | 'sparse-image' | 'collection' | 'bad-geometry' | 'unsupported-format';
  /** One sentence. */
  readonly detail: string;
}

export type DescriptorReading =
  | { readonly geometry: ImageGeometry }
  | { readonly refusal: DescriptorRefusal };

type Element = Readonly<Record<string, unknown>>;

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  processEntities: false,
  removeNSPrefix: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  parseAttributeValue: false,
  transformTagName: (name) => name.toLowerCase(),
  transformAttributeName: (name) => name.toLowerCase(),
});

const BLANK = '[ \\t\\r\\n]';
const ATTRIBUTES = `((?:${BLANK}+[A-Za-z]\\w*="[^"<>&\\s]*")+)${BLANK}*`;
const DECLARATION = `<\\?xml version="1\\.0" encoding="(?:utf|UTF)-8"\\?>${BLANK}*`;
/** As nearly all programs write it: an Image with a Size, no prefixes before names and no blanks in values. */
const PLAIN = new RegExp(
  `^(?:${DECLARATION})?<Image${ATTRIBUTES}>${BLANK}*<Size${ATTRIBUTES}/>${BLANK}*</Image>${BLANK}*$`,
);

/**
 * Reads a .dzi file. Names are taken in any letter case and any namespace, as both are seen in the field. Never
 * throws: what is not a plain Deep Zoom image of sane size is refused with the reason.
 */
export function readDescriptor(bytes: Uint8Array): DescriptorReading {
  if (bytes.length > MAX_DESCRIPTOR_BYTES)
    return refuse(
      'not-a-descriptor',
      `the descriptor has ${bytes.length} bytes, more than ${MAX_DESCRIPTOR_BYTES}`,
    );
  let document: Element;
  try {
    const text = new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
    const plain = plainImage(text);
    if (plain !== null) return readGeometry(plain.image, plain.size);
    // Entities can make a small file huge or read another; a descriptor needs none.
    if (/<!(DOCTYPE|ENTITY)/i.test(text))
      return refuse('not-a-descriptor', 'the descriptor declares a DOCTYPE');
    const valid = XMLValidator.validate(text);
    if (valid !== true) return refuse('not-a-descriptor', `the descriptor is not XML: ${valid.err.msg}`);
    document = parser.parse(text) as Element;
  } catch (error) {
    return refuse('not-a-descriptor', `the descriptor is not XML: ${messageOf(error)}`);
  }
  if (document.collection !== undefined)
    return refuse('collection', 'this is a Deep Zoom collection (.dzc), which holds no tiles of its own');
  const image = document.image;
  if (!isElement(image)) return refuse('not-a-descriptor', 'the root element is not one Image');
  if (image.displayrects !== undefined)
    return refuse('sparse-image', 'this is a sparse image (DisplayRects): only some of its tiles exist');
  if (!isElement(image.size)) return refuse('not-a-descriptor', 'Image does not hold one Size');
  return readGeometry(image, image.size);
}

/**
 * The elements of a descriptor in its plain form, as the parser gives them; null for all others. The parser takes a third
 * of all CPU time of planning.
 */
function plainImage(text: string): { readonly image: Element; readonly size: Element } | null {
  const [, ofImage, ofSize] = PLAIN.exec(text) ?? [];
  if (ofImage === undefined || ofSize === undefined) return null;
  const image = attributesOf(ofImage);
  const size = attributesOf(ofSize);
  return image === null || size === null ? null : { image, size };
}

/** null if a name is there twice. */
function attributesOf(text: string): Element | null {
  const attributes: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(/([A-Za-z]\w*)="([^"]*)"/g)) {
    const key = `@${name.toLowerCase()}`;
    if (key in attributes) return null;
    attributes[key] = value;
  }
  return attributes;
}

/** Without a byte order mark that says otherwise, XML is UTF-8 (https://www.w3.org/TR/xml/#sec-guessing). */
function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}

function readGeometry(image: Element, size: Element): DescriptorReading {
  const width = integer(size['@width'], 1, MAX_SIDE);
  const height = integer(size['@height'], 1, MAX_SIDE);
  const tileSize = integer(image['@tilesize'], 1, MAX_TILE_SIZE);
  const overlap = integer(image['@overlap'] ?? '0', 0, MAX_TILE_SIZE);
  const format = image['@format'];
  if (width === null || height === null)
    return refuse('bad-geometry', `Size is not two whole numbers from 1 to ${MAX_SIDE}`);
  if (tileSize === null)
    return refuse('bad-geometry', `TileSize is not a whole number from 1 to ${MAX_TILE_SIZE}`);
  if (overlap === null)
    return refuse('bad-geometry', `Overlap is not a whole number from 0 to ${MAX_TILE_SIZE}`);
  if (typeof format !== 'string' || formatMagic(format) === undefined)
    return refuse('unsupported-format', 'Format is none of jpg, jpeg and png');
  const tiles = tileCount({ width, height, tileSize });
  if (tiles > MAX_TILES)
    return refuse(
      'bad-geometry',
      `${width} x ${height} px in tiles of ${tileSize} px are more than ${MAX_TILES} tiles`,
    );
  return { geometry: { width, height, tileSize, overlap, format } };
}

/** The first bytes of every tile of a format, or undefined for a format that is not known. */
export function formatMagic(format: string): readonly number[] | undefined {
  switch (format.toLowerCase()) {
    case 'jpg':
    case 'jpeg':
      return [0xff, 0xd8, 0xff];
    case 'png':
      return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
    default:
      return undefined;
  }
}

function isElement(value: unknown): value is Element {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function integer(value: unknown, least: number, most: number): number | null {
  if (typeof value !== 'string' || !/^\d{1,10}$/.test(value)) return null;
  const number = Number(value);
  return number >= least && number <= most ? number : null;
}

function refuse(reason: DescriptorRefusal['reason'], detail: string): DescriptorReading {
  return { refusal: { reason, detail } };
}
