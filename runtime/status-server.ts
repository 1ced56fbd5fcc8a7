import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from './errors.js';
import type { Log } from './log.js';
import { PROMETHEUS_TEXT } from './prometheus.js';
import { bind, type ListenAddress, urlOf, webServer } from './web-server.js';

export interface StatusOptions {
  readonly listen: ListenAddress;
  /** In Prometheus's text format. */
  readonly metrics: () => Promise<string>;
  /** Why the program cannot do its work now, in a sentence; null if it can. */
  readonly health: () => string | null;
  readonly log: Log;
}

export interface StatusServer {
  /** `http://host:port` */
  readonly address: string;
  close(): Promise<void>;
}

const TEXT = 'text/plain; charset=utf-8';
/** Nobody has an answer of some kilobytes on its way for longer, in ms: a scrape that takes as long has failed. */
const ANSWER_MS = 5_000;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

/**
 * Serves `GET /metrics` and `GET /healthz` (200 `ok`, or 503 with the sentence) of a program that has no API. Each
 * connection is good for one request, and for a few seconds. `permanent`/`listen` if the address cannot be had.
 */
export async function startStatusServer(options: StatusOptions): Promise<StatusServer> {
  const { listen, log } = options;
  const server = webServer((request, response) => void reply(options, request, response));
  await bind(server, `/metrics on ${listen.host}:${listen.port}`, listen);
  const address = urlOf(server, 'http');
  log.info({ address }, 'listening');
  return {
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function reply(
  options: StatusOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, body, type = TEXT } = await answerTo(options, request);
  const late = setTimeout(() => response.destroy(), ANSWER_MS);
  response.once('close', () => clearTimeout(late));
  response.writeHead(status, {
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    ...{ 'content-type': type, 'content-length': Buffer.byteLength(body), connection: 'close' },
  });
  response.end(body);
}

async function answerTo({ metrics, health, log }: StatusOptions, request: IncomingMessage): Promise<Answer> {
  const [path] = (request.url ?? '').split('?');
  if (path !== '/metrics' && path !== '/healthz')
    return { status: 404, body: 'here are /metrics and /healthz\n' };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: `${path} can only be read (GET)\n` };
  try {
    if (path === '/metrics') return { status: 200, body: await metrics(), type: PROMETHEUS_TEXT };
    const trouble = health();
    return trouble === null ? { status: 200, body: 'ok\n' } : { status: 503, body: `${trouble}\n` };
  } catch (error) {
    log.error({ request: path }, messageOf(error));
    return { status: 500, body: 'there is no answer: the log tells why\n' };
  }
}
