import { readFile } from 'node:fs/promises';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { aborted, kindOf, messageOf, UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import { httpClient } from '../http-client.js';
import { undiciCarrier } from '../undici-carrier.js';
import { noLogin } from './catalog.js';
import { type SwiftCredentials, swiftCredentials } from './credentials.js';
import { explainLogin, type LoginCredentials, loginOf, loginRequest } from './login.js';
import type { SwiftLogin, SwiftSession } from './session.js';

export interface SessionOptions {
  readonly clock?: Clock;
  /** How long a login may take, in ms. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
/** A catalog of a large cloud has some hundred kilobytes. */
const ANSWER_BYTES = 8 * 1024 ** 2;
/** A login that was refused is not tried again sooner: clouds lock accounts after a few wrong ones. */
const REFUSED_MS = 30_000;

/**
 * Logs in with what the environment holds (credentials.ts), when first asked to. Rejects with a `UsageError` that
 * names the variable that is missing or cannot be right.
 */
export async function swiftSession(
  env: StoreEnvironment,
  { clock = systemClock(), timeoutMs = TIMEOUT_MS }: SessionOptions = {},
): Promise<SwiftSession> {
  const credentials = swiftCredentials(env);
  const ca = await authorities(env);
  return credentials.kind === 'token'
    ? givenSession(credentials, ca)
    : loginSession(credentials, ca, clock, timeoutMs);
}

function givenSession(
  { token, storageUrl, variables }: SwiftCredentials & { readonly kind: 'token' },
  ca: string | null,
): SwiftSession {
  const login: SwiftLogin = { token, storageUrl };
  return {
    variables,
    ca,
    login: async () => login,
    async renew() {
      throw noLogin(`the token of ${variables} is refused, and there are no credentials for another`);
    },
    async close() {},
  };
}

function loginSession(
  credentials: LoginCredentials,
  ca: string | null,
  clock: Clock,
  timeoutMs: number,
): SwiftSession {
  const { authUrl, authVariable, variables } = credentials;
  const what = `login at ${authUrl} (${authVariable})`;
  const { origin } = new URL(authUrl);
  const client = httpClient(origin, {
    timeoutMs,
    explain: (answer) => explainLogin(credentials, answer),
    // Whatever its answer looks like, a login is asked for once: after some refused ones an account may be locked.
    carrier: undiciCarrier(origin, { connections: 1, connectTimeoutMs: Math.min(10_000, timeoutMs), ca }),
  });
  let current: SwiftLogin | null = null;
  let running: Promise<SwiftLogin> | null = null;
  let refused: { readonly error: unknown; readonly until: number } | null = null;

  async function logIn(): Promise<SwiftLogin> {
    if (refused !== null && clock.steady() < refused.until) throw refused.error;
    try {
      current = await ask();
      refused = null;
      return current;
    } catch (error) {
      if (kindOf(error) === 'permanent') refused = { error, until: clock.steady() + REFUSED_MS };
      throw error;
    }
  }

  function ask(): Promise<SwiftLogin> {
    const { method, url, headers, json } = loginRequest(credentials);
    const content = json === undefined ? {} : { 'content-type': 'application/json' };
    const request = {
      ...{ method, what, accept: json === undefined ? [200, 204] : [200, 201, 203] },
      path: new URL(url).pathname,
      headers: { accept: 'application/json', ...content, ...headers },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    };
    return client.send(request, async (answer) => {
      let body: unknown;
      if (json === undefined) answer.discard();
      else body = parsed(await answer.bytes(ANSWER_BYTES));
      try {
        return loginOf(credentials, { header: (name) => answer.header(name), json: body });
      } catch (error) {
        throw noLogin(`${what}: ${messageOf(error)}`);
      }
    });
  }

  /** One login for all who wait; who gives up leaves it to the others. */
  function shared(signal: AbortSignal | undefined): Promise<SwiftLogin> {
    running ??= logIn().finally(() => {
      running = null;
    });
    return signal === undefined ? running : unless(signal, running, what);
  }

  return {
    variables,
    ca,
    login: async (signal) => current ?? shared(signal),
    async renew(stale, signal) {
      if (current === stale) current = null;
      return current ?? shared(signal);
    },
    close: () => client.close(),
  };
}

/** undefined for what is not JSON; the parser's error would quote the text. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** What the promise gives, or `aborted` as soon as the signal fires. */
export function unless<T>(signal: AbortSignal, promise: Promise<T>, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(aborted(`${what}: given up`));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

async function authorities(env: StoreEnvironment): Promise<string | null> {
  const path = env.get('OS_CACERT');
  if (path === undefined) return null;
  const name = env.nameOf('OS_CACERT');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`the file of ${name} cannot be read`, { cause });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new UsageError(`${name} is ${path}, which holds no certificate in PEM`);
  return text;
}
