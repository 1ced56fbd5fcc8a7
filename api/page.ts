import type { Clock } from '../runtime/clock.js';
import { type Call, type Reply, refuse } from './route.js';

/** Rows in one page. Fleet's default `token_limit`; a token with another limit is refused. */
const LIMIT = 100;
/** All that a token's 16 bits can name: the last page has whatever is left. */
const MOST_PAGES = 65_535;
/** How long a listing is kept, after a page of it was asked for, until its last page is out. */
const KEPT_MS = 60_000;
/** How much text of listings is kept together; the newest is kept whatever its size. */
const MOST_TEXT = 32 * 1024 * 1024;
/** Listings of one kind that can be told apart. */
const SLOTS = 16;

/** A listing as it was at one moment: each page as JSON. */
interface Listing {
  readonly pages: readonly string[];
  readonly size: number;
  /** More than one client follows it: who is through with it is not known. */
  readonly shared: boolean;
  until: number;
}

/**
 * Fleet's paging over whole lists. A listing of several pages is read once and kept while its pages are asked for, on
 * whatever connection, so that following tokens costs one read and shows one moment of the cluster.
 *
 * Fleet's token has room for limit and page only. Listings of one kind that are under way side by side and differ are
 * told apart by the four bits which base64 leaves over and decoders pass by: a client alone gets fleet's very tokens.
 * A token whose listing is not kept any more is answered from a new one.
 */
export class Pager {
  readonly #clock: Pick<Clock, 'steady'>;
  readonly #most: number;
  /** By kind and slot; used last comes last. */
  readonly #kept = new Map<string, Listing>();

  constructor(clock: Pick<Clock, 'steady'>, most = MOST_TEXT) {
    this.#clock = clock;
    this.#most = most;
  }

  /** How much is kept, in characters: no more than the bound, or than the newest listing. */
  get size(): number {
    return [...this.#kept.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The page that `call` asks for, as `field` of a JSON object. `kind` names what is listed, filters included; `read`
   * answers all rows, in order.
   */
  async page(
    call: Pick<Call, 'query'>,
    field: string,
    kind: string,
    read: () => Promise<readonly unknown[]>,
  ): Promise<Reply> {
    const { number, slot } = readToken(call.query.getAll('nextPageToken'));
    this.#expire();
    const kept = number > 1 ? this.#kept.get(key(kind, slot)) : undefined;
    if (kept !== undefined) return this.#answerKept(field, kind, slot, kept, number);
    const pages = cutPages(await read());
    if (pages.length <= number) return pageOf(field, pages[number - 1]);
    const texts = pages.map((rows) => JSON.stringify(rows));
    const { free, shared } = this.#slotFor(kind, texts);
    const size = texts.reduce((sum, { length }) => sum + length, 0);
    return this.#answerKept(field, kind, free, { pages: texts, size, shared, until: 0 }, number);
  }

  /** That of a listing just like it, else a free one, else that of the one which was not asked for longest. */
  #slotFor(kind: string, pages: readonly string[]): { readonly free: number; readonly shared: boolean } {
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
    const same = slots.find((slot) => isSame(this.#kept.get(key(kind, slot)), pages));
    const until = (slot: number): number => this.#kept.get(key(kind, slot))?.until ?? 0;
    const free = slots.reduce((oldest, slot) => (until(slot) < until(oldest) ? slot : oldest));
    return { free: same ?? free, shared: same !== undefined };
  }

  #answerKept(field: string, kind: string, slot: number, listing: Listing, number: number): Reply {
    const { pages, shared } = listing;
    if (number === pages.length && !shared) this.#kept.delete(key(kind, slot));
    else this.#keep(key(kind, slot), listing);
    const page = pages[number - 1];
    const next = number < pages.length ? writeToken(number + 1, slot) : undefined;
    return pageOf(field, page === undefined ? undefined : (JSON.parse(page) as unknown), next);
  }

  #keep(at: string, listing: Listing): void {
    listing.until = this.#clock.steady() + KEPT_MS;
    this.#kept.delete(at);
    this.#kept.set(at, listing);
    for (const oldest of this.#kept.keys()) {
      if (oldest === at || this.size <= this.#most) break;
      this.#kept.delete(oldest);
    }
  }

  #expire(): void {
    const now = this.#clock.steady();
    for (const [at, { until }] of this.#kept) if (until <= now) this.#kept.delete(at);
  }
}

function key(kind: string, slot: number): string {
  return `${slot}\0${kind}`;
}

function isSame(kept: Listing | undefined, pages: readonly string[]): boolean {
  return kept?.pages.length === pages.length && pages.every((page, at) => page === kept.pages[at]);
}

/** Names in fleet's order, which is that of the alphabet; what is empty is left out. */
function pageOf(field: string, rows: unknown, nextPageToken?: string): Reply {
  const names = [field, 'nextPageToken'].sort();
  const body: Record<string, unknown> = { [field]: rows, nextPageToken };
  return { status: 200, json: Object.fromEntries(names.map((name) => [name, body[name]])) };
}

/** Rows in pages; none if there are none. */
export function cutPages<Row>(rows: readonly Row[]): (readonly Row[])[] {
  const count = Math.min(Math.ceil(rows.length / LIMIT), MOST_PAGES);
  return Array.from({ length: count }, (_, page) =>
    rows.slice(page * LIMIT, page === count - 1 ? undefined : (page + 1) * LIMIT),
  );
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The character of a token whose lower four bits mean nothing. */
const SLACK_AT = 5;

/** URL-safe base64 of two little-endian uint16: limit and page, from 1. */
function writeToken(page: number, slot: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(LIMIT, 0);
  bytes.writeUInt16LE(page, 2);
  const digits = bytes.toString('base64url');
  const last = ALPHABET[ALPHABET.indexOf(digits.charAt(SLACK_AT)) | slot];
  return `${digits.slice(0, SLACK_AT)}${last}==`;
}

function readToken(tokens: readonly string[]): { readonly number: number; readonly slot: number } {
  if (tokens.length > 1) throw badToken('too many values for page token');
  const token = tokens[0];
  if (token === undefined) return { number: 1, slot: 0 };
  const broken = firstBadByte(token);
  if (broken >= 0) throw badToken(`illegal base64 data at input byte ${broken}`);
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length === 0) throw badToken('EOF');
  if (bytes.length < 4) throw badToken('unexpected EOF');
  if (bytes.readUInt16LE(0) !== LIMIT) throw badToken(`token limit must be ${LIMIT}`);
  const number = bytes.readUInt16LE(2);
  if (number === 0) throw badToken('token page must be greater than zero');
  return { number, slot: ALPHABET.indexOf(token.charAt(SLACK_AT)) % SLOTS };
}

/** Where padded URL-safe base64 goes wrong, -1 if it does not: a missing rest counts from its group of four. */
function firstBadByte(token: string): number {
  const good = /^[A-Za-z0-9_-]*/.exec(token)?.[0].length ?? 0;
  const padded = /^={0,2}$/.test(token.slice(good)) && !(good % 4 < 2 && good < token.length);
  if (!padded) return good;
  return token.length % 4 === 0 ? -1 : token.length - (token.length % 4);
}

function badToken(message: string) {
  return refuse(400, 'bad-token', message);
}
