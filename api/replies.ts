import type { ServerResponse } from 'node:http';
import { messageOf } from '../runtime/errors.js';
import { errorBody, statusOf } from './error-codes.js';
import { REVISION, type Reply, type Route } from './route.js';
import type { WireError } from './wire.js';

/** How long a caller may take none of what is sent; Node notices it within twice that. A stream may be silent for ever. */
const STALLED_MS = 30_000;
const TEXT = 'text/plain; charset=utf-8';
const FLEET_UNAVAILABLE = 'fleet server unable to communicate with etcd';

/** An answer that is there as a whole. */
export function sendJson(
  response: ServerResponse,
  { status, json, etag, type, revision }: Exclude<Reply, { readonly lines: unknown }>,
): void {
  response.statusCode = status;
  if (etag !== undefined) response.setHeader('etag', `"${etag}"`);
  if (revision !== undefined) response.setHeader(REVISION, revision);
  if (json !== undefined || type !== undefined)
    response.setHeader('content-type', type ?? 'application/json');
  if (json === undefined) response.end();
  else sendText(response, JSON.stringify(json));
}

/** The length is told with HEAD too, which gets no body. */
function sendText(response: ServerResponse, text: string): void {
  response.setTimeout(STALLED_MS);
  const bytes = Buffer.from(text);
  response.setHeader('content-length', bytes.length);
  response.end(bytes);
}

/** The first line is awaited before the status goes out, so that a log that cannot be had is an error. */
export async function sendLines(
  response: ServerResponse,
  { status, lines, type = TEXT }: Extract<Reply, { readonly lines: unknown }>,
  gone: AbortSignal,
): Promise<void> {
  for await (const line of lines) {
    if (!response.headersSent) response.writeHead(status, { 'content-type': type });
    if (!response.write(`${line}\n`) && !gone.aborted) {
      response.setTimeout(STALLED_MS);
      await drained(response, gone);
      response.setTimeout(0);
    }
    if (gone.aborted) return;
  }
  if (!response.headersSent) response.writeHead(status, { 'content-type': type });
  response.setTimeout(STALLED_MS);
  response.end();
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    gone.addEventListener('abort', done, { once: true });
  });
}

const ENTITIES: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' },
};

/** As Go's library does: only a GET is told in words. */
export function redirect(response: ServerResponse, location: string): void {
  const { method } = response.req;
  response.statusCode = 301;
  response.setHeader('location', location);
  if (method !== 'GET' && method !== 'HEAD') return void response.end();
  response.setHeader('content-type', 'text/html; charset=utf-8');
  const href = location.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
  sendText(response, `<a href="${href}">Moved Permanently</a>.\n\n`);
}

/** A refusal has its own status; of other errors the kind decides. Fleet's 500 never says why: the log does. */
export function sendError(response: ServerResponse, dialect: Route['dialect'], error: unknown): void {
  const sent = statusOf(error);
  if (sent === 401) {
    response.setHeader('www-authenticate', 'Bearer');
    // Those without a credential keep no connection from those with one.
    response.setHeader('connection', 'close');
  }
  const unavailable = dialect === 'fleet' && sent === 503;
  const message = unavailable
    ? FLEET_UNAVAILABLE
    : sent === 500 && dialect === 'fleet'
      ? ''
      : messageOf(error);
  const body: WireError = dialect === 'fleet' ? { error: { code: sent, message } } : errorBody(error);
  sendJson(response, { status: sent, json: body });
}
