import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request as the stand-in saw it, its signature being right. */
export interface SeenRequest {
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** The names under the signature. */
  readonly signed: readonly string[];
  readonly body: Buffer;
}

export interface StandInAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Hangs up without an answer. */
  readonly hangUp?: boolean;
}

export type Answering = (request: SeenRequest) => StandInAnswer;

/** What S3 does and Swift's s3api does not: it answers as a test says, to requests whose signature is right. */
export interface S3StandIn {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  answer(how: Answering): void;
  close(): Promise<void>;
}

export interface StandInOptions {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly token?: string;
  readonly region: string;
  /** Of a server over https. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** An error of S3 as a body. */
export const s3Error = (status: number, code: string, more = ''): StandInAnswer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code>${more}<RequestId>1</RequestId></Error>`,
});

export async function startS3StandIn(options: StandInOptions): Promise<S3StandIn> {
  const seen: SeenRequest[] = [];
  let how: Answering = () => ({});
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const wrong = whyWrong(request, body, options);
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const one: SeenRequest = {
      method: request.method ?? '',
      path: decodeURIComponent(path),
      query: new URLSearchParams(query),
      headers: request.headers as Record<string, string>,
      signed: /SignedHeaders=([^,]*)/.exec(request.headers.authorization ?? '')?.[1]?.split(';') ?? [],
      body,
    };
    if (wrong === null) seen.push(one);
    const answer = wrong === null ? how(one) : s3Error(403, 'SignatureDoesNotMatch', `<Why>${wrong}</Why>`);
    if (answer.hangUp === true) return void request.socket.destroy();
    const bytes = Buffer.from(answer.body ?? '');
    response.writeHead(answer.status ?? 200, { 'content-length': bytes.length, ...answer.headers });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
  const server =
    options.tls === undefined ? createServer(listener) : createSecureServer(options.tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    seen,
    answer(next) {
      seen.length = 0;
      how = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a server that knows the secret finds wrong with a request; null if nothing. Step by step, from AWS's text. */
function whyWrong(request: IncomingMessage, body: Buffer, options: StandInOptions): string | null {
  const header = (name: string): string => String(request.headers[name] ?? '');
  const [, access, day, region, signedNames, signature] =
    /^AWS4-HMAC-SHA256 Credential=(.+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    ) ?? [];
  if (day === undefined || signedNames === undefined) return 'no authorization';
  if (access !== options.accessKey) return 'another key';
  if (region !== options.region) return 'another region';
  if (header('x-amz-security-token') !== (options.token ?? '')) return 'another token';
  if (Math.abs(Date.now() - timeOf(header('x-amz-date'))) > 900_000) return 'another time';
  const names = signedNames.split(';');
  for (const name of Object.keys(request.headers))
    if ((name.startsWith('x-amz-') || name === 'host' || name === 'content-md5') && !names.includes(name))
      return `unsigned ${name}`;

  const payload = header('x-amz-content-sha256');
  if (payload !== 'UNSIGNED-PAYLOAD' && payload !== createHash('sha256').update(body).digest('hex'))
    return 'another payload';
  const md5 = header('content-md5');
  if (md5 !== '' && md5 !== createHash('md5').update(body).digest('base64')) return 'another MD5';

  const [rawPath = '', rawQuery = ''] = (request.url ?? '').split('?');
  const pairs = rawQuery === '' ? [] : rawQuery.split('&').map((pair) => pair.split('='));
  const canonicalQuery = pairs
    .map(
      ([name = '', value = '']) =>
        `${encoded(decodeURIComponent(name))}=${encoded(decodeURIComponent(value))}`,
    )
    .sort()
    .join('&');
  const canonical = [
    request.method,
    decodeURIComponent(rawPath).split('/').map(encoded).join('/'),
    canonicalQuery,
    ...names.map((name) => `${name}:${header(name).trim().replace(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const digest = createHash('sha256').update(canonical).digest('hex');
  let key = Buffer.from(`AWS4${options.secretKey}`);
  for (const word of scope.split('/')) key = createHmac('sha256', key).update(word).digest();
  const text = `AWS4-HMAC-SHA256\n${header('x-amz-date')}\n${scope}\n${digest}`;
  return createHmac('sha256', key).update(text).digest('hex') === signature ? null : 'another signature';
}

function encoded(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text))
    out += /[A-Za-z0-9._~-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return out;
}

function timeOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
