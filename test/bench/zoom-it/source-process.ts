/** A source that makes up its descriptors as they are asked for, and the list of ids. Argument: the number of images. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { geometryOf, imageId } from './images.js';

const images = Number(process.argv[2]);
const list = Buffer.from(
  Array.from({ length: images }, (_, number) => `${imageId(number)}:${images - number}\n`).join(''),
);

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const path = request.url ?? '';
  const body = path === '/total.txt' ? list : Buffer.from(descriptor(path.slice(1, -'.dzi'.length)));
  response.writeHead(200, { 'content-type': 'application/xml', 'content-length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit());

function descriptor(id: string): string {
  const { width, height } = geometryOf(id);
  return `<?xml version="1.0" encoding="utf-8"?><Image TileSize="254" Overlap="1" Format="jpg" xmlns="http://schemas.microsoft.com/deepzoom/2009"><Size Width="${width}" Height="${height}" /></Image>`;
}
