import { type Call, refuse } from './route.js';

/** Rows in one page. Fleet's default `token_limit`; a token with another limit is refused. */
const LIMIT = 100;

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** The token of the next page; absent on the last. */
  readonly next?: string;
}

/**
 * Fleet's paging over whole lists. The rows of a listing are read once and kept with its connection until the last
 * page is out, so that following tokens costs one read and shows one moment of the cluster.
 */
export class Pager<Row> {
  readonly #kept = new WeakMap<object, { readonly filter: string; readonly rows: readonly Row[] }>();

  /** `filter` tells listings of one connection apart; `read` answers all rows, in order. */
  async page(call: Call, filter: string, read: () => Promise<readonly Row[]>): Promise<Page<Row>> {
    const number = pageNumber(call.query.getAll('nextPageToken'));
    const kept = number > 1 ? this.#kept.get(call.connection) : undefined;
    const rows = kept?.filter === filter ? kept.rows : await read();
    const end = number * LIMIT;
    const page = rows.slice(end - LIMIT, end);
    if (rows.length <= end) {
      this.#kept.delete(call.connection);
      return { rows: page };
    }
    this.#kept.set(call.connection, { filter, rows });
    return { rows: page, next: encodeToken(number + 1) };
  }
}

/** URL-safe base64 of two little-endian uint16: limit and page, from 1. */
function encodeToken(page: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(LIMIT, 0);
  bytes.writeUInt16LE(page, 2);
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

function pageNumber(tokens: readonly string[]): number {
  if (tokens.length > 1) throw badToken('too many values for page token');
  const token = tokens[0];
  if (token === undefined) return 1;
  const broken = firstBadByte(token);
  if (broken >= 0) throw badToken(`illegal base64 data at input byte ${broken}`);
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length === 0) throw badToken('EOF');
  if (bytes.length < 4) throw badToken('unexpected EOF');
  if (bytes.readUInt16LE(0) !== LIMIT) throw badToken(`token limit must be ${LIMIT}`);
  const page = bytes.readUInt16LE(2);
  if (page === 0) throw badToken('token page must be greater than zero');
  return page;
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
