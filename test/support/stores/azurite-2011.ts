import { createHmac } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { afterAll } from 'vitest';
import { stringToSign } from '../../../stores/azure/string-to-sign.js';
import type { Azurite } from './azurite.js';

const SIGNED = [
  ...['content-encoding', 'content-language', 'content-length', 'content-md5', 'content-type', 'date'],
  ...['if-modified-since', 'if-match', 'if-none-match', 'if-unmodified-since', 'range'],
];

/**
 * A front of Azurite that lets in who signs by the rules of version 2011-08-18, as pkgcloud does: a length of 0 is
 * signed as `0`, which Azurite itself refuses. What is signed rightly is signed anew. The address has the account.
 */
export async function startAzurite2011(azurite: Azurite): Promise<string> {
  const { origin, hostname, port } = new URL(azurite.url);
  const sign = (text: string): string =>
    `SharedKey ${azurite.account}:${createHmac('sha256', Buffer.from(azurite.key, 'base64')).update(text).digest('base64')}`;
  const server = createServer((request, response) => {
    const { method = '', url: path = '', headers } = request;
    if (headers.authorization !== sign(textOf2011(azurite.account, method, path, headers))) {
      response.writeHead(403, { 'x-ms-error-code': 'AuthenticationFailed' });
      response.end(
        `<Error><Code>AuthenticationFailed</Code><Message>${headers.authorization}</Message></Error>`,
      );
      return;
    }
    const passed: Record<string, string> = {};
    for (const [name, value] of Object.entries(headers)) if (typeof value === 'string') passed[name] = value;
    passed.authorization = sign(stringToSign(azurite.account, method, path, passed));
    const forwarded = httpRequest(
      `${origin}${path}`,
      { hostname, port, method, headers: passed },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    request.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/${azurite.account}`;
}

/** https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, "2014-02-14 and earlier". */
function textOf2011(account: string, method: string, path: string, headers: IncomingHttpHeaders): string {
  const lines = [method, ...SIGNED.map((name) => String(headers[name] ?? ''))];
  for (const name of Object.keys(headers)
    .filter((one) => one.startsWith('x-ms-'))
    .sort())
    lines.push(`${name}:${String(headers[name])}`);
  const { pathname, searchParams } = new URL(path, 'http://any');
  lines.push(`/${account}${pathname}`);
  for (const [name, value] of [...searchParams].sort(([a], [b]) => (a < b ? -1 : 1)))
    lines.push(`${name}:${value}`);
  return lines.join('\n');
}
