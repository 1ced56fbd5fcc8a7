import { type ClientRequest, request } from 'node:http';
import type { Event } from '../../api/event-schemas.js';
import type { WireError } from '../../api/wire.js';

/** A server-sent event as a browser would have it; a comment is none, nor is what has no data. */
export interface Frame {
  readonly event: string;
  readonly data: unknown;
  readonly id: string | undefined;
}

/** A client of `/v1/events` that keeps to the rules of server-sent events and nothing else. */
export interface EventStream {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: () => Promise<string>;
  /** As they come; the last id, of frames without data too, is `lastId`. Ends when the connection does. */
  frames(): AsyncGenerator<Frame>;
  lastId(): string | undefined;
  /** Cuts the connection, whatever is on the way. */
  cut(): void;
}

export function isEnd(frame: Frame): frame is Frame & { readonly data: WireError } {
  return frame.event === 'end';
}

/** The events up to the one that fits, which is the last of its revision; fails if the stream ends before. */
export async function eventsUntil(stream: EventStream, isLast: (event: Event) => boolean): Promise<Event[]> {
  const events: Event[] = [];
  for await (const { data, id } of stream.frames()) {
    events.push(data as Event);
    if (id !== undefined && isLast(data as Event)) return events;
  }
  throw new Error(`the stream has ended after ${events.length} events`);
}

/** Resolves with the head of the answer. `most`: the connection is cut after so many bytes, wherever that is. */
export function openStream(
  socketPath: string,
  path: string,
  { lastId, most = Number.POSITIVE_INFINITY }: { lastId?: string | undefined; most?: number } = {},
): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    const asked: ClientRequest = request({ socketPath, path, headers, agent: false }, (response) => {
      let id = lastId;
      const cut = (): void => void asked.destroy();
      async function* chunks(): AsyncGenerator<string> {
        let left = most;
        try {
          for await (const chunk of response as AsyncIterable<Buffer>) {
            yield chunk.subarray(0, left).toString('latin1');
            left -= chunk.length;
            if (left <= 0) return cut();
          }
        } catch {
          // Cut: what was whole has been told.
        }
      }
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'],
        async body() {
          let text = '';
          for await (const chunk of chunks()) text += chunk;
          return text;
        },
        async *frames() {
          let rest = '';
          for await (const chunk of chunks()) {
            const parts = (rest + chunk).split('\n\n');
            rest = parts.pop() ?? '';
            for (const part of parts) {
              const fields = new Map(
                part
                  .split('\n')
                  .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
              );
              const own = fields.get('id');
              id = own ?? id;
              const data = fields.get('data');
              if (data !== undefined)
                yield { event: fields.get('event') ?? 'message', data: JSON.parse(data), id: own };
            }
          }
        },
        lastId: () => id,
        cut,
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}
