import { createHmac, createSecretKey } from 'node:crypto';
import type { Clock } from '../../runtime/clock.js';
import {
  type Carrier,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
  httpClient,
} from '../http-client.js';
import type { AzureAccess } from './credentials.js';
import { explainAzure } from './errors.js';
import { stringToSign } from './string-to-sign.js';

/** Put Blob From URL and service SAS of this form are older; Azurite knows it. */
export const API_VERSION = '2021-12-02';

/** As an `HttpRequest`; `path` below the endpoint. The body is bytes or text: what is signed has a length. */
export interface BlobRequest extends HttpRequest {
  readonly body?: Uint8Array | string;
}

/** One account's blob service: requests go out signed, errors come back with what its codes mean. */
export interface BlobService {
  readonly origin: string;
  /** Of a path below the endpoint, as it is sent. */
  pathOf(path: string): string;
  send<T>(request: BlobRequest, use: (answer: HttpAnswer) => Promise<T> | T): Promise<T>;
  stream(request: BlobRequest): ReturnType<HttpClient['stream']>;
  close(): Promise<void>;
}

export function blobService(
  access: AzureAccess,
  clock: Clock,
  timeoutMs?: number,
  carrier?: Carrier,
): BlobService {
  const { origin, pathname } = new URL(access.endpoint);
  const basePath = pathname === '/' ? '' : pathname;
  const client = httpClient(origin, {
    explain: explainAzure(access, clock.now),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(carrier === undefined ? {} : { carrier }),
  });
  const authorize = authorizer(access, clock);
  const signed = (request: BlobRequest): HttpRequest => ({
    ...request,
    ...authorize({ ...request, path: basePath + request.path }),
  });
  return {
    origin,
    pathOf: (path) => basePath + path,
    send: (request, use) => client.send(signed(request), use),
    stream: (request) => client.stream(signed(request)),
    close: () => client.close(),
  };
}

type Authorized = Pick<HttpRequest, 'path'> & { readonly headers: Record<string, string> };

/** Shared Key in a header, or the shared access signature in the query. */
function authorizer({ account, auth }: AzureAccess, clock: Clock): (request: BlobRequest) => Authorized {
  if (auth.kind !== 'key')
    return ({ path, headers }) => ({
      path: auth.kind === 'none' ? path : `${path}${path.includes('?') ? '&' : '?'}${auth.token}`,
      headers: { ...headers, 'x-ms-version': API_VERSION },
    });
  const key = createSecretKey(auth.key, 'base64');
  const date = httpDate(clock);
  return ({ method, path, headers: given, body }) => {
    const headers: Record<string, string> = { ...given, 'x-ms-date': date(), 'x-ms-version': API_VERSION };
    if (method === 'PUT')
      headers['content-length'] = String(body === undefined ? 0 : Buffer.byteLength(body));
    const text = stringToSign(account, method, path, headers);
    const signature = createHmac('sha256', key).update(text, 'utf8').digest('base64');
    headers.authorization = `SharedKey ${account}:${signature}`;
    return { path, headers };
  };
}

/** The time as HTTP writes it, made once a second. */
function httpDate(clock: Clock): () => string {
  let second = Number.NaN;
  let text = '';
  return () => {
    const now = Math.floor(clock.now() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}
