import { createHash } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { permanent } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import {
  type Calls,
  lineSplitter,
  type Method,
  PROTOCOL,
  type Request,
  type ServerMessage,
  socketPath,
  toWire,
} from './protocol.js';

export type Handlers = {
  readonly [M in Method]: (params: Calls[M]['params']) => Promise<Calls[M]['result']> | Calls[M]['result'];
};

export interface SocketServer {
  /** Tells every client that something changed; calls of one turn of the event loop are merged. */
  announceChange(): void;
  readonly clients: number;
  close(): void;
}

/**
 * Takes the folder for this process alone, or answers false. The lock is an abstract socket named after the folder
 * itself (device and inode), so it ends with its holder, however that ends, and leaves nothing behind.
 */
export function lockFolder(dir: string): Promise<boolean> {
  const { dev, ino } = statSync(dir);
  const name = createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen({ path: `\0convoy-supervisor-${name}` }, () => resolve(true));
  });
}

/** Serves the handlers on the folder's socket. The folder must be locked: what lies there is a dead supervisor's. */
export async function serve(
  runDir: string,
  handlers: Handlers,
  onClientGone: () => void,
  log: Log,
): Promise<SocketServer> {
  const clients = new Set<Socket>();
  let announcing = false;
  const server = createServer((socket) => {
    clients.add(socket);
    socket.setEncoding('utf8');
    socket.on('error', (error) => log.debug({}, `client: ${error.message}`));
    socket.on('close', () => {
      clients.delete(socket);
      onClientGone();
    });
    socket.on(
      'data',
      lineSplitter((line) => {
        const requests = readRequests(line);
        if (requests === null) socket.destroy(new Error('that was no line of requests'));
        else for (const request of requests) void answer(socket, request, handlers);
      }),
    );
    send(socket, { type: 'hello', protocol: PROTOCOL, pid: process.pid });
  });
  await listen(server, socketPath(runDir));
  return {
    get clients() {
      return clients.size;
    },
    announceChange() {
      if (announcing) return;
      announcing = true;
      setImmediate(() => {
        announcing = false;
        for (const socket of clients) send(socket, { type: 'changed' });
      });
    },
    close() {
      server.close();
      for (const socket of clients) socket.destroy();
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

function readRequests(line: string): Request[] | null {
  try {
    const requests: unknown = JSON.parse(line);
    return Array.isArray(requests) ? requests : null;
  } catch {
    return null;
  }
}

async function answer<M extends Method>(
  socket: Socket,
  request: Request<M>,
  handlers: Handlers,
): Promise<void> {
  const { id, method, params } = request;
  try {
    if (!Object.hasOwn(handlers, method)) throw permanent(`the supervisor knows no call "${method}"`);
    send(socket, { type: 'result', id, result: await handlers[method](params) });
  } catch (error) {
    send(socket, { type: 'error', id, error: toWire(error) });
  }
}

function send(socket: Socket, message: ServerMessage): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}
