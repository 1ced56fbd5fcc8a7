import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tileAt, tileCount, tileKey } from '../../jobs/pyramid.js';
import type { ImageGeometry } from '../../jobs/work-queue.js';

/** What a source may do instead of answering well. */
export type Fault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** Promises the whole length, sends half, cuts the connection. */
  | { readonly kind: 'truncate' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'silence' }
  /** Answers well, but only after this many ms. */
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'wrong-md5' }
  /** A body of the right length, under the MD5 of the true one, with one bit flipped. */
  | { readonly kind: 'damaged' }
  /** A body under a Content-Length one byte too small. */
  | { readonly kind: 'short-length' }
  /** Never answers; `onAsked` hears of the client's port. */
  | { readonly kind: 'trap'; readonly onAsked: (port: number) => void };

export interface TileSource {
  /** The location of a migration's source. */
  readonly url: string;
  /** Requests by key, in order of arrival. */
  readonly requests: string[];
  addImage(id: string, geometry: ImageGeometry): void;
  /** Serves these bytes under the key. */
  put(key: string, body: string | Uint8Array): void;
  /** What the key answers, or null for all being well. Asked for each request. */
  fault: (key: string, timesAsked: number) => Fault | null;
  close(): Promise<void>;
}

/** A deterministic body for a key that begins as a JPEG does; sizes differ, up to about 1 kB. */
export function tileBody(key: string): Buffer {
  const seed = createHash('sha256').update(key).digest();
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);
  return Buffer.concat([head, ...Array.from({ length: 1 + (seed[0]! % 30) }, () => seed)]);
}

export function descriptorBody({ width, height, tileSize, overlap, format }: ImageGeometry): string {
  return `<?xml version="1.0" encoding="utf-8"?><Image TileSize="${tileSize}" Overlap="${overlap}" Format="${format}" xmlns="http://schemas.microsoft.com/deepzoom/2009"><Size Width="${width}" Height="${height}"/></Image>`;
}

/** Every key of an image below source and destination, its descriptor first. */
export function keysOf(id: string, geometry: ImageGeometry): string[] {
  const tiles = Array.from({ length: tileCount(geometry) }, (_, index) =>
    tileKey(id, tileAt(geometry, index), geometry.format),
  );
  return [`${id}.dzi`, ...tiles];
}

/** An HTTP server in zoom.it's layout whose bodies are computed, on a free port of 127.0.0.1. */
export async function startTileSource(port = 0): Promise<TileSource> {
  const bodies = new Map<string, () => Buffer>();
  const asked = new Map<string, number>();
  const sockets = new Set<Socket>();
  const requests: string[] = [];

  const server = createServer((request, response) => {
    const key = decodeURIComponent((request.url ?? '').replace(/^\/dzis\//, ''));
    const times = (asked.get(key) ?? 0) + 1;
    asked.set(key, times);
    requests.push(key);
    const fault = source.fault(key, times);
    const body = bodies.get(key)?.();
    if (fault !== null) misbehave(fault, request, response, body);
    else answer(request, response, body);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));

  const source: TileSource = {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/dzis`,
    requests,
    fault: () => null,
    put: (key, body) => void bodies.set(key, () => Buffer.from(body)),
    addImage(id, geometry) {
      const [descriptor, ...tiles] = keysOf(id, geometry);
      source.put(descriptor!, descriptorBody(geometry));
      for (const key of tiles) bodies.set(key, () => tileBody(key));
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return source;
}

function answer(request: IncomingMessage, response: ServerResponse, body: Buffer | undefined): void {
  if (body === undefined) return void response.writeHead(404, { 'content-length': 0 }).end();
  response.writeHead(200, { 'content-length': body.length, 'content-type': 'image/jpeg' });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function md5Of(body: Buffer): string {
  return createHash('md5').update(body).digest('base64');
}

function misbehave(
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer | undefined,
): void {
  switch (fault.kind) {
    case 'status':
      response.writeHead(fault.status, {
        'content-length': Buffer.byteLength(fault.body ?? ''),
        ...fault.headers,
      });
      response.end(fault.body);
      return;
    case 'truncate':
      response.writeHead(200, { 'content-length': body?.length ?? 100 });
      response.write(body?.subarray(0, body.length / 2) ?? 'x', () => request.socket.destroy());
      return;
    case 'reset':
      request.socket.resetAndDestroy();
      return;
    case 'silence':
      return;
    case 'slow':
      setTimeout(() => answer(request, response, body), fault.ms);
      return;
    case 'wrong-md5':
      response.setHeader('content-md5', md5Of(Buffer.from('another body')));
      answer(request, response, body);
      return;
    case 'damaged':
      if (body !== undefined) response.setHeader('content-md5', md5Of(body));
      answer(
        request,
        response,
        body?.map((byte, at) => (at === body.length - 1 ? byte ^ 1 : byte)) as Buffer,
      );
      return;
    case 'short-length':
      // By hand: the server's own writer would refuse to send more than it announced.
      request.socket.end(
        `HTTP/1.1 200 OK\r\ncontent-length: ${(body?.length ?? 1) - 1}\r\ncontent-md5: ${md5Of(body ?? Buffer.alloc(0))}\r\n\r\n${body?.toString('latin1')}`,
        'latin1',
      );
      return;
    case 'trap':
      fault.onAsked(request.socket.remotePort ?? 0);
      return;
  }
}
