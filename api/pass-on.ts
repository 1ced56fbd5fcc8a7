import type { Dispatcher } from 'undici';
import type { Machine } from '../registry/model.js';
import { aborted, ConvoyError, messageOf, transient } from '../runtime/errors.js';
import { VOUCHED, vouchFor } from './access.js';
import { publicCode } from './error-codes.js';
import { type Call, refuse } from './route.js';
import type { WireError } from './wire.js';

/** Marks a request that one convoyd asks of another, so that it goes no further; names the machine it is for. */
export const PASSED_ON = 'x-convoy-passed-on';

/** What a convoyd answers that was asked for another machine: loopback addresses are alike on all. */
export const WRONG_MACHINE = 421;

/** How long another machine may take to begin its answer to anything but a log. */
const ANSWER_MS = 5_000;

/** Of `Machine.apiAddress`. */
const SCHEME = 'psk://';

export interface PassedOn {
  readonly status: number;
  readonly lines: AsyncIterable<string>;
  json(): Promise<unknown>;
}

/**
 * Sends a request, without its body, on to the machine it is about, for its caller. `transient`/`machine-unreachable`
 * if that does not answer, has no address or is not of this machine's cluster, or another machine answers there; `aborted`
 * once the caller has gone. `target`: asked instead of what the caller asked. `patient`: the answer may begin as late as
 * it likes (a log that is followed).
 */
export async function passOn(
  call: Call,
  machine: Machine,
  { target = call.target, patient }: { readonly target?: string; readonly patient: boolean },
): Promise<PassedOn> {
  const { id, apiAddress } = machine;
  if (!apiAddress.startsWith(SCHEME))
    throw unreachable(`machine ${id} answers no requests of other machines: give this command there`);
  const dispatcher = await call.peers.dispatcher();
  const signal = patient ? call.ending : call.signal;
  try {
    const { statusCode, body } = await dispatcher.request({
      origin: `https://${apiAddress.slice(SCHEME.length)}`,
      path: target,
      method: call.method as Dispatcher.HttpMethod,
      headers: { [PASSED_ON]: id, [VOUCHED]: vouchFor(call.caller) },
      headersTimeout: patient ? 0 : ANSWER_MS,
      bodyTimeout: 0,
      signal,
    });
    if (statusCode === WRONG_MACHINE || statusCode === 401) {
      await body.dump();
      throw statusCode === 401
        ? strangers(machine, 'their secrets differ')
        : unreachable(`machine ${id} does not answer at ${apiAddress}: another one does`);
    }
    return { status: statusCode, lines: linesOf(body), json: () => body.json() };
  } catch (cause) {
    if (cause instanceof ConvoyError) throw cause;
    if (call.signal.aborted) throw aborted('the caller has gone', { cause });
    if (signal.aborted) throw aborted('convoyd stops', { cause });
    throw whyNot(machine, cause);
  }
}

function whyNot(machine: Machine, cause: unknown): ConvoyError {
  const { code = '' } = cause as { readonly code?: string };
  // OpenSSL's own sentences are none for people: Node makes codes of them.
  if (/UNKNOWN_PSK_IDENTITY/.test(code)) return strangers(machine, 'it has not joined one yet');
  if (/^ERR_SSL_.*ALERT/.test(code)) return strangers(machine, 'their secrets differ');
  const where = `machine ${machine.id} does not answer at ${machine.apiAddress}`;
  if (code.startsWith('ERR_SSL_')) return unreachable(`${where}: what answers there is no convoyd`);
  return unreachable(`${where}: ${messageOf(cause)}`, cause);
}

function strangers({ id, apiAddress }: Machine, why: string): ConvoyError {
  return unreachable(
    `machine ${id} at ${apiAddress} does not know this one as a machine of the cluster: ${why}`,
  );
}

/** What another machine refused a request with, to be said as it said it. */
export function refusalOf(status: number, body: unknown): ConvoyError {
  const { error } = body as WireError;
  return refuse(status, publicCode(String(error.code), 'permanent'), error.message);
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
