import type { Socket } from 'node:net';
import type { Asked } from './asked.js';

/** Requests up to this, in bytes and all together, are written as one piece: one call of the system, and one of Node's. */
const PIECE_BYTES = 256 * 1024;

/** In use only where a write has not come to its end. */
let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);

/** Writes requests to a connection, one after another. */
export function write(socket: Socket, asked: readonly Asked[]): void {
  let size = 0;
  for (const { head, body } of asked) size += head.length + (body?.length ?? 0);
  if (size <= PIECE_BYTES) writePiece(socket, asked);
  else {
    socket.cork();
    for (const { head, body } of asked) {
      socket.write(head, 'latin1');
      if (body !== null) socket.write(body);
    }
    socket.uncork();
  }
}

function writePiece(socket: Socket, asked: readonly Asked[]): void {
  let at = 0;
  for (const { head, body } of asked) {
    at += piece.write(head, at, 'latin1');
    if (body === null) continue;
    piece.set(body, at);
    at += body.length;
  }
  socket.write(piece.subarray(0, at));
  if (socket.writableLength > 0) piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
}
