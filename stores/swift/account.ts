import { ConvoyError, permanent } from '../../runtime/errors.js';
import {
  type HttpAnswer,
  type HttpClient,
  type HttpClientOptions,
  type HttpRequest,
  httpClient,
} from '../http-client.js';
import { explainSwift } from './answers.js';
import type { SwiftLogin, SwiftSession } from './session.js';

/** A Swift account, asked with a token that is renewed once for a request that it is refused to. */
export interface SwiftAccount {
  /** As `HttpClient`, but that paths begin below the account: `/container/object`. */
  send<T>(request: HttpRequest, use: (answer: HttpAnswer) => Promise<T> | T): Promise<T>;
  stream(request: HttpRequest): ReturnType<HttpClient['stream']>;
  /** Of the account, once logged in. */
  storageUrl(signal?: AbortSignal): Promise<string>;
  /** The same, if somebody has logged in already. */
  readonly knownStorageUrl: string | null;
  /** The text of the cluster's /info. */
  info(): Promise<string>;
  close(): Promise<void>;
}

/** A login, and who to ask with it. */
interface Place {
  readonly login: SwiftLogin;
  readonly client: HttpClient;
  /** The path of the account. */
  readonly path: string;
}

const INFO_BYTES = 1024 ** 2;
const INFO_TIMEOUT_MS = 10_000;

export function swiftAccount(session: SwiftSession, options: HttpClientOptions = {}): SwiftAccount {
  const clients = new Map<string, HttpClient>();
  let place: Place | null = null;

  /** All logins of a session have the same storage URL, unless the cluster moves. */
  function placeOf(login: SwiftLogin): Place {
    if (place?.login === login) return place;
    const { origin, pathname } = new URL(login.storageUrl);
    const client =
      clients.get(origin) ??
      httpClient(origin, {
        ...options,
        explain: explainSwift,
        ...(session.ca === null ? {} : { ca: session.ca }),
      });
    clients.set(origin, client);
    place = { login, client, path: pathname };
    return place;
  }

  const entered = async (signal?: AbortSignal): Promise<Place> =>
    place ?? placeOf(await session.login(signal));

  async function asked<T>(request: HttpRequest, ask: (place: Place) => Promise<T>): Promise<T> {
    const first = await entered(request.signal);
    try {
      return await ask(first);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
    }
    const second = placeOf(await session.renew(first.login, request.signal));
    try {
      return await ask(second);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      throw permanent(
        `${request.what}: HTTP 401, the store refuses the token it was just given for ${session.variables}`,
        { code: 'wrong-credentials', status: 401 },
      );
    }
  }

  const withToken = (request: HttpRequest, { login, path }: Place): HttpRequest => ({
    ...request,
    path: path + request.path,
    headers: { ...request.headers, 'x-auth-token': login.token },
  });

  return {
    send: (request, use) => asked(request, (at) => at.client.send(withToken(request, at), use)),
    stream: (request) => asked(request, (at) => at.client.stream(withToken(request, at))),
    async storageUrl(signal) {
      return (await entered(signal)).login.storageUrl;
    },
    get knownStorageUrl() {
      return place?.login.storageUrl ?? null;
    },
    async info() {
      const { client } = await entered();
      const request = { method: 'GET', path: '/info', what: 'GET /info', timeoutMs: INFO_TIMEOUT_MS };
      return client.send(request, async (answer) => Buffer.from(await answer.bytes(INFO_BYTES)).toString());
    },
    async close() {
      await Promise.all([session.close(), ...[...clients.values()].map((client) => client.close())]);
    },
  };
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof ConvoyError && error.status === 401;
}
