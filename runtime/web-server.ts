import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, ListenOptions } from 'node:net';
import { messageOf, permanent } from './errors.js';

/** TCP; port 0: any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** What keeps a caller who is slow, silent or many from holding the server: all in ms, but the connections. */
const LIMITS = {
  /** From the connection, or the end of the request before, to the end of the headers. */
  headersTimeout: 5_000,
  /** To the end of the body. */
  requestTimeout: 60_000,
  connectionsCheckingInterval: 1_000,
  handshakeTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
  /** A caller whose machine has vanished is noticed in the minutes after this. */
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};
const MOST_CONNECTIONS = 1_000;

/** An HTTP server that does not listen yet. Malformed requests it answers itself (400, 408, 431). */
export function webServer(handle: RequestListener): Server {
  return guarded(createServer(LIMITS, handle));
}

/** The same by TLS of any kind. Callers' certificates are believed by `ca` alone: the roots of the web take long to read. */
export function secureWebServer(tls: ServerOptions, handle: RequestListener): Server {
  return guarded(createSecureServer({ ...LIMITS, ca: [], ...tls }, handle));
}

function guarded(server: Server): Server {
  server.maxConnections = MOST_CONNECTIONS;
  // Left alone, Node hangs up on it. The stream is nobody's but ours then: what breaks in it, and its end, too.
  server.on('connect', (_, stream) => {
    stream.on('error', () => undefined);
    stream.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n', () => stream.destroy());
  });
  return server;
}

/** `permanent`/`listen`, with `what` in it (`the API on /run/x.sock`), if the address cannot be had. */
export function bind(server: Server, what: string, where: ListenOptions | { fd: number }) {
  return new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(permanent(`cannot serve ${what}: ${messageOf(cause)}`, { code: 'listen', cause }));
    server.once('error', fail);
    server.listen(where, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

/** Of a server bound to TCP. */
export function urlOf(server: Server, scheme: 'http' | 'https'): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
