import { type Dispatcher, request } from 'undici';
import type { Machine } from '../registry/model.js';
import { ConvoyError, messageOf, transient } from '../runtime/errors.js';
import type { Call } from './route.js';

/** Marks a request that one convoyd asks of another, so that it goes no further; names the machine it is for. */
export const PASSED_ON = 'x-convoy-passed-on';

/** What a convoyd answers that was asked for another machine: loopback addresses are alike on all. */
export const WRONG_MACHINE = 421;

/** How long another machine may take to begin its answer to anything but a log. */
const ANSWER_MS = 5_000;

export interface PassedOn {
  readonly status: number;
  readonly lines: AsyncIterable<string>;
  json(): Promise<unknown>;
}

/**
 * Sends a request, without its body, on to the machine it is about. `transient`/`machine-unreachable` if that does
 * not answer, has no address, or another machine answers there. `target`: asked instead of what the caller asked.
 * `patient`: the answer may begin as late as it likes (a log that is followed).
 */
export async function passOn(
  call: Call,
  machine: Machine,
  { target = call.target, patient }: { readonly target?: string; readonly patient: boolean },
): Promise<PassedOn> {
  const { id, apiAddress } = machine;
  if (apiAddress === '')
    throw unreachable(`machine ${id} answers no requests of other machines: give this command there`);
  try {
    const { statusCode, body } = await request(new URL(target, apiAddress), {
      method: call.method as Dispatcher.HttpMethod,
      headers: { [PASSED_ON]: id },
      headersTimeout: patient ? 0 : ANSWER_MS,
      bodyTimeout: 0,
      signal: call.signal,
    });
    if (statusCode === WRONG_MACHINE) {
      await body.dump();
      throw unreachable(`machine ${id} does not answer at ${apiAddress}: another one does`);
    }
    return { status: statusCode, lines: linesOf(body), json: () => body.json() };
  } catch (cause) {
    if (cause instanceof ConvoyError) throw cause;
    throw unreachable(`machine ${id} does not answer at ${apiAddress}: ${messageOf(cause)}`, cause);
  }
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
