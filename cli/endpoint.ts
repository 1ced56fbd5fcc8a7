import { UsageError } from '../runtime/errors.js';

/** Where convoyd's API answers if nobody says otherwise. */
export const DEFAULT_ENDPOINT = 'unix:///run/convoy/api.sock';

/** Where convoyd's API answers. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly text: string; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly text: string;
      readonly host: string;
      readonly port: number;
      readonly tls: boolean;
    };

const SOCKET_SCHEMES = ['unix', 'file'];

/** `unix:///path` (`file:///path` means the same), `http://host:port` or `https://host:port`; else a usage error. */
export function readEndpoint(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (typeof endpoint !== 'string') return endpoint;
  const expected = 'unix:///path/of/socket, http://host:port or https://host:port';
  throw new UsageError(`endpoint "${text}": ${endpoint}: expected ${expected}`);
}

/** The endpoint, or what is wrong with it: where fleetctl found that wrong too, in its words. */
export function parseEndpoint(text: string): Endpoint | string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return 'URL scheme undefined';
  const rest = text.slice(scheme.length + '://'.length);
  if (SOCKET_SCHEMES.includes(scheme)) {
    const slash = rest.indexOf('/');
    const host = slash < 0 ? rest : rest.slice(0, slash);
    if (host !== '') return `unable to connect to host "${host}" with scheme "${scheme}"`;
    const path = rest.replace(/\/+$/, '');
    if (path === '') return `scheme "${scheme}" needs the path of a socket`;
    return { kind: 'unix', text, path };
  }
  if (scheme !== 'http' && scheme !== 'https') return `unsupported scheme "${scheme}"`;
  const tls = scheme === 'https';
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return `"${rest}" is no host:port`;
  }
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  return { kind: 'tcp', text, host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, tls };
}

/** What is sent there can be read on its way. */
export function isOpenToOthers(endpoint: Endpoint): boolean {
  return endpoint.kind === 'tcp' && !endpoint.tls && !/^(localhost|127\.[\d.]+|::1)$/.test(endpoint.host);
}
