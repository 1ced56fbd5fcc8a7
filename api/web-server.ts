import { constants } from 'node:crypto';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { secureWebServer, webServer } from '../runtime/web-server.js';
import type { ServerTls, Shown, Subject } from './access.js';

/** An HTTP server that does not listen yet; with `tls`, an HTTPS server. */
export function createWebServer(tls: ServerTls | null, handle: RequestListener): Server {
  return tls === null ? webServer(handle) : secureWebServer(secured(tls), handle);
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
