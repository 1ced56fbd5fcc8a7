import { ConvoyError, messageOf, permanent, transient } from '../runtime/errors.js';
import type { HttpAnswer, StatusMeaning } from './http-client.js';
import { scrub } from './location.js';

/** Of what a server says about an error, this much is repeated. */
const DETAIL_CHARACTERS = 300;

/** The error of a status nobody asked for: what it means in HTTP, save what it means to this kind of store. */
export function statusError(what: string, answer: HttpAnswer, meaning: StatusMeaning): ConvoyError {
  const { status } = answer;
  const { kind, code, detail } = { ...plainMeaning(answer), ...meaning };
  const message = `${what}: HTTP ${status}${detail === undefined ? '' : `, ${inOneLine(detail)}`}`;
  const retryAfterMs = retryAfterOf(answer);
  return new ConvoyError(kind, message, {
    code,
    status,
    ...(kind === 'transient' && retryAfterMs !== null ? { retryAfterMs } : {}),
  });
}

function plainMeaning(answer: HttpAnswer): Required<Pick<StatusMeaning, 'kind' | 'code'>> & StatusMeaning {
  const { status } = answer;
  if (status === 404 || status === 410) return { kind: 'permanent', code: 'not-found' };
  if (status === 401) return { kind: 'permanent', code: 'wrong-credentials' };
  if (status === 403) return { kind: 'permanent', code: 'forbidden' };
  if (status === 413) return { kind: 'permanent', code: 'too-large' };
  if (status >= 300 && status < 400)
    return {
      kind: 'permanent',
      code: 'rejected',
      detail: `redirected to ${answer.header('location') ?? 'nowhere'}: redirects are not followed`,
    };
  if (status === 507) return { kind: 'permanent', code: 'disk-full' };
  if (status === 429 || status === 503) return { kind: 'transient', code: 'throttled' };
  if (status === 408 || status >= 500) return { kind: 'transient', code: 'server-error' };
  return { kind: 'permanent', code: 'rejected' };
}

/** Retry-After is seconds or a date; a date is compared with the server's own clock where it tells it. */
function retryAfterOf(answer: HttpAnswer): number | null {
  const text = answer.header('retry-after');
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const due = Date.parse(text);
  const sent = Date.parse(answer.header('date') ?? '');
  return Number.isNaN(due) ? null : Math.max(0, due - (Number.isNaN(sent) ? Date.now() : sent));
}

const UNTRUSTED =
  "the server's certificate is not trusted: give the file of the authority that signed it in NODE_EXTRA_CA_CERTS";
const WRONG_TIME = "the server's certificate is out of date, or this machine's clock is";

/** What is wrong before there is an answer, by the word of Node or OpenSSL for it. */
const TROUBLES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_UNTRUSTED: UNTRUSTED,
  CERT_HAS_EXPIRED: WRONG_TIME,
  CERT_NOT_YET_VALID: WRONG_TIME,
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another name",
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS: is it http://?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server does not speak TLS: is it http://?',
  ENOTFOUND: 'no server has this name',
  EAI_AGAIN: 'the name could not be looked up',
  ECONNREFUSED: 'nobody listens there',
  EHOSTUNREACH: 'there is no way to this address',
  ENETUNREACH: 'there is no way to this address',
};

const LOST = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'];

/**
 * What never came to an answer, or broke off in one. A name or certificate that is wrong is the whole store's trouble,
 * not an object's: `transient`/`unreachable`.
 */
export function connectionError(what: string, error: unknown): ConvoyError {
  const { code = '', name, reason } = Object(error) as { code?: string; name?: string; reason?: string };
  // OpenSSL's messages are of several lines, its reasons of some words.
  const why = inOneLine(reason ?? messageOf(error)) || code;
  if (LOST.includes(code)) return transient(`${what}: ${why}`, { code: 'connection-lost' });
  if (name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW')
    return transient(`${what}: ${why}`, { code: 'bad-answer' });
  // A header that HTTP cannot carry, such as a name or a credential with a line break in it.
  if (code === 'UND_ERR_INVALID_ARG') return permanent(`${what}: ${why}`, { code: 'rejected' });
  const trouble = TROUBLES[code] ?? (code.startsWith('ERR_SSL_') ? 'no TLS came about' : undefined);
  return transient(`${what}: ${trouble === undefined ? why : `${trouble} (${why})`}`, {
    code: 'unreachable',
  });
}

/** Without secrets, line breaks and control characters, and not at any length. */
function inOneLine(text: string): string {
  return scrub(text.replace(/[\s\u0000-\u001f\u007f]+/g, ' ').trim()).slice(0, DETAIL_CHARACTERS);
}
