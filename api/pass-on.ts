import { request } from 'undici';
import type { Machine } from '../registry/model.js';
import { messageOf, transient } from '../runtime/errors.js';
import type { Call } from './route.js';

/** Marks a request that one convoyd asks of another, so that it goes no further. */
export const PASSED_ON = 'x-convoy-passed-on';

/** How long another machine may take to begin its answer to anything but a log. */
const ANSWER_MS = 5_000;

export interface PassedOn {
  readonly status: number;
  readonly lines: AsyncIterable<string>;
  json(): Promise<unknown>;
}

/**
 * Sends a GET on to the machine it is about. `transient`/`machine-unreachable` if that does not answer or has no
 * address. `patient`: the answer may begin as late as it likes (a log that is followed).
 */
export async function passOn(call: Call, machine: Machine, patient: boolean): Promise<PassedOn> {
  if (machine.apiAddress === '')
    throw transient(`machine ${machine.id} answers no requests of other machines`, {
      code: 'machine-unreachable',
      status: 502,
    });
  try {
    const { statusCode, body } = await request(new URL(call.target, machine.apiAddress), {
      headers: { [PASSED_ON]: '1' },
      headersTimeout: patient ? 0 : ANSWER_MS,
      bodyTimeout: 0,
      signal: call.signal,
    });
    return { status: statusCode, lines: linesOf(body), json: () => body.json() };
  } catch (cause) {
    throw transient(`machine ${machine.id} does not answer at ${machine.apiAddress}: ${messageOf(cause)}`, {
      code: 'machine-unreachable',
      status: 502,
      cause,
    });
  }
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
