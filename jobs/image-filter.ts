import { compileGlob, type Glob } from '../runtime/glob.js';

/** Which images of a list are meant. */
export interface ImageFilter {
  /** An id has to match one of these, if there is any ... */
  readonly match: readonly Glob[];
  /** ... and none of these. */
  readonly exclude: readonly Glob[];
  /** The first so many that pass, in the order of the list. */
  readonly top: number | undefined;
}

/**
 * A pattern for whole ids, case-sensitive: `*`, `?`, `[a-z]`, and `[^a-z]` or, as shells write it, `[!a-z]`; `\` quotes
 * the next character. Throws an Error that says what is expected of one that is not well formed.
 */
export function parsePattern(text: string): Glob {
  // What is quoted, and classes, are taken whole: only a class that begins with `!` is rewritten.
  const pattern = text.replace(/\\.|\[!?(?:\\.|[^\]])*\]/gs, (part) => part.replace(/^\[!/, '[^'));
  const glob = compileGlob(pattern);
  if (text === '' || !glob.valid) throw new Error('expected a pattern of *, ?, [a-z] and [!a-z]');
  return { ...glob, pattern: text };
}

export function passes({ match, exclude }: ImageFilter, id: string): boolean {
  return (
    (match.length === 0 || match.some((glob) => glob.matches(id))) &&
    !exclude.some((glob) => glob.matches(id))
  );
}

/** The name of what is planned: where the list is from, and what of it is meant. Two that differ name different work. */
export function listName(from: string, { match, exclude, top }: ImageFilter): string {
  const quoted = (flag: string) => (glob: Glob) => `${flag} ${JSON.stringify(glob.pattern)}`;
  return [
    from,
    ...match.map(quoted('--match')),
    ...exclude.map(quoted('--exclude')),
    ...(top === undefined ? [] : [`--top ${top}`]),
  ].join(' ');
}
