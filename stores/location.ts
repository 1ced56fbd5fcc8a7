import { UsageError } from '../runtime/errors.js';

/** Where a store is, as an operator types it. */
export type Location =
  /** `url` has no slash at its end. Read only. */
  | { readonly kind: 'http'; readonly url: string }
  /** An absolute path. */
  | { readonly kind: 'file'; readonly directory: string };

/** Schemes of the design whose adapters are still to come. */
const PLANNED = /^(azure|swift|s3|webdav\+https?|pkgcloud\+[a-z0-9-]+):/i;
const EXPECTED = 'expected http(s)://HOST/BASE or file:///DIRECTORY';

/** Throws a `UsageError` of one sentence, which repeats no secret the text may hold. */
export function parseLocation(text: string): Location {
  const planned = PLANNED.exec(text);
  if (planned) throw new UsageError(`${planned[1]}: locations are not supported yet: ${EXPECTED}`);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`"${scrub(text)}" is not a location: ${EXPECTED}`);
  }
  if (url.username !== '' || url.password !== '')
    throw new UsageError(
      `the location ${scrub(text)} holds a user name or password: locations are stored, secrets never`,
    );
  if (url.search !== '' || url.hash !== '')
    throw new UsageError(`the location ${scrub(text)} has a query or fragment: give the plain base address`);
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return { kind: 'http', url: `${url.origin}${url.pathname.replace(/\/+$/, '')}` };
    case 'file:':
      return { kind: 'file', directory: directoryOf(url, text) };
    default:
      throw new UsageError(`"${scrub(text)}" has an unknown scheme: ${EXPECTED}`);
  }
}

function directoryOf(url: URL, text: string): string {
  if (url.hostname !== '' || !/^file:\/\//i.test(text))
    throw new UsageError(`"${scrub(text)}" needs three slashes before the directory: file:///DIRECTORY`);
  try {
    const directory = decodeURIComponent(url.pathname);
    if (directory.includes('\0')) throw new Error('a zero byte');
    return directory.replace(/\/+$/, '') || '/';
  } catch (cause) {
    throw new UsageError(`"${scrub(text)}" has a broken percent-encoding`, { cause });
  }
}

/** Takes passwords and query strings (signatures) out of every URL in a text, whole or half. */
export function scrub(text: string): string {
  return text
    .replace(/\/\/[^/\s@]*@/g, '//***@')
    .replace(/[^\s/@:"']+:[^\s/@"']+@/g, '***@')
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s?#"']*)\?[^\s"']*/gi, '$1?***');
}
