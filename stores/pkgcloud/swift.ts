import { aborted, type ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { Carrier } from '../http-client.js';
import { connectionError } from '../http-errors.js';
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
    signal === undefined ? login : Promise.race([login, whenAborted(signal)]);

  return {
    session: {
      variables,
      ca: null,
      login: (signal) => until((now ?? enter()).login, signal),
      async renew(refused, signal) {
        const current = now === null ? null : await until(now.login, signal);
        return until((now === null || current === refused ? enter() : now).login, signal);
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
  const what = 'log in by pkgcloud';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(transient(`${what}: no answer within ${timeoutMs} ms`, { code: 'timeout' })),
      timeoutMs,
    );
    client.auth((error) => {
      clearTimeout(timer);
      const { _serviceUrl: storageUrl, _identity: identity } = client;
      const token = identity.token?.id;
      if (error !== undefined && error !== null) reject(loginError(what, error, variables));
      else if (storageUrl === null || token === undefined) reject(notUnderstood(what));
      else resolve({ storageUrl: storageUrl.replace(/\/+$/, ''), token });
    });
  });
}

/** Of pkgcloud's error only the status, or the code of the connection's: the rest holds the request. */
function loginError(what: string, error: unknown, variables: string): ConvoyError {
  const { statusCode: status, code, message } = error as Readonly<Record<string, unknown>>;
  if (typeof status === 'number') {
    const answered = `${what}: HTTP ${status}`;
    if (status === 401 || status === 403)
      return permanent(`${answered}: wrong ${variables}`, { code: 'wrong-credentials', status });
    if (status === 429 || status >= 500) return transient(answered, { code: 'server-error', status });
    return permanent(answered, { code: 'rejected', status });
  }
  if (typeof code === 'string') return connectionError(what, plainError(error));
  if (/endpoint/.test(String(message)))
    return permanent(
      `${what}: the catalog has no object store for the region: pkgcloud wants OS_REGION_NAME (RAX_REGION) as the catalog has it`,
      { code: 'rejected' },
    );
  return notUnderstood(what);
}

function notUnderstood(what: string): ConvoyError {
  return transient(`${what}: pkgcloud did not understand the answer`, { code: 'bad-answer' });
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = (): void => reject(aborted('log in by pkgcloud: given up'));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
  });
}
