import { UsageError } from '../runtime/errors.js';
import type { StoreEnvironment } from './environment.js';
import type { StatusMeaning } from './http-client.js';

export interface DavLogin {
  /** What each request carries; nothing without credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** What is to be said of a 401. */
  readonly refused: StatusMeaning;
}

/**
 * Basic authentication with WEBDAV_USERNAME and WEBDAV_PASSWORD (RFC 7617, in UTF-8), or WEBDAV_BEARER_TOKEN
 * (RFC 6750), or none. Throws a `UsageError` that names what is missing or cannot be sent.
 */
export function davLogin(env: StoreEnvironment): DavLogin {
  const [user, pass, bearer] = ['WEBDAV_USERNAME', 'WEBDAV_PASSWORD', 'WEBDAV_BEARER_TOKEN'].map((name) => ({
    name: env.nameOf(name),
    value: env.get(name),
  })) as [Variable, Variable, Variable];
  if (bearer.value !== undefined) {
    if (user.value !== undefined || pass.value !== undefined)
      throw new UsageError(`set either ${bearer.name}, or ${user.name} and ${pass.name}, not both`);
    if (!/^[A-Za-z0-9._~+/=-]+$/.test(bearer.value))
      throw new UsageError(`${bearer.name} holds a character that no bearer token has`);
    return { headers: { authorization: `Bearer ${bearer.value}` }, refused: wrong(bearer.name) };
  }
  if (user.value === undefined && pass.value === undefined)
    return {
      headers: {},
      refused: {
        code: 'wrong-credentials',
        detail: `the server wants a login: set ${user.name} and ${pass.name}, or ${bearer.name}`,
      },
    };
  if (user.value === undefined) throw new UsageError(`${pass.name} is set, but not ${user.name}`);
  if (pass.value === undefined) throw new UsageError(`${user.name} is set, but not ${pass.name}`);
  if (user.value.includes(':')) throw new UsageError(`${user.name} holds a colon: no user name can`);
  const token = Buffer.from(`${user.value}:${pass.value}`).toString('base64');
  return { headers: { authorization: `Basic ${token}` }, refused: wrong(`${user.name} and ${pass.name}`) };
}

interface Variable {
  readonly name: string;
  readonly value: string | undefined;
}

function wrong(variables: string): StatusMeaning {
  return { code: 'wrong-credentials', detail: `check ${variables}` };
}
