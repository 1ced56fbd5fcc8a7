import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { type AddressInfo, connect, isIPv4, type ListenOptions } from 'node:net';
import { dirname } from 'node:path';
import { messageOf, permanent, UsageError } from '../runtime/errors.js';

/** A unix socket (`fd`: one that listens there already), or TCP on a loopback address (port 0: any free one). */
export type Listen =
  | { readonly path: string; readonly fd?: number; readonly readOnly: boolean }
  | { readonly host: string; readonly port: number; readonly readOnly: boolean };

/**
 * Binds a server and answers its URL. A socket nobody answers on is replaced, a live one refused; it is open to
 * its owner and group only. TCP elsewhere than on loopback is refused: nothing checks yet who is asking.
 */
export async function listenOn(server: Server, listen: Listen): Promise<string> {
  if ('path' in listen) {
    if (listen.fd !== undefined) {
      await bind(server, listen.path, { fd: listen.fd });
      return `unix://${listen.path}`;
    }
    mkdirSync(dirname(listen.path), { recursive: true });
    await removeStaleSocket(listen.path);
    await bind(server, listen.path, { path: listen.path });
    chmodSync(listen.path, 0o660);
    return `unix://${listen.path}`;
  }
  const { host, port } = listen;
  if (!isLoopback(host))
    throw new UsageError(
      `API address ${host}:${port} is not on loopback: give 127.0.0.1 or ::1, TCP is not served to other machines yet`,
    );
  await bind(server, `${host}:${port}`, { host, port });
  const bound = server.address() as AddressInfo;
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function bind(server: Server, name: string, where: ListenOptions | { fd: number }) {
  return new Promise<void>((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(permanent(`cannot serve the API on ${name}: ${messageOf(cause)}`, { code: 'listen', cause }));
    server.once('error', fail);
    server.listen(where, () => {
      server.off('error', fail);
      resolve();
    });
  });
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
    throw permanent(`cannot serve the API on ${path}: another convoyd answers there`, { code: 'listen' });
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
