import { type ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { Carrier } from '../http-client.js';
import { connectionError } from '../http-errors.js';
import { unless } from '../swift/auth.js';
import type { SwiftLogin, SwiftSession } from '../swift/session.js';
import type { OpenstackClient } from './client.js';
import { plainError, requestCarrier, tame } from './request-carrier.js';

export interface PkgcloudSession {
  readonly session: SwiftSession;
  readonly carrier: Carrier;
}

interface Entered {
  readonly client: OpenstackClient;
  readonly login: Promise<SwiftLogin>;
}

const TIMEOUT_MS = 30_000;
/** For messages. */
const LOGIN = 'log in by pkgcloud';

/**
 * Logs in by pkgcloud, and carries requests with what came of it. A login that the store refuses is made anew with
 * a new client: pkgcloud keeps a token until its own clock says that it is over.
 */
export function pkgcloudSession(
  makeClient: () => OpenstackClient,
  variables: string,
  timeoutMs = TIMEOUT_MS,
): PkgcloudSession {
  let now: Entered | null = null;

  function enter(): Entered {
    const client = makeClient();
    tame(client);
    const entered = { client, login: logIn(client, variables, timeoutMs) };
    entered.login.catch(() => {
      if (now === entered) now = null;
    });
    now = entered;
    return entered;
  }

  const until = (login: Promise<SwiftLogin>, signal?: AbortSignal): Promise<SwiftLogin> =>
    signal === undefined ? login : unless(signal, login, LOGIN);

  return {
    session: {
      variables,
      ca: null,
      login: (signal) => until((now ?? enter()).login, signal),
      async renew(refused, signal) {
        const before = now;
        if (before !== null) {
          const login = await until(before.login, signal);
          if (login !== refused) return login;
          if (now === before) enter();
        }
        return until((now ?? enter()).login, signal);
      },
      close: async () => undefined,
    },
    carrier: requestCarrier({
      ask({ origin, path, method }, headers, body) {
        const client = now?.client;
        if (!client?._isAuthorized()) return null;
        return client._request({
          ...{ method, uri: `${origin}${path}`, headers },
          ...(body === undefined ? {} : { body }),
        });
      },
    }),
  };
}

function logIn(client: OpenstackClient, variables: string, timeoutMs: number): Promise<SwiftLogin> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(transient(`${LOGIN}: no answer within ${timeoutMs} ms`, { code: 'timeout' })),
      timeoutMs,
    );
    client.auth((error) => {
      clearTimeout(timer);
      const { _serviceUrl: storageUrl, _identity: identity } = client;
      const token = identity.token?.id;
      if (error !== undefined && error !== null) reject(loginError(error, variables));
      else if (storageUrl === null || token === undefined) reject(notUnderstood());
      else resolve({ storageUrl: storageUrl.replace(/\/+$/, ''), token });
    });
  });
}

/** Of pkgcloud's error only the status, or the code of the connection's: the rest holds the request. */
function loginError(error: unknown, variables: string): ConvoyError {
  const { statusCode: status, code, message } = error as Readonly<Record<string, unknown>>;
  if (typeof status === 'number') {
    const answered = `${LOGIN}: HTTP ${status}`;
    if (status === 401 || status === 403)
      return permanent(`${answered}: wrong ${variables}`, { code: 'wrong-credentials', status });
    if (status === 429 || status >= 500) return transient(answered, { code: 'server-error', status });
    return permanent(answered, { code: 'rejected', status });
  }
  if (typeof code === 'string') return connectionError(LOGIN, plainError(error));
  if (/endpoint/.test(String(message)))
    return permanent(
      `${LOGIN}: the catalog has no object store for the region: pkgcloud wants OS_REGION_NAME (RAX_REGION) as the catalog has it`,
      { code: 'rejected' },
    );
  return notUnderstood();
}

function notUnderstood(): ConvoyError {
  return transient(`${LOGIN}: pkgcloud did not understand the answer`, { code: 'bad-answer' });
}
