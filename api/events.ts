import * as v from 'valibot';
import type { ClusterChange } from '../registry/registry.js';
import { aborted, ConvoyError, conflict } from '../runtime/errors.js';
import type { ApiContext } from './context.js';
import { errorBody } from './error-codes.js';
import { EVENT_KINDS, Event } from './event-schemas.js';
import { operation, resource, stream } from './operation.js';
import { type EventFilter, eventsOf } from './reports.js';
import { type Call, type Route, refuse } from './route.js';
import { wholeNumber } from './schemas.js';
import { unitFilter, unitGlob } from './unit-glob.js';

/** A stream is never silent for longer than twice this: whoever keeps it open can tell it from a dead one. */
const HEARTBEAT_MS = 15_000;

/**
 * `/v1/events`: what changes, as server-sent events. The registry keeps what a slow client has not read up to a limit
 * and ends the stream beyond it, so that no client costs more than that.
 */
export function eventRoutes({ registry, clock }: ApiContext): Route[] {
  const watch = operation({
    id: 'watchEvents',
    summary:
      'What changes in the cluster, revision by revision, as server-sent events: `event` is the kind, `data` an ' +
      'object, and `id` the revision, given with the last event of each. Go on after the last id, or after the ' +
      'x-convoy-revision of a list, and nothing is missed. The last event of a stream is `end`: its data is an error ' +
      'that says why.',
    query: {
      after: v.optional(revision),
      unit: unitGlob,
      machine: v.optional(v.pipe(v.string(), v.description('Only what is about the machine of this id.'))),
      kind: v.optional(v.array(v.picklist(EVENT_KINDS))),
    },
    headers: ['last-event-id'],
    answer: stream('text/event-stream', Event),
    errors: ['compacted'],
    async handle(call, { query: { after, unit, machine, kind } }) {
      const filter = { isUnit: unit === undefined ? null : unitFilter(unit), machine, kinds: kind };
      const stop = new AbortController();
      const signal = AbortSignal.any([call.ending, stop.signal]);
      const changes = registry.openEvents(lastEventId(call) ?? after ?? null, signal);
      return frames(
        changes,
        filter,
        (ms) => clock.sleep(ms, signal),
        () => stop.abort(),
      );
    },
  });
  return [resource('/v1/events', { GET: watch })];
}

const revision = wholeNumber(Number.MAX_SAFE_INTEGER, 'The revision that was seen; absent: from now on.');

/** What a client sends that was cut off: it counts, and not where it began. */
function lastEventId(call: Call): number | undefined {
  const given = call.header('last-event-id');
  if (given === undefined) return undefined;
  const read = v.safeParse(revision, given);
  if (!read.success) throw refuse(400, 'bad-header', `Last-Event-ID: expected a revision, got "${given}"`);
  return read.output;
}

/**
 * Frames without the empty line that ends each; those of one revision are one text. Rejects only before the first:
 * what goes wrong later is the last frame. `sleep` rejects when the stream is to end; `done` is called at its end.
 */
async function* frames(
  changes: AsyncIterable<ClusterChange>,
  filter: EventFilter,
  sleep: (ms: number) => Promise<void>,
  done: () => void,
): AsyncGenerator<string> {
  const quietFor = (): Promise<'quiet' | 'over'> =>
    sleep(HEARTBEAT_MS).then(
      () => 'quiet',
      () => 'over',
    );
  const reader = changes[Symbol.asyncIterator]();
  try {
    const first = await reader.next().catch((error: unknown) => {
      throw withWayOut(error);
    });
    let at = first.done === true ? 0 : first.value.revision;
    if (first.done !== true) yield `: events after revision ${at}\nid: ${at}\n`;
    try {
      let next = reader.next();
      let said = true;
      let quiet = quietFor();
      for (;;) {
        const came = await Promise.race([next, quiet]);
        if (came === 'quiet') {
          // With the id where what came was not asked for: whoever resumes need not go back further.
          if (!said) yield `: nothing else for a while\nid: ${at}\n`;
          said = false;
          quiet = quietFor();
          continue;
        }
        const change = came === 'over' ? await next : came;
        if (change.done === true) throw aborted('this convoyd stops: go on at another one');
        at = change.value.revision;
        const events = eventsOf(change.value, filter);
        if (events.length > 0) {
          yield framesOf(events, at);
          said = true;
        }
        next = reader.next();
      }
    } catch (error) {
      yield `event: end\ndata: ${JSON.stringify(errorBody(withWayOut(error)))}\n`;
    }
  } finally {
    done();
  }
}

/** What to do who asks too late. */
function withWayOut(error: unknown): unknown {
  return error instanceof ConvoyError && error.code === 'compacted'
    ? conflict(`${error.message}: list again, then go on after the x-convoy-revision of that answer`, {
        code: 'compacted',
      })
    : error;
}

function framesOf(events: readonly Event[], revision: number): string {
  const frame = (event: Event): string => `event: ${event.kind}\ndata: ${JSON.stringify(event)}\n`;
  const [last, ...before] = [...events].reverse();
  return [
    ...before.reverse().map(frame),
    ...(last === undefined ? [] : [`id: ${revision}\n${frame(last)}`]),
  ].join('\n');
}
