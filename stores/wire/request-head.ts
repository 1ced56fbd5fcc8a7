import type { CarriedRequest } from '../http-client.js';

const METHODS: readonly string[] = ['GET', 'HEAD', 'PUT', 'DELETE', 'MKCOL', 'PROPFIND'];
/** What says how a message is framed or a connection used: nobody else's business here. */
const FRAMING: readonly string[] = [
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding'],
  ...['upgrade', 'expect', 'te', 'trailer'],
];
const PLAIN_PATH = /^\/[\x21-\xff]*$/;
const PLAIN_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const UNHEARD_OF = /[^\t\x20-\x7e\x80-\xff]/;

interface Lines {
  readonly host: string;
  /** Of the headers that are sent as they are given. */
  readonly text: string;
  /** As given; null: not. */
  readonly length: string | null;
}

/** The heads of requests to one server (RFC 9112). */
export class RequestHeads {
  /** Of the headers asked with last: a store asks with the same object again and again. */
  private headers: CarriedRequest['headers'] = {};
  private lines: Lines | null;

  constructor(private readonly host: string) {
    this.lines = linesOf(this.headers, host);
  }

  /**
   * As latin1, of a request whose body has `size` bytes and whose headers nobody changes later. null: it is none of the
   * plain ones, and nothing of it may be written.
   */
  of({ method, path, headers }: CarriedRequest, size: number): string | null {
    if (headers !== this.headers) {
      this.headers = headers;
      this.lines = linesOf(headers, this.host);
    }
    const { lines } = this;
    if (lines === null || !METHODS.includes(method) || !PLAIN_PATH.test(path)) return null;
    if (lines.length !== null && lines.length !== String(size)) return null;
    const length = size > 0 || method === 'PUT' ? `content-length: ${size}\r\n` : '';
    return `${method} ${path} HTTP/1.1\r\nhost: ${lines.host}\r\nconnection: keep-alive\r\n${lines.text}${length}\r\n`;
  }
}

function linesOf(headers: CarriedRequest['headers'], ownHost: string): Lines | null {
  let host = ownHost;
  let text = '';
  let length: string | null = null;
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase();
    if (typeof value !== 'string' || !PLAIN_NAME.test(name) || UNHEARD_OF.test(value)) return null;
    if (name === 'content-length') length = value;
    else if (name === 'host') host = value;
    else if (FRAMING.includes(name)) return null;
    else text += `${name}: ${value}\r\n`;
  }
  return { host, text, length };
}
