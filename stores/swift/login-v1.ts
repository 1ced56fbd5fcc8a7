import { noLogin, storageAddress } from './catalog.js';
import type { SwiftCredentials } from './credentials.js';
import type { LoginAnswer, LoginRequest } from './login.js';
import type { SwiftLogin } from './session.js';

type V1 = SwiftCredentials & { readonly kind: 'v1' };

/** Swift's own first login: all in headers, which carry UTF-8 as it is. */
export function v1Request({ authUrl, user, key }: V1): LoginRequest {
  const raw = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
  return { method: 'GET', url: authUrl, headers: { 'x-auth-user': raw(user), 'x-auth-key': raw(key) } };
}

export function v1Login({ authVariable }: V1, answer: LoginAnswer): SwiftLogin {
  const token = answer.header('x-auth-token');
  const storageUrl = answer.header('x-storage-url');
  if (token === null || storageUrl === null)
    throw noLogin(`the answer holds no token, so no v1 login is there: check ${authVariable}`);
  return { token, storageUrl: storageAddress(storageUrl) };
}
