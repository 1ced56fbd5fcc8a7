import type { IncomingHttpHeaders } from 'node:http';

/** The head of an answer as HTTP/1.1 has it at its plainest (RFC 9112), and what it says of the bytes after it. */
export class AnswerHead {
  constructor(
    readonly status: number,
    private readonly text: string,
    /** Where the body begins. */
    readonly end: number,
    /** The body is exactly this long. */
    readonly length: number,
    /** How long its connection may be kept without a request, in ms; 0: it is over with this answer. */
    readonly keepMs: number,
  ) {}

  /** By name in lower case, values as latin1; several of one name in order. Read now: of most writes, nobody wants to know. */
  headers(): IncomingHttpHeaders {
    return headersOf(this.text);
  }
}

/** A head over this is not read here. */
export const HEAD_BYTES = 16_384;
/** Of a server that does not say how long it keeps a connection; and how much sooner than it we let go. As undici has it. */
const KEEP_MS = 4_000;
const SOONER_MS = 2_000;
const KEEP_MOST_MS = 600_000;

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;
const COLON = 58;
const VERSION = Buffer.from('HTTP/1.1 ');

/** What a byte may be part of: a header's name (RFC 9110, `tchar`), its value, or the words after a status. */
const NAME = 1;
const TEXT = 2;
const KINDS = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  if (byte === TAB || (byte >= SPACE && byte !== 127)) KINDS[byte] = TEXT;
  if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte))) KINDS[byte] = NAME | TEXT;
}

/**
 * Reads the head that begins at `from`; bytes have come up to `to`. null: it is not whole yet. `unusual`: whatever
 * it is, nobody has to guess here where such an answer ends - another version, 1xx, a body with any Transfer-Encoding, without
 * a length or with more than one, and all that the grammar does not have. `bodiless`: the request was HEAD.
 */
export function readAnswerHead(
  bytes: Buffer,
  from: number,
  to: number,
  bodiless: boolean,
): AnswerHead | 'unusual' | null {
  const isLong = to - from >= HEAD_BYTES;
  const ends = headEnd(bytes, from, isLong ? from + HEAD_BYTES : to);
  if (ends === UNUSUAL || (ends === MORE && isLong)) return 'unusual';
  if (ends === MORE) return null;
  const text = bytes.toString('latin1', from, ends);
  const status = Number(text.slice(9, 12));
  if (status < 200) return 'unusual';
  const framing = framingOf(text);
  const length = lengthOf(framing.length);
  if (Number.isNaN(length) || (framing.coding !== null && length !== null)) return 'unusual';
  // These end with their heads whatever stands in them (RFC 9112, 6.3).
  const hasNone = bodiless || status === 204 || status === 304;
  if (!hasNone && length === null) return 'unusual';
  return new AnswerHead(status, text, ends, hasNone ? 0 : (length ?? 0), keepMsOf(framing));
}

const MORE = -1;
const UNUSUAL = -2;

/** Where the head ends, by a walk through all of its grammar; what is wrong is seen before the rest has come. */
function headEnd(bytes: Buffer, from: number, to: number): number {
  for (let nth = 0; nth < 12; nth++) {
    if (from + nth === to) return MORE;
    const byte = bytes[from + nth]!;
    if (nth < 9 ? byte !== VERSION[nth] : byte < 48 || byte > 57) return UNUSUAL;
  }
  if (to > from + 12 && bytes[from + 12] !== SPACE) return UNUSUAL;
  let at = lineEnd(bytes, from + 12, to);
  while (at >= 0) {
    if (at === to) return MORE;
    if (bytes[at] === CR) return at + 1 === to ? MORE : bytes[at + 1] === LF ? at + 2 : UNUSUAL;
    const start = at;
    while (at < to && (KINDS[bytes[at]!]! & NAME) !== 0) at++;
    if (at === to) return MORE;
    if (at === start || bytes[at] !== COLON) return UNUSUAL;
    at = lineEnd(bytes, at + 1, to);
  }
  return at;
}

/** Where the next line begins, if this one is nothing but text up to its CRLF. */
function lineEnd(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && KINDS[bytes[at]!] !== 0) at++;
  if (at === to) return MORE;
  if (bytes[at] !== CR) return UNUSUAL;
  if (at + 1 === to) return MORE;
  return bytes[at + 1] === LF ? at + 2 : UNUSUAL;
}

/** What a head says of the body's end and of the connection's; of a header that comes twice, both with a comma. */
interface Framing {
  length: string | null;
  coding: string | null;
  connection: string | null;
  keepAlive: string | null;
}

/** Of a head whose grammar is right. */
function framingOf(text: string): Framing {
  const framing: Framing = { length: null, coding: null, connection: null, keepAlive: null };
  let end = text.indexOf('\r\n');
  for (let at = end + 2; at < text.length - 2; at = end + 2) {
    end = text.indexOf('\r\n', at);
    // Most names are told apart by their length.
    if (text.charCodeAt(at + 10) === COLON) {
      const name = text.slice(at, at + 10).toLowerCase();
      if (name === 'connection') framing.connection = also(framing.connection, trimmed(text, at + 11, end));
      if (name === 'keep-alive') framing.keepAlive = also(framing.keepAlive, trimmed(text, at + 11, end));
    } else if (text.charCodeAt(at + 14) === COLON) {
      const isLength = text.slice(at, at + 14).toLowerCase() === 'content-length';
      if (isLength) framing.length = also(framing.length, text.slice(at + 15, end));
    } else if (text.charCodeAt(at + 17) === COLON) {
      const isCoding = text.slice(at, at + 17).toLowerCase() === 'transfer-encoding';
      if (isCoding) framing.coding = also(framing.coding, trimmed(text, at + 18, end));
    }
  }
  return framing;
}

function also(had: string | null, value: string): string {
  return had === null ? value : `${had},${value}`;
}

/** Of a head whose grammar is right. */
function headersOf(text: string): IncomingHttpHeaders {
  // Without a prototype, whose properties would be found as headers.
  const headers: Record<string, string | string[] | undefined> = Object.create(null);
  for (let at = text.indexOf('\r\n') + 2; at < text.length - 2; ) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r\n', colon);
    const name = lowerCase(text.slice(at, colon));
    const value = trimmed(text, colon + 1, end);
    const had = headers[name];
    if (had === undefined) headers[name] = value;
    else if (typeof had === 'string') headers[name] = [had, value];
    else had.push(value);
    at = end + 2;
  }
  return headers;
}

/** Of names that were met before: a server sends the same ones with each answer. */
const NAMES = new Map<string, string>();
const NAMES_KEPT = 256;

function lowerCase(name: string): string {
  const known = NAMES.get(name);
  if (known !== undefined) return known;
  const made = name.toLowerCase();
  if (NAMES.size < NAMES_KEPT) NAMES.set(name, made);
  return made;
}

/** Without the blanks around it. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** null: none is told. NaN: more than one, no number that can be counted to, or a tab beside it, at which Node's parser stumbles. */
function lengthOf(value: string | null): number | null {
  if (value === null) return null;
  return /^ *\d{1,15} *$/.test(value) ? Number(value) : Number.NaN;
}

function keepMsOf({ connection, keepAlive }: Framing): number {
  if (connection !== null && connection.toLowerCase() !== 'keep-alive') return 0;
  const seconds = keepAlive === null ? undefined : /timeout=(\d{1,9})/i.exec(keepAlive)?.[1];
  if (seconds === undefined) return KEEP_MS;
  return Math.min(KEEP_MOST_MS, Math.max(0, Number(seconds) * 1000 - SOONER_MS));
}
