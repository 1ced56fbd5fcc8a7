import type { CarriedRequest } from '../http-client.js';

const METHODS: readonly string[] = ['GET', 'HEAD', 'PUT', 'DELETE'];
/** What says how a message is framed or a connection used: nobody else's business here. */
const FRAMING: readonly string[] = [
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding'],
  ...['upgrade', 'expect', 'te', 'trailer'],
];
const PLAIN_PATH = /^\/[\x21-\xff]*$/;
const PLAIN_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const UNHEARD_OF = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * The head of a request (RFC 9112) as latin1, whose body has `size` bytes. null: it is none of the plain ones, and nothing of
 * it may be written.
 */
export function requestHead(
  { method, path, headers }: CarriedRequest,
  host: string,
  size: number,
): string | null {
  if (!METHODS.includes(method) || !PLAIN_PATH.test(path)) return null;
  let told = host;
  let lines = '';
  for (const given in headers) {
    const name = given.toLowerCase();
    const value = headers[given];
    if (typeof value !== 'string' || !PLAIN_NAME.test(name) || UNHEARD_OF.test(value)) return null;
    if (name === 'content-length') {
      if (value !== String(size)) return null;
    } else if (name === 'host') told = value;
    else if (FRAMING.includes(name)) return null;
    else lines += `${name}: ${value}\r\n`;
  }
  const length = size > 0 || method === 'PUT' ? `content-length: ${size}\r\n` : '';
  return `${method} ${path} HTTP/1.1\r\nhost: ${told}\r\nconnection: keep-alive\r\n${lines}${length}\r\n`;
}
