import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Meter } from '../runtime/meter.js';
import { Bag } from '../stores/bag.js';
import { isAway } from './redis-away.js';
import type { Lane, WorkQueue } from './work-queue.js';

/** Hears what the queue answered to a call, and with what it was made; undefined = it was not answered. */
type Listeners = {
  readonly [Call in keyof WorkQueue]?: (
    answer: Awaited<ReturnType<WorkQueue[Call]>> | undefined,
    ...given: Parameters<WorkQueue[Call]>
  ) => void;
};

/** What a program does with the queue, in numbers: counted from the answers, so that what is counted was applied. */
export type CountCalls = (meter: Meter) => Listeners;

/** Of a program that takes items of a lane. */
export const workCounts =
  (lane: Lane): CountCalls =>
  (meter) => {
    const items = meter.counter({
      name: 'convoy_zh_items_total',
      help: 'Tiles, descriptors or checks that this process settled, and those it put off for later, each time.',
      labels: ['lane', 'outcome'],
    });
    const bytes = meter.counter({ name: 'convoy_zh_bytes_total', help: 'Bytes of the items done.' });
    const claims = meter.counter({
      name: 'convoy_zh_claims_total',
      help: 'Requests for work, by what the queue answered.',
      labels: ['lane', 'answer'],
    });
    const checkpoints = meter.counter({
      name: 'convoy_zh_checkpoints_total',
      help: 'Checkpoints, by what the queue answered.',
      labels: ['lane', 'answer'],
    });
    const reclaimed = meter.counter({
      name: 'convoy_zh_reclaimed_total',
      help: 'Ranges of lost claims and due retries that this process moved back to ready, of any lane.',
    });
    for (const outcome of ['done', 'skipped', 'failed', 'delayed']) items({ lane, outcome }, 0);
    bytes({}, 0);
    reclaimed({}, 0);

    return {
      claim(answer) {
        const word = answer === undefined ? 'unanswered' : 'kind' in answer ? answer.why : 'claimed';
        claims({ lane, answer: word });
      },
      checkpoint(reply, _token, _migration, { done, skipped, failed, delayed, ...point }) {
        checkpoints({ lane, answer: reply?.answer ?? 'unanswered' });
        if (reply === undefined || reply.answer === 'lost') return;
        const sum = (parts: readonly { readonly count: number }[]): number =>
          parts.reduce((total, { count }) => total + count, 0);
        const settled = { done, skipped, failed: sum(failed), delayed: sum(delayed) };
        for (const [outcome, count] of Object.entries(settled)) items({ lane, outcome }, count);
        bytes({}, point.bytes);
      },
      reclaim: (moved) => reclaimed({}, moved ?? 0),
    };
  };

export interface CountedQueue {
  readonly queue: WorkQueue;
  /** Why nothing can be had from the queue now, in a sentence; null while it answers. */
  trouble(): string | null;
}

/** A call not answered by now is waited for: finding Redis takes as long as it takes. */
const PATIENCE_MS = 5_000;

/** The same queue, and what it answers. */
export function countedQueue(queue: WorkQueue, clock: Clock, listeners: Listeners): CountedQueue {
  /** When the calls under way began, on the steady clock. */
  const open = new Bag<number>();
  let failure: { readonly since: string; readonly why: string } | null = null;

  function heard(error: unknown): void {
    if (kindOf(error) === 'aborted') return;
    if (!isAway(error)) failure = null;
    else failure = { since: failure?.since ?? new Date(clock.now()).toISOString(), why: messageOf(error) };
  }

  const watched = new Proxy(queue, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      const listener = listeners[name as keyof WorkQueue] as
        | ((answer: unknown, ...given: unknown[]) => void)
        | undefined;
      return (...given: unknown[]): unknown => {
        const answer: unknown = method.apply(target, given);
        // A listing is asked for page by page.
        if (!(answer instanceof Promise)) return answer;
        const call = open.add(clock.steady());
        answer
          .then(
            (told) => {
              failure = null;
              listener?.(told, ...given);
            },
            (error: unknown) => {
              heard(error);
              listener?.(undefined, ...given);
            },
          )
          .finally(() => open.remove(call));
        return answer;
      };
    },
  });

  return {
    queue: watched,
    trouble() {
      if (failure !== null) return `${failure.why} (since ${failure.since})`;
      const waitedMs = clock.steady() - Math.min(clock.steady(), ...open);
      return waitedMs < PATIENCE_MS
        ? null
        : `Redis has not answered for ${Math.floor(waitedMs / 1000)} s, or cannot be found`;
    },
  };
}
