import { constants } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ServerTls, Shown, Subject } from './access.js';

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

/** An HTTP server that does not listen yet; with `tls`, an HTTPS server. Malformed requests it answers itself (400, 408, 431). */
export function createWebServer(tls: ServerTls | null, handle: RequestListener): Server {
  return tls === null ? guarded(createServer(LIMITS, handle)) : createSecureWebServer(secured(tls), handle);
}

/** The same by TLS of any kind. */
export function createSecureWebServer(tls: ServerOptions, handle: RequestListener): Server {
  return guarded(createSecureServer({ ...LIMITS, ...tls }, handle));
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

/** A wrong certificate does not end the handshake: it is refused in words, request by request. */
function secured({ cert, key, ca }: ServerTls) {
  return {
    ...{ cert, key, minVersion: 'TLSv1.2' as const },
    ...(ca === null ? {} : { ca, requestCert: true, rejectUnauthorized: false }),
    // No session is resumed: what was checked is then always this connection's own certificate.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** What the caller has shown with a request. */
export function shownBy({ headers, socket }: IncomingMessage): Shown {
  return {
    authorization: headers.authorization,
    certificate: 'authorizationError' in socket ? certificateOf(socket as TLSSocket) : null,
  };
}

function certificateOf(socket: TLSSocket): Shown['certificate'] {
  const certificate = socket.getPeerCertificate();
  // An empty object: the caller has none, or is not asked for one.
  if (!('subject' in certificate)) return null;
  const problem = socket.authorized ? null : String(socket.authorizationError);
  return { subject: certificate.subject as unknown as Subject, problem };
}
