import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type Access, isMachine } from './access.js';
import { isLoopback } from './listen.js';

/**
 * Where other machines reach an API that is served at these addresses, as they are to be told; '': nowhere. Loopback
 * counts where the whole cluster is on one machine.
 */
export function addressForOthers(addresses: readonly string[], publicIp: string): string {
  const tcp = addresses.find((address) => address.startsWith('http'));
  if (tcp === undefined) return '';
  const { protocol, port } = new URL(tcp);
  const host = hostOf(tcp);
  if (isLoopback(host)) return isLoopback(publicIp) ? tcp : '';
  if (host !== '0.0.0.0' && host !== '::') return tcp;
  return `${protocol}//${publicIp.includes(':') ? `[${publicIp}]` : publicIp}:${port}`;
}

/** Why other machines will not believe the one at `address`, or not answer it; empty: they will. `now` in ms. */
export function reasonsForDistrust(access: Access, address: string, now: number): string[] {
  if (!address.startsWith('https:')) return [];
  const reasons: string[] = [];
  const certificate = new X509Certificate(access.tls?.cert ?? '');
  const host = hostOf(address);
  if ((isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) === undefined)
    reasons.push(
      `the certificate of --tls-cert is not for ${host}: other machines and clients will not trust it there`,
    );
  if (Date.parse(certificate.validTo) < now)
    reasons.push(
      `the certificate of --tls-cert was valid until ${certificate.validTo}: nobody trusts it any more`,
    );
  if (!isMachine(access))
    reasons.push(
      'other machines will not answer this one: its certificate has no OU=convoy-machine, and --api-tokens no token of the role machine',
    );
  return reasons;
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
}
