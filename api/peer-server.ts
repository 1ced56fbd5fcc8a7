import { constants } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { bind } from '../runtime/web-server.js';
import { VOUCHED, vouchedCaller } from './access.js';
import { isLoopback } from './listen.js';
import { type Caller, refuse } from './route.js';

/**
 * The API for other machines of the cluster. Both sides of a connection prove that they know the cluster's secret,
 * without which there is none; what is said cannot be read later by who learns the secret then (ECDHE). Whoever has the
 * secret may write the registry, and so may claim any caller here too.
 */

/** TLS between machines, on both sides. No certificate plays a part: these are the only ciphers. */
export const PEER_TLS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const satisfies SecureContextOptions;

/** Where other machines ask. Port 0: any free one. */
export interface PeerListen {
  readonly host: string;
  readonly port: number;
  /** What other machines are told where `host` means all addresses of this machine. */
  readonly publicIp: string;
  /** Nobody asked for this address: convoyd does without if it cannot be had. */
  readonly isDefault: boolean;
}

/**
 * null: other machines are not served, as `none` asks for. Unasked: `usualPort` of the public address, but any on
 * loopback, where a whole cluster may be.
 */
export function choosePeerListen(
  asked: { readonly host: string; readonly port: number } | 'none' | undefined,
  publicIp: string,
  usualPort: number,
): PeerListen | null {
  if (asked === 'none') return null;
  if (asked !== undefined) return { ...asked, publicIp, isDefault: false };
  return { host: publicIp, port: isLoopback(publicIp) ? 0 : usualPort, publicIp, isDefault: true };
}

export interface PeerSecurity {
  readonly tls: TlsOptions;
  /** For whom the machine at the other end asks; throws the refusal. */
  callerOf(request: IncomingMessage): Caller;
}

/** `secret`: the cluster's, null while it is not known: then, as with a wrong one, no connection comes about. */
export function peerSecurity(secret: () => Buffer | null): PeerSecurity {
  const peers = new WeakMap<object, { readonly machine: string; readonly psk: Buffer }>();
  return {
    tls: {
      ...PEER_TLS,
      // Each connection proves anew that it knows the secret, and stays with whom it was made.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      pskCallback(socket, machine) {
        const psk = secret();
        if (psk === null || !/^[0-9a-f]{32}$/.test(machine)) return null;
        peers.set(socket, { machine, psk });
        return psk;
      },
    },
    callerOf({ socket, headers }) {
      const peer = peers.get(socket);
      // A connection may be older than this machine's coming to another cluster.
      if (peer === undefined || secret()?.equals(peer.psk) !== true)
        throw refuse(401, 'credentials', 'this connection is of another cluster');
      const vouched = headers[VOUCHED];
      return vouchedCaller(peer.machine, typeof vouched === 'string' ? vouched : undefined);
    },
  };
}

/**
 * Binds a server for other machines and answers what they are to be told: `psk://host:port`. '': the address cannot be
 * had and nobody asked for it, which is logged.
 */
export async function listenForPeers(server: Server, listen: PeerListen, log: Log): Promise<string> {
  const { host, port, publicIp, isDefault } = listen;
  try {
    await bind(server, `the API on ${host}:${port}`, { host, port });
  } catch (error) {
    if (!isDefault) throw error;
    log.warn(
      {},
      `other machines cannot ask this one for logs, reloads and reasons: ${messageOf(error)}; give another address with --peer-listen, or none`,
    );
    return '';
  }
  const { address, port: bound } = server.address() as AddressInfo;
  const told = address === '0.0.0.0' || address === '::' ? publicIp : address;
  return `psk://${told.includes(':') ? `[${told}]` : told}:${bound}`;
}
