import { connect, type Socket } from 'node:net';
import { aborted, transient } from '../runtime/errors.js';
import {
  type Calls,
  fromWire,
  lineSplitter,
  type Method,
  type Request,
  type ServerMessage,
  socketPath,
} from './supervisor/protocol.js';

/** One connection to a supervisor. */
export interface SupervisorClient {
  readonly protocol: number;
  /** Calls made in one turn of the event loop arrive as one. `transient`, code `unreachable`, if the connection ends. */
  call<M extends Method>(method: M, params: Calls[M]['params']): Promise<Calls[M]['result']>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** Connects and awaits the greeting; `null` if no supervisor answers there. */
export function connectSupervisor(
  runDir: string,
  onChange: () => void,
  signal: AbortSignal,
): Promise<SupervisorClient | null> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(null);
    const socket = connect(socketPath(runDir));
    const waiting = new Map<number, Waiting>();
    let ended = false;
    const giveUp = (): void => void socket.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    const closed = new Promise<void>((done) => {
      socket.once('close', () => {
        ended = true;
        signal.removeEventListener('abort', giveUp);
        for (const { reject } of waiting.values()) reject(gone());
        waiting.clear();
        done();
        resolve(null);
      });
    });
    socket.on('error', () => undefined);
    socket.setEncoding('utf8');
    socket.on(
      'data',
      lineSplitter((line) => {
        const message = JSON.parse(line) as ServerMessage;
        switch (message.type) {
          case 'hello':
            signal.removeEventListener('abort', giveUp);
            resolve({
              protocol: message.protocol,
              call: caller(socket, waiting, () => ended),
              closed,
              close: () => void socket.destroy(),
            });
            break;
          case 'changed':
            onChange();
            break;
          case 'result':
            waiting.get(message.id)?.resolve(message.result as never);
            waiting.delete(message.id);
            break;
          case 'error':
            waiting.get(message.id)?.reject(fromWire(message.error));
            waiting.delete(message.id);
            break;
        }
      }),
    );
  });
}

function caller(
  socket: Socket,
  waiting: Map<number, Waiting>,
  hasEnded: () => boolean,
): SupervisorClient['call'] {
  let count = 0;
  let batch: Request[] = [];
  return (method, params) =>
    new Promise((resolve, reject) => {
      if (hasEnded()) return reject(gone());
      const id = count++;
      waiting.set(id, { resolve, reject });
      if (batch.length === 0)
        setImmediate(() => {
          socket.write(`${JSON.stringify(batch)}\n`);
          batch = [];
        });
      batch.push({ id, method, params });
    });
}

function gone(): Error {
  return transient('the supervisor ended while it was asked', { code: 'unreachable' });
}

/** What a call answers after the manager was closed. */
export function closedError(): Error {
  return aborted('the unit manager is closed');
}
