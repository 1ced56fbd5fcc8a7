import type { Event } from '../api/event-schemas.js';
import type { WireError } from '../api/wire.js';
import {
  aborted,
  ConvoyError,
  ERROR_KINDS,
  type ErrorKind,
  messageOf,
  transient,
} from '../runtime/errors.js';

/** What of one revision was asked for; empty: nothing was missed up to there. */
export interface EventBatch {
  readonly revision: number;
  readonly events: readonly Event[];
}

/**
 * Reads the server-sent events of `/v1/events` as one batch for each revision. Rejects with what the last event said,
 * `transient`/`unreachable` if the stream breaks off, `aborted` once `signal` fires.
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  endpoint: string,
  signal: AbortSignal,
): AsyncGenerator<EventBatch> {
  const broken = (cause?: unknown): ConvoyError =>
    transient(`${endpoint} has broken off the stream of events`, { code: 'unreachable', cause });
  const decoder = new TextDecoder();
  let rest = '';
  let events: Event[] = [];
  const blocks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await blocks.next().catch((cause: unknown) => {
        throw signal.aborted ? aborted('the stream of events was given up') : broken(cause);
      });
      if (next.done) throw broken();
      const frames = (rest + decoder.decode(next.value, { stream: true })).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const { id, event, data } = fieldsOf(frame);
        if (event === 'end') throw endOf(data ?? '');
        if (data !== undefined) events.push(JSON.parse(data) as Event);
        if (id === undefined) continue;
        yield { revision: Number(id), events };
        events = [];
      }
    }
  } finally {
    // Else the connection stays open, and its end is nobody's to catch.
    await blocks.return?.().catch(() => undefined);
  }
}

/** `name: value` lines of a frame; comments have no name. */
function fieldsOf(frame: string): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    frame.split('\n').flatMap((line) => {
      const colon = line.indexOf(': ');
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 2)]] : [];
    }),
  );
}

function endOf(data: string): ConvoyError {
  try {
    const { error } = JSON.parse(data) as WireError;
    const kind = ERROR_KINDS.find((known) => known === error.kind) ?? ('permanent' satisfies ErrorKind);
    return new ConvoyError(kind, error.message, { code: String(error.code) });
  } catch (cause) {
    return transient(`the stream of events ended without a reason (${messageOf(cause)})`, {
      code: 'unreachable',
    });
  }
}
