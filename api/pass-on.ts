import { Agent, type Dispatcher } from 'undici';
import type { Machine } from '../registry/model.js';
import { aborted, ConvoyError, messageOf, transient } from '../runtime/errors.js';
import { type Access, machineToken, VOUCHED, vouchFor } from './access.js';
import { publicCode } from './error-codes.js';
import { isLoopback } from './listen.js';
import { type Call, refuse } from './route.js';
import type { WireError } from './wire.js';

/** Marks a request that one convoyd asks of another, so that it goes no further; names the machine it is for. */
export const PASSED_ON = 'x-convoy-passed-on';

/** What a convoyd answers that was asked for another machine: loopback addresses are alike on all. */
export const WRONG_MACHINE = 421;

/** How long another machine may take to begin its answer to anything but a log. */
const ANSWER_MS = 5_000;

/** How this machine asks others: over connections of its own, on which it says that it is one. */
export interface Peers {
  readonly dispatcher: Dispatcher;
  readonly token: string | null;
}

/** `close` ends the connections. Certificates of other machines are always checked, whatever the environment says. */
export function openPeers(access: Access): Peers & { close(): Promise<void> } {
  const { tls } = access;
  const dispatcher = new Agent({
    connect: {
      rejectUnauthorized: true,
      ...(tls === null || tls.ca === null ? {} : { ca: tls.ca }),
      ...(tls === null || !tls.ofMachine ? {} : { cert: tls.cert, key: tls.key }),
    },
  });
  return { dispatcher, token: machineToken(access), close: () => dispatcher.destroy() };
}

export interface PassedOn {
  readonly status: number;
  readonly lines: AsyncIterable<string>;
  json(): Promise<unknown>;
}

/**
 * Sends a request, without its body, on to the machine it is about, for its caller. `transient`/`machine-unreachable`
 * if that does not answer, has no address, is not to be trusted or does not trust this one, or another machine answers
 * there; `aborted` once the caller has gone. `target`: asked instead of what the caller asked. `patient`: the answer
 * may begin as late as it likes (a log that is followed).
 */
export async function passOn(
  call: Call,
  machine: Machine,
  { target = call.target, patient }: { readonly target?: string; readonly patient: boolean },
): Promise<PassedOn> {
  const { id, apiAddress } = machine;
  const { dispatcher, token } = call.peers;
  if (apiAddress === '')
    throw unreachable(`machine ${id} answers no requests of other machines: give this command there`);
  try {
    const { statusCode, body } = await dispatcher.request({
      origin: apiAddress,
      path: target,
      method: call.method as Dispatcher.HttpMethod,
      headers: {
        [PASSED_ON]: id,
        [VOUCHED]: vouchFor(call.caller),
        ...(token !== null && isSafeFor(machine) ? { authorization: `Bearer ${token}` } : {}),
      },
      headersTimeout: patient ? 0 : ANSWER_MS,
      bodyTimeout: 0,
      signal: call.signal,
    });
    if (statusCode === WRONG_MACHINE) {
      await body.dump();
      throw unreachable(`machine ${id} does not answer at ${apiAddress}: another one does`);
    }
    if (statusCode === 401) {
      const { error } = (await body.json()) as WireError;
      throw unreachable(`machine ${id} does not know this one as a machine of the cluster: ${error.message}`);
    }
    return { status: statusCode, lines: linesOf(body), json: () => body.json() };
  } catch (cause) {
    if (cause instanceof ConvoyError) throw cause;
    if (call.signal.aborted) throw aborted('the caller has gone', { cause });
    const { code } = cause as { readonly code?: string };
    throw unreachable(
      isDistrust(code)
        ? `the certificate that machine ${id} shows at ${apiAddress} is not to be trusted: ${messageOf(cause)}`
        : `machine ${id} does not answer at ${apiAddress}: ${messageOf(cause)}`,
      cause,
    );
  }
}

/** Whether a certificate was refused, by the code that Node (of OpenSSL) gives the error. */
function isDistrust(code = ''): boolean {
  return /CERT|SIGNATURE|ISSUER|CRL/.test(code);
}

/** What another machine refused a request with, to be said as it said it. */
export function refusalOf(status: number, body: unknown): ConvoyError {
  const { error } = body as WireError;
  return refuse(status, publicCode(String(error.code), 'permanent'), error.message);
}

/** Not over plain HTTP to what says it is on loopback: that is this machine's own, where any user may listen. */
function isSafeFor({ apiAddress, ip }: Machine): boolean {
  const { protocol, hostname } = new URL(apiAddress);
  return protocol === 'https:' || (isLoopback(ip) && isLoopback(hostname));
}

function unreachable(message: string, cause?: unknown): ConvoyError {
  return transient(message, { code: 'machine-unreachable', status: 502, cause });
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
