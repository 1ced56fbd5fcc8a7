/**
 * Shell patterns as Go's `path.Match` reads them, because that is what people wrote `Conflicts=` and `Replaces=`
 * for: `*` (any run without `/`), `?` (one character but `/`), `[a-z]` and `[^a-z]`, and `\` to quote the next
 * character. A pattern has to match the whole name.
 */
export interface Glob {
  readonly pattern: string;
  /** The text every match begins with: the whole pattern when `literal`. */
  readonly prefix: string;
  /** No special character at all: it matches `prefix` and nothing else. */
  readonly literal: boolean;
  /** A pattern that is not well formed matches nothing. */
  readonly valid: boolean;
  matches(name: string): boolean;
}

type Ranges = readonly (readonly [low: number, high: number])[];
type Piece =
  | { readonly kind: 'char'; readonly code: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'class'; readonly ranges: Ranges; readonly negated: boolean };

const SLASH = 0x2f;

export function compileGlob(pattern: string): Glob {
  const pieces = readPieces(pattern);
  const special = (pieces ?? []).findIndex(({ kind }) => kind !== 'char');
  const head = pieces === null ? [] : special === -1 ? pieces : pieces.slice(0, special);
  const prefix = head
    .map((piece) => (piece.kind === 'char' ? String.fromCodePoint(piece.code) : ''))
    .join('');
  const literal = pieces !== null && special === -1;
  return {
    pattern,
    prefix,
    literal,
    valid: pieces !== null,
    matches(name) {
      if (pieces === null) return false;
      return literal ? name === prefix : name.startsWith(prefix) && matchPieces(pieces, name);
    },
  };
}

/** The pieces of a pattern, or null if it is not well formed. */
function readPieces(pattern: string): Piece[] | null {
  const codes = Array.from(pattern, (character) => character.codePointAt(0) ?? 0);
  const pieces: Piece[] = [];
  for (let at = 0; at < codes.length; at++) {
    const character = String.fromCodePoint(codes[at] ?? 0);
    if (character === '*') {
      if (pieces.at(-1)?.kind !== 'star') pieces.push({ kind: 'star' });
    } else if (character === '?') {
      pieces.push({ kind: 'any' });
    } else if (character === '[') {
      const read = readClass(codes, at + 1);
      if (read === null) return null;
      pieces.push(read.piece);
      at = read.last;
    } else {
      if (character === '\\') at++;
      const code = codes[at];
      if (code === undefined) return null;
      pieces.push({ kind: 'char', code });
    }
  }
  return pieces;
}

/** Reads `a-z]` or `^a-z]` from `start`; `last` is where its `]` stands. Null if it never ends well. */
function readClass(codes: readonly number[], start: number): { piece: Piece; last: number } | null {
  const is = (at: number, character: string): boolean => codes[at] === character.charCodeAt(0);
  const negated = is(start, '^');
  let at = negated ? start + 1 : start;
  const ranges: (readonly [number, number])[] = [];

  const one = (): number | null => {
    if (is(at, '-') || is(at, ']')) return null;
    if (is(at, '\\')) at++;
    const code = codes[at++];
    return code ?? null;
  };

  while (!(is(at, ']') && ranges.length > 0)) {
    const low = one();
    if (low === null) return null;
    let high: number | null = low;
    if (is(at, '-')) {
      at++;
      high = one();
    }
    if (high === null) return null;
    ranges.push([low, high]);
  }
  return { piece: { kind: 'class', ranges, negated }, last: at };
}

/** Linear in pieces x characters: on a mismatch only the last `*` is tried with one character more. */
function matchPieces(pieces: readonly Piece[], name: string): boolean {
  const codes = Array.from(name, (character) => character.codePointAt(0) ?? 0);
  let piece = 0;
  let at = 0;
  let retryPiece = -1;
  let retryAt = 0;
  while (at < codes.length || piece < pieces.length) {
    const current = pieces[piece];
    const code = codes[at];
    if (current?.kind === 'star') {
      retryPiece = piece++;
      retryAt = at;
    } else if (current !== undefined && code !== undefined && matchOne(current, code)) {
      piece++;
      at++;
    } else {
      const eaten = codes[retryAt];
      if (retryPiece === -1 || eaten === undefined || eaten === SLASH) return false;
      piece = retryPiece + 1;
      at = ++retryAt;
    }
  }
  return true;
}

function matchOne(piece: Exclude<Piece, { kind: 'star' }>, code: number): boolean {
  switch (piece.kind) {
    case 'char':
      return piece.code === code;
    case 'any':
      return code !== SLASH;
    case 'class':
      return piece.ranges.some(([low, high]) => low <= code && code <= high) !== piece.negated;
  }
}
