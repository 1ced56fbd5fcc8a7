import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.dzi': 'application/xml',
  '.txt': 'text/plain; charset=utf-8',
};

export interface Source {
  /** The location to give `migration create`. */
  readonly url: string;
  close(): void;
}

/**
 * Serves a folder of pyramids as zoom.it did, under `/dzis/`. The keys in `leftOut` are answered with 404: a source
 * of this size always lacks something.
 */
export async function serveSource(folder: string, leftOut: ReadonlySet<string>): Promise<Source> {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'));
    const key = path.replace(/^\/dzis\//, '');
    const file = join(folder, key);
    stat(file)
      .then((info) => {
        if (!info.isFile() || !path.startsWith('/dzis/') || leftOut.has(key)) throw new Error('absent');
        response.writeHead(200, {
          'content-length': info.size,
          'content-type': CONTENT_TYPES[key.slice(key.lastIndexOf('.'))] ?? 'application/octet-stream',
        });
        if (request.method === 'HEAD') response.end();
        else createReadStream(file).pipe(response);
      })
      .catch(() => response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not Found</h1>\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/dzis`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
