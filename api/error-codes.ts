import { ConvoyError, type ErrorKind, kindOf, messageOf } from '../runtime/errors.js';
import type { WireError } from './wire.js';

/**
 * Every `error.code` of the native API, with the status it comes with and what it means: a promise to clients, who
 * decide by it. Fleet's answers have numbers instead.
 */
export const ERROR_CODES = {
  'bad-body': { status: 400, means: 'The body is not what the request takes; the message names the field.' },
  'bad-query': { status: 400, means: 'A query parameter is not what the request takes, or is unknown.' },
  'bad-header': { status: 400, means: 'A header is not what the request takes.' },
  'bad-path': { status: 400, means: 'The path is not properly percent-encoded.' },
  'bad-unit': { status: 400, means: 'A unit may not have this name, these options or this target.' },
  'too-many': { status: 400, means: 'More units at once than fit into one transaction.' },
  'no-machine': { status: 400, means: 'The machine that is named was never there.' },
  ambiguous: { status: 400, means: 'Several machines fit; one has to be named.' },
  credentials: { status: 401, means: 'No token or certificate was shown, or one that is not accepted.' },
  role: { status: 403, means: "The caller's role is not enough for this." },
  'from-a-page': { status: 403, means: 'Changes are not taken from web pages.' },
  'not-found': { status: 404, means: 'There is no such thing.' },
  'not-placed': { status: 409, means: 'The unit is on no machine, or not on the one that is named.' },
  'machine-gone': { status: 404, means: 'The machine that is asked about, or that has the unit, is gone.' },
  'not-leading': { status: 404, means: 'Asked by another machine as the leader, which this machine is not.' },
  method: { status: 405, means: 'The resource has no such method.' },
  alive: { status: 409, means: 'The machine is there; this is for one that is gone.' },
  'in-use': { status: 409, means: 'Units are placed on the machine.' },
  'not-running': { status: 409, means: 'The unit does not run.' },
  failed: { status: 409, means: 'systemd refused or failed.' },
  generation: { status: 409, means: 'A unit was changed since the generation that was expected.' },
  conflict: { status: 409, means: 'Something changed meanwhile: read again and decide anew.' },
  compacted: { status: 410, means: 'The registry does not remember so far back: list again.' },
  precondition: {
    status: 412,
    means: 'If-Match or If-None-Match does not hold: read again and decide anew.',
  },
  'too-large': { status: 413, means: 'The body is over the limit.' },
  'wrong-machine': { status: 421, means: 'Meant for another machine than the one that answers.' },
  internal: { status: 500, means: "A bug: convoyd's log says more." },
  'machine-unreachable': { status: 502, means: 'The machine it is about does not answer.' },
  unavailable: { status: 503, means: 'The registry does not answer: try again.' },
  hold: { status: 503, means: 'convoyd touches nothing until the operator has accepted the registry.' },
  outsider: { status: 503, means: 'The machine is none of the cluster.' },
  stopping: { status: 503, means: 'convoyd stops: ask another one.' },
  lagging: { status: 503, means: 'Events were not read as fast as they came: go on from the last id.' },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly means: string }>>;
export type ErrorCode = keyof typeof ERROR_CODES;

/** What only fleet's requests are refused for, whose answers do not show it. */
export type FleetCode = 'bad-request' | 'bad-token' | 'content-type' | 'no-desired-state' | 'no-options';

/** A code as the API promises it: what is not in the list is told by its kind. */
export function publicCode(code: string | undefined, kind: ErrorKind): ErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : CODE_OF_KIND[kind];
}

const CODE_OF_KIND = {
  ...{ transient: 'unavailable', aborted: 'stopping', conflict: 'conflict', permanent: 'internal' },
} as const satisfies Readonly<Record<ErrorKind, ErrorCode>>;

/** The status an error is answered with: its own, else that of its code, else that of its kind. */
export function statusOf(error: unknown): number {
  const { code, status } = error instanceof ConvoyError ? error : {};
  return status ?? ERROR_CODES[publicCode(code, kindOf(error))].status;
}

/** `{error}` of the native API. What this process has given up may be asked of another one. */
export function errorBody(error: unknown): WireError {
  const kind = kindOf(error);
  const code = publicCode(error instanceof ConvoyError ? error.code : undefined, kind);
  return { error: { code, message: messageOf(error), kind: kind === 'aborted' ? 'transient' : kind } };
}
