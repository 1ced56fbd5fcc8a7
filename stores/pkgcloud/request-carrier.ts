import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { transient } from '../../runtime/errors.js';
import type { CarriedRequest, Carrier } from '../http-client.js';
import type { Exchange } from '../http-exchange.js';
import type { Asked, RequestClient } from './client.js';

/** Requests to one server at once. */
export const CONNECTIONS = 64;

/**
 * Readies a client of pkgcloud to carry requests: what we gave is sent as it is, nothing is followed or decoded. Each
 * request has a connection of its own: of one that is kept, Node tells too late that the server has closed it, and
 * each fault would cost a second request.
 */
export function tame(client: RequestClient): void {
  const pool = { maxSockets: CONNECTIONS };
  client.before.push((options) => {
    // The client's own idea of the content type: ours is there in lower case.
    delete options.headers['Content-Type'];
    Object.assign(options, {
      ...{ json: false, encoding: null, followRedirect: false, pool, agentOptions: { keepAlive: false } },
    });
  });
}

export interface Sender {
  /** Begins the request; null if the login is known to have run out, which is answered like a 401. */
  ask(request: CarriedRequest, headers: Record<string, string>, body: Buffer | undefined): Asked | null;
}

/** Carries requests by `request` (npm), as pkgcloud signs them. */
export function requestCarrier(sender: Sender): Carrier {
  return {
    carry(request, exchange) {
      const { method, body } = request;
      const { 'user-agent': _, ...headers } = request.headers;
      const whole = typeof body === 'string' || body instanceof Uint8Array ? bufferOf(body) : undefined;
      const asked = sender.ask(request, headers, whole?.length === 0 ? undefined : whole);
      const connection = {
        pause: () => void asked?.pause(),
        resume: () => void asked?.resume(),
        abort: () => asked?.abort(),
      };
      exchange.onRequestStart(connection);
      if (asked === null) {
        exchange.onResponseStart(connection, 401, {});
        exchange.onResponseEnd();
        return;
      }
      asked.on('response', (response: IncomingMessage) => tell(exchange, connection, method, response));
      asked.on('error', (error) => exchange.onResponseError(connection, plainError(error)));
      if (body === null || whole !== undefined) return;
      const source = Readable.from(body as AsyncIterable<Uint8Array>);
      source.on('error', (error) => {
        exchange.onResponseError(connection, error);
        asked.abort();
      });
      source.pipe(asked);
    },
    close: async () => undefined,
  };
}

/** The same bytes as a Buffer. */
export function bufferOf(body: string | Uint8Array): Buffer {
  return typeof body === 'string'
    ? Buffer.from(body)
    : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

type Connection = Parameters<Exchange['onRequestStart']>[0];

/** Tells an exchange of Node's answer, and that a body was cut short. */
export function tell(
  exchange: Exchange,
  connection: Connection,
  method: string,
  response: IncomingMessage,
): void {
  const { statusCode = 0, headers } = response;
  const length = headers['content-length'];
  const expected = method === 'HEAD' || length === undefined ? null : Number(length);
  let came = 0;
  exchange.onResponseStart(connection, statusCode, headers);
  response.on('data', (chunk: Buffer) => {
    came += chunk.length;
    exchange.onResponseData(connection, chunk);
  });
  response.on('end', () => {
    if (expected === null || came === expected) exchange.onResponseEnd();
    else
      exchange.onResponseError(
        connection,
        transient(`${came} of ${expected} bytes came`, { code: 'truncated' }),
      );
  });
  response.on('error', (error) => exchange.onResponseError(connection, plainError(error)));
}

/** Of an error nothing but what it says and its code: pkgcloud's and its libraries' hold requests and headers. */
export function plainError(error: unknown): Error {
  const { message, code } = (error ?? {}) as { readonly message?: unknown; readonly code?: unknown };
  return Object.assign(new Error(String(message ?? 'no reason told')), { code });
}
