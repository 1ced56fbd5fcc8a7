import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { getSystemErrorName } from 'node:util';
import type { CarriedRequest, Carrier } from '../http-client.js';
import type { AmazonClient, AwsRequest } from './client.js';
import { bufferOf, CONNECTIONS, plainError, tell } from './request-carrier.js';

/** What our own signature set. */
const SIGNED = ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token', 'user-agent'];

/** Carries requests to S3 by aws-sdk 2, which signs them anew. `secure`: over https. */
export function amazonCarrier(client: AmazonClient, secure: boolean, ca: string | null): Carrier {
  const options = { keepAlive: false, maxSockets: CONNECTIONS };
  const agent = secure
    ? new HttpsAgent({ ...options, ...(ca === null ? {} : { ca }) })
    : new HttpAgent(options);
  client.s3.config.update({
    ...{ signatureVersion: 'v4', maxRetries: 0, maxRedirects: 0, paramValidation: false },
    ...{ computeChecksums: false, httpOptions: { agent, timeout: 0, connectTimeout: 0 } },
  });
  return {
    carry(request, exchange) {
      let asked: AwsRequest | undefined;
      let answer: IncomingMessage | undefined;
      const connection = {
        pause: () => void answer?.pause(),
        resume: () => void answer?.resume(),
        abort: () => asked?.abort(),
      };
      exchange.onRequestStart(connection);
      const fail = (error: unknown): void => {
        if (answer === undefined) exchange.onResponseError(connection, sdkError(error));
      };
      const send = (body: Buffer): void => {
        const one = client.s3.makeRequest('getObject', { Bucket: 'any', Key: 'any' });
        asked = one;
        one.on('build', () => fill(one, request, body));
        one.on('httpHeaders', (_status, _headers, { httpResponse }) => {
          const response = httpResponse.createUnbufferedStream();
          // What the SDK asks again by itself is nobody's answer any more.
          if (answer !== undefined) return void response.destroy();
          answer = response;
          tell(exchange, connection, request.method, response);
        });
        one.on('httpError', fail);
        one.send((error) => {
          if (error !== null) fail(error);
        });
      };
      wholeBody(request.body)
        .then(send, (error: Error) => exchange.onResponseError(connection, error))
        .catch(fail);
    },
    async close() {
      agent.destroy();
    },
  };
}

function fill({ httpRequest }: AwsRequest, request: CarriedRequest, body: Buffer): void {
  const { protocol, host, hostname, port } = new URL(request.origin);
  const isSecure = protocol === 'https:';
  Object.assign(httpRequest.endpoint, {
    protocol,
    host,
    hostname,
    port: Number(port) || (isSecure ? 443 : 80),
  });
  const headers: Record<string, string> = { Host: host };
  for (const [name, value] of Object.entries(request.headers))
    if (!SIGNED.includes(name)) headers[name] = value;
  delete headers['content-length'];
  if (body.length > 0 || request.method === 'PUT') headers['Content-Length'] = String(body.length);
  Object.assign(httpRequest, { method: request.method, path: request.path, headers, body });
}

/** aws-sdk 2 signs over http what it has whole. */
async function wholeBody(body: CarriedRequest['body']): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  if (typeof body === 'string' || body instanceof Uint8Array) return bufferOf(body);
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

/** It writes words of its own over the system's: a connection that was reset is a time-out to it. */
function sdkError(error: unknown): Error {
  const { code, errno } = (error ?? {}) as { readonly code?: unknown; readonly errno?: unknown };
  const systems =
    typeof errno === 'number' ? getSystemErrorName(errno) : code === 'TimeoutError' ? 'ECONNRESET' : code;
  return Object.assign(plainError(error), { code: systems });
}
