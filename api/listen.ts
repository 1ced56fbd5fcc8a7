import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect, isIPv4 } from 'node:net';
import { dirname } from 'node:path';
import { permanent, UsageError } from '../runtime/errors.js';
import { bind, type ListenAddress, urlOf } from '../runtime/web-server.js';
import { type Access, canIdentify } from './access.js';
import type { Role } from './route.js';

/** A unix socket (`fd`: one that listens there already), which gives everyone who may open it this role. */
export interface SocketListen {
  readonly path: string;
  readonly fd?: number;
  readonly role: Role;
}

/** `role`: of everyone who reaches it; null: callers have to show who they are. */
export interface TcpListen extends ListenAddress {
  readonly role: Role | null;
}

/**
 * Binds a server and answers its URL. A socket nobody answers on is replaced, a live one refused; one for units is
 * open to all users, any other to its owner and group only (one that listens already: as it was made). `UsageError`
 * for TCP beyond loopback without TLS, or where nobody could be told from anybody.
 */
export async function listenOn(
  server: Server,
  listen: SocketListen | TcpListen,
  access: Access,
): Promise<string> {
  if ('path' in listen) {
    const { path, fd, role } = listen;
    if (fd === undefined) {
      mkdirSync(dirname(path), { recursive: true });
      await removeStaleSocket(path);
    }
    await bind(server, `the API on ${path}`, fd === undefined ? { path } : { fd });
    if (role === 'unit') chmodSync(path, 0o666);
    else if (fd === undefined) chmodSync(path, 0o660);
    return `unix://${path}`;
  }
  const { host, port } = listen;
  requireChecks(listen, access);
  await bind(server, `the API on ${host}:${port}`, { host, port });
  return urlOf(server, access.tls === null ? 'http' : 'https');
}

function requireChecks({ host, port, role }: TcpListen, access: Access): void {
  if (!isLoopback(host) && access.tls === null)
    throw new UsageError(
      `API address ${host}:${port} is not on loopback and needs TLS (--tls-cert, --tls-key): over plain HTTP a token could be read on its way`,
    );
  if (isLoopback(host) ? role === null && !canIdentify(access) : role !== null || !canIdentify(access))
    throw new UsageError(
      `API address ${host}:${port} is not on loopback and has to know who asks: give --tls-ca for client certificates, or --api-tokens`,
    );
}

/** Whether an address is this machine's own, which no other reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** A convoyd that was killed leaves its socket behind. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw permanent(`cannot serve the API on ${path}: a file that is not a socket is in the way`, {
      code: 'listen',
    });
  if (await answers(path))
    throw permanent(`cannot serve the API on ${path}: another program answers there`, { code: 'listen' });
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
