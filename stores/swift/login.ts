import type { HttpAnswer, StatusMeaning } from '../http-client.js';
import type { SwiftCredentials } from './credentials.js';
import { v1Login, v1Request } from './login-v1.js';
import { v2Login, v2Request } from './login-v2.js';
import { v3Login, v3Request } from './login-v3.js';
import type { SwiftLogin } from './session.js';

/** What is asked of a login server. Holds secrets. */
export interface LoginRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/** What it answered with a status of success. */
export interface LoginAnswer {
  header(name: string): string | null;
  /** The body; undefined if it is not JSON. */
  readonly json: unknown;
}

export type LoginCredentials = Exclude<SwiftCredentials, { readonly kind: 'token' }>;

export function loginRequest(credentials: LoginCredentials): LoginRequest {
  switch (credentials.kind) {
    case 'v1':
      return v1Request(credentials);
    case 'v2':
      return v2Request(credentials);
    case 'v3':
      return v3Request(credentials);
  }
}

/** Throws `permanent`/`wrong-credentials` if the answer is no login, or knows no storage that fits. */
export function loginOf(credentials: LoginCredentials, answer: LoginAnswer): SwiftLogin {
  switch (credentials.kind) {
    case 'v1':
      return v1Login(credentials, answer);
    case 'v2':
      return v2Login(credentials, answer);
    case 'v3':
      return v3Login(credentials, answer);
  }
}

/**
 * What another status means at a login. Whatever is permanent has the code `wrong-credentials`: nothing can be read
 * or written until somebody changes a variable, so it is the whole store's trouble. An answer's own words are not
 * repeated: Keystone quotes what it was sent.
 */
export function explainLogin(
  { authVariable, variables }: LoginCredentials,
  { status }: Pick<HttpAnswer, 'status'>,
): StatusMeaning {
  // Rackspace's words for too many logins a minute.
  if (status === 413 || status === 429) return { kind: 'transient', code: 'throttled' };
  if (status === 408 || (status >= 500 && status !== 501)) return {};
  const code = 'wrong-credentials';
  const kind = 'permanent';
  if (status === 400)
    return { kind, code, detail: `the login is not understood: check ${authVariable}, then ${variables}` };
  if (status === 401 || status === 403)
    return { kind, code, detail: `the login is refused: check ${variables}` };
  if (status >= 300 && status < 400)
    return { kind, code, detail: `the login is elsewhere: check ${authVariable}` };
  return { kind, code, detail: `no login is there: check ${authVariable}` };
}
