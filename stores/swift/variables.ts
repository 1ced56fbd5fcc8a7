import { UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';

/** A set of credentials as it is read: its values, and which variables they came from. */
export interface Variables {
  /** Of the first of these that is set; null if none is. Throws a `UsageError` for a value that none can be. */
  optional(...names: readonly string[]): string | null;
  /** Throws a `UsageError` that names the first of these if none is set; `purpose` follows: `is not set: ...`. */
  required(purpose: string, ...names: readonly string[]): string;
  /** An address without a slash at its end; `used` does not count it among the credentials. */
  address(purpose: string, name: string, fallback?: string): string;
  /** What was read and set so far: `OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME`. */
  used(): string;
}

export function variablesOf(env: StoreEnvironment): Variables {
  const found: string[] = [];

  function value(name: string): string | null {
    const text = env.get(name);
    if (text === undefined) return null;
    // A file that was read with its last line break, most often: no login could succeed with it.
    if (/[\u0000-\u001f\u007f]/.test(text))
      throw new UsageError(`${env.nameOf(name)} holds a line break or another control character`);
    return text;
  }

  function optional(...names: readonly string[]): string | null {
    for (const name of names) {
      const text = value(name);
      if (text === null) continue;
      found.push(env.nameOf(name));
      return text;
    }
    return null;
  }

  return {
    optional,
    required(purpose, ...names) {
      const text = optional(...names);
      if (text === null) throw new UsageError(`${env.nameOf(names[0] ?? '')} is not set: ${purpose}`);
      return text;
    },
    address(purpose, name, fallback) {
      const text = value(name) ?? fallback;
      if (text === undefined) throw new UsageError(`${env.nameOf(name)} is not set: ${purpose}`);
      return httpAddress(text, env.nameOf(name));
    },
    used: () => listed(found),
  };
}

/** Without a slash at its end. Throws a `UsageError` that begins with `name`; the text may be a misplaced secret. */
export function httpAddress(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(`${name} is no address: expected https://HOST:PORT/PATH`);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new UsageError(`${name} holds a user name, a password or a query: give the plain address`);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
