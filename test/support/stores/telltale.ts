import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

/**
 * A server that plays every kind of store at once and lets anybody in, and that repeats in its errors all it was told:
 * headers, address, body. What a program then says, it should not have.
 */
export interface Telltale {
  readonly url: string;
  /** Given out at logins. */
  readonly tokens: readonly string[];
  /** Answer everything with this status. */
  refuse: 401 | 403 | 500 | null;
  /** Objects below `src/`, for every kind of store alike. */
  readonly objects: Map<string, Buffer>;
}

const SECRET = /auth|token|key|password/;

/** On a free port until the test file ends. */
export async function startTelltale(): Promise<Telltale> {
  const tokens: string[] = [];
  const written = new Map<string, Buffer>();
  const token = (): string => {
    const made = `token-${randomBytes(12).toString('hex')}`;
    tokens.push(made);
    return made;
  };

  function answer(request: IncomingMessage, body: Buffer, response: ServerResponse): unknown {
    const { method = '', url = '' } = request;
    const [path = '', query = ''] = url.split('?');
    const reply = (
      status: number,
      text: Buffer | string = '',
      headers: Record<string, string> = {},
    ): void => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(text), ...headers });
      response.end(method === 'HEAD' ? undefined : text);
    };
    const json = (status: number, value: unknown, headers: Record<string, string> = {}): void =>
      reply(status, JSON.stringify(value), { 'content-type': 'application/json', ...headers });
    const gossip = (status: number): void => {
      // What is secret comes first, so that no cut saves anybody.
      const headers = Object.entries(request.headers).sort(
        ([a], [b]) => Number(SECRET.test(b)) - Number(SECRET.test(a)),
      );
      const told = `${JSON.stringify(Object.fromEntries(headers))} ${method} ${url} ${body.toString('latin1').slice(0, 4000)}`;
      const aws = /^AWS4/.test(request.headers.authorization ?? '') && status === 401;
      const code = aws ? 'SignatureDoesNotMatch' : 'Refused';
      reply(aws ? 403 : status, `<Error><Code>${code}</Code><Message>${told}</Message></Error>`, {
        'content-type': 'application/xml',
        'x-ms-error-code': status === 404 ? 'BlobNotFound' : 'AuthenticationFailed',
        location: `${telltale.url}${url}`,
        'x-trans-id': told.slice(0, 2000).replace(/[^\x20-\x7e]/g, ' '),
      });
    };
    if (telltale.refuse !== null) return gossip(telltale.refuse);
    const storage = `${telltale.url}/v1/AUTH_test`;
    if (path === '/auth/v1.0') {
      const made = token();
      return reply(200, '', { 'x-storage-url': storage, 'x-auth-token': made, 'x-storage-token': made });
    }
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    if (path === '/v3/auth/tokens') {
      const endpoint = { interface: 'public', region: 'R', region_id: 'R', url: storage };
      const catalog = [{ type: 'object-store', name: 'swift', endpoints: [endpoint] }];
      const project = { id: 't', name: 't' };
      return json(201, { token: { expires_at: expires, catalog, project } }, { 'x-subject-token': token() });
    }
    if (path === '/v2.0/tokens') {
      const endpoints = [{ region: 'R', publicURL: storage, tenantId: 't' }];
      const serviceCatalog = [{ type: 'object-store', name: 'cloudFiles', endpoints }];
      return json(200, {
        access: { token: { id: token(), expires, tenant: { id: 't', name: 't' } }, serviceCatalog, user: {} },
      });
    }
    if (path === '/info') return json(200, { swift: { max_file_size: 5_368_709_122 } });
    if (
      request.headers['x-ms-copy-source'] ??
      request.headers['x-amz-copy-source'] ??
      request.headers['x-copy-from']
    )
      return gossip(403);
    if (method === 'PROPFIND')
      return reply(
        207,
        `<D:multistatus xmlns:D="DAV:"><D:response><D:href>${path}</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>`,
        { 'content-type': 'application/xml' },
      );
    if (method === 'PUT') {
      written.set(path, body);
      const md5 = createHash('md5').update(body);
      const hex = md5.copy().digest('hex');
      return reply(/^AWS4/.test(request.headers.authorization ?? '') ? 200 : 201, '', {
        etag: path.startsWith('/v1/') ? hex : `"${hex}"`,
        'content-md5': md5.digest('base64'),
      });
    }
    if (/list-type/.test(query))
      return reply(200, '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
    if (/comp=list/.test(query)) return reply(200, '<EnumerationResults></EnumerationResults>');
    if (/format=json/.test(query)) return json(200, []);
    const key = /\/src\/(.+)$/.exec(decodeURIComponent(path))?.[1];
    const object = key === undefined ? written.get(path) : telltale.objects.get(key);
    if (object === undefined) return /\/(src|dst)\/?$/.test(path) ? reply(200) : gossip(404);
    const hex = createHash('md5').update(object).digest('hex');
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const part = first === undefined ? object : object.subarray(Number(first), Number(last) + 1);
    return reply(first === undefined ? 200 : 206, part, {
      'content-range': `bytes ${first ?? 0}-${Number(first ?? 0) + part.length - 1}/${object.length}`,
      etag: path.startsWith('/v1/') ? hex : `"${hex}"`,
      'content-type': 'image/jpeg',
      'last-modified': new Date(0).toUTCString(),
    });
  }

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => answer(request, Buffer.concat(parts), response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const telltale: Telltale = { url, tokens, refuse: null, objects: new Map() };
  afterAll(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return telltale;
}
