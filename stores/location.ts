import { UsageError } from '../runtime/errors.js';
import { checkKey } from './key.js';

export const PKGCLOUD_PROVIDERS = ['rackspace', 'openstack', 'amazon', 'azure'] as const;
export type PkgcloudProvider = (typeof PKGCLOUD_PROVIDERS)[number];

/** Where a store is, as an operator types it. No `url`, `directory` or `prefix` has a slash at its end. */
export type Location =
  /** Read only. */
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'webdav'; readonly url: string }
  /** An absolute path. */
  | { readonly kind: 'file'; readonly directory: string }
  /** `prefix` is decoded, and '' for the whole container. */
  | {
      readonly kind: 'azure';
      readonly account: string;
      readonly container: string;
      readonly prefix: string;
    }
  | { readonly kind: 'swift'; readonly container: string; readonly prefix: string }
  | { readonly kind: 's3'; readonly container: string; readonly prefix: string }
  | {
      readonly kind: 'pkgcloud';
      readonly provider: PkgcloudProvider;
      readonly container: string;
      readonly prefix: string;
    };

const FORMS = [
  'azure://ACCOUNT/CONTAINER/PREFIX',
  'swift://CONTAINER/PREFIX',
  's3://BUCKET/PREFIX',
  'webdav+http(s)://HOST/BASE',
  'http(s)://HOST/BASE',
  'file:///DIRECTORY',
  `pkgcloud+${PKGCLOUD_PROVIDERS.join('|')}://CONTAINER/PREFIX`,
];
const EXPECTED = `expected ${FORMS.slice(0, -1).join(', ')} or ${FORMS.at(-1)}`;

/** Throws a `UsageError` of one sentence, which repeats no secret the text may hold. */
export function parseLocation(text: string): Location {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text) ?? [];
  if (scheme === '')
    throw new UsageError(
      /^file:/i.test(text)
        ? `"${scrub(text)}" needs three slashes before the directory: file:///DIRECTORY`
        : `"${scrub(text)}" is not a location: ${EXPECTED}`,
    );
  const authority = rest.replace(/[/?#].*$/s, '');
  if (authority.includes('@'))
    throw new UsageError(
      `the location ${scrub(text)} holds a user name or password: locations are stored, secrets never`,
    );
  if (/[?#]/.test(rest))
    throw new UsageError(
      `the location ${scrub(text)} has a query or fragment: give the plain base address (? and # in a name are %3F and %23)`,
    );
  return located(scheme.toLowerCase(), rest, text);
}

/** Throws a `UsageError` also for a location that cannot be written to. */
export function parseDestination(text: string): Location {
  const location = parseLocation(text);
  if (location.kind === 'http')
    throw new UsageError(
      `${scrub(text)} is read only: a destination over HTTP is written webdav+${scrub(text)}`,
    );
  return location;
}

/**
 * The location of one object as the location around it and the object's key there; null if it names a whole
 * container, server or the root directory. Throws what `parseLocation` throws.
 */
export function splitObject(text: string): { readonly parent: string; readonly key: string } | null {
  const location = parseLocation(text);
  const [, head = '', path = ''] = /^([^:]+:\/\/[^/]*)(.*?)\/*$/s.exec(text) ?? [];
  const cut = path.lastIndexOf('/');
  const parent = head + path.slice(0, cut);
  const containers = { azure: 1, swift: 0, s3: 0, pkgcloud: 0, http: 0, webdav: 0, file: 0 };
  if (cut < 0 || path.split('/').length - 1 <= containers[location.kind]) return null;
  return {
    parent: location.kind === 'file' && parent === head ? `${head}/` : parent,
    key: decoded(path.slice(cut + 1), text),
  };
}

function located(scheme: string, rest: string, text: string): Location {
  switch (scheme) {
    case 'http':
    case 'https':
      return { kind: 'http', url: webUrl(`${scheme}://${rest}`, text) };
    case 'webdav+http':
    case 'webdav+https':
      return { kind: 'webdav', url: webUrl(`${scheme.slice('webdav+'.length)}://${rest}`, text) };
    case 'file':
      return { kind: 'file', directory: directoryOf(rest, text) };
    case 'azure': {
      const [account = '', ...path] = rest.split('/');
      if (account === '') throw new UsageError(`"${scrub(text)}" names no account: ${FORMS[0]}`);
      return { kind: 'azure', account, ...containerOf(path, text, FORMS[0]) };
    }
    case 'swift':
    case 's3':
      return {
        kind: scheme,
        ...containerOf(
          rest.split('/'),
          text,
          FORMS.find((form) => form.startsWith(scheme)),
        ),
      };
    default: {
      const named = scheme.replace(/^pkgcloud\+/, '');
      const provider = PKGCLOUD_PROVIDERS.find((one) => one === named);
      if (named === scheme) throw new UsageError(`"${scrub(text)}" has an unknown scheme: ${EXPECTED}`);
      if (provider === undefined)
        throw new UsageError(
          `"${scrub(text)}": pkgcloud's ${named} is not supported, only ${PKGCLOUD_PROVIDERS.join(', ')}`,
        );
      return { kind: 'pkgcloud', provider, ...containerOf(rest.split('/'), text, FORMS.at(-1)) };
    }
  }
}

function webUrl(address: string, text: string): string {
  try {
    const url = new URL(address);
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  } catch (cause) {
    throw new UsageError(`"${scrub(text)}" is not a location: ${EXPECTED}`, { cause });
  }
}

function containerOf(
  path: readonly string[],
  text: string,
  form = '',
): { readonly container: string; readonly prefix: string } {
  const [container = '', ...rest] = path.map((part) => decoded(part, text));
  if (container === '') throw new UsageError(`"${scrub(text)}" names no container: ${form}`);
  const prefix = rest.join('/').replace(/\/+$/, '');
  if (prefix !== '') {
    try {
      checkKey(prefix);
    } catch (cause) {
      throw new UsageError(`"${scrub(text)}" has a prefix that no object can have`, { cause });
    }
  }
  return { container, prefix };
}

function directoryOf(rest: string, text: string): string {
  if (!rest.startsWith('/'))
    throw new UsageError(`"${scrub(text)}" needs three slashes before the directory: file:///DIRECTORY`);
  const directory = new URL(`file://${rest}`).pathname;
  const path = decoded(directory, text);
  if (path.includes('\0')) throw new UsageError(`"${scrub(text)}" has a zero byte in it`);
  return path.replace(/\/+$/, '') || '/';
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
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
