import { ConvoyError, messageOf, permanent, transient } from '../runtime/errors.js';
import type { Endpoint } from './endpoint.js';

const UNKNOWN_ISSUER = 'give the certificate of the authority that signed it with --ca-file';
const OWN_REFUSED = 'give one that it trusts with --cert-file and --key-file';

/** What can be done about a certificate, by OpenSSL's word for what is wrong with it. */
const CERTIFICATE_PROBLEMS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_ISSUER,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  CERT_SIGNATURE_FAILURE: UNKNOWN_ISSUER,
  CERT_HAS_EXPIRED: 'renew it, or set this clock right',
  CERT_NOT_YET_VALID: 'set the clocks right',
  ERR_TLS_CERT_ALTNAME_INVALID: 'use a name that it is for, or give convoyd one that is for this name',
};

/** One sentence for what went wrong on the way to convoyd: where, what, and what to do; what is one already stays. */
export function connectionError(endpoint: Endpoint, cause: unknown): ConvoyError {
  if (cause instanceof ConvoyError) return cause;
  const { text } = endpoint;
  const code = (cause as { code?: unknown } | null)?.code;
  const word = typeof code === 'string' ? code : '';
  const why = messageOf(cause).trim().replaceAll('\n', ' ');
  const remedy = CERTIFICATE_PROBLEMS[word];
  if (remedy !== undefined)
    return permanent(`the certificate of ${text} is refused (${why}): ${remedy}`, { code: 'certificate' });
  if (/_ALERT_|^ERR_SSL_.*CERTIFICATE/.test(word))
    return permanent(`${text} refuses this client's certificate (${alertOf(word)}): ${OWN_REFUSED}`, {
      code: 'certificate',
    });
  if (word === 'ECONNRESET' && endpoint.kind === 'tcp' && endpoint.tls)
    return transient(`${text} cut the connection (${why}): it is not ready, or does not trust this client`, {
      code: 'unreachable',
    });
  if (/wrong version number|packet length too long/.test(why))
    return permanent(`${text} does not speak TLS: use http:// if it should not`, { code: 'no-tls' });
  if (word.startsWith('HPE_'))
    return permanent(`${text} does not answer in HTTP (${why}): is it https://?`, { code: 'no-http' });
  if (word === 'EACCES' || word === 'EPERM')
    return permanent(`no permission to use ${text}: be root, or in the group that the socket belongs to`, {
      code: 'forbidden',
    });
  return transient(`no convoyd answers at ${text} (${why}): is it running?`, { code: 'unreachable' });
}

/** `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED` -> `certificate required` */
function alertOf(word: string): string {
  return word
    .replace(/^ERR_SSL_(TLSV\d+_|SSLV\d+_)?(ALERT_)?/, '')
    .replaceAll('_', ' ')
    .toLowerCase();
}
