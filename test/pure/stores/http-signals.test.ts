import { describe, expect, test } from 'vitest';
import { type Watch, watchOf } from '../../../stores/http-signals.js';

/** Joins, and leaves when it is given up, as a request does. */
function request(watch: Watch): { givenUp: number } {
  const one = { givenUp: 0 };
  const place = watch.join({
    giveUp() {
      one.givenUp++;
      watch.leave(place);
    },
  });
  return one;
}

describe('the watch of a signal', () => {
  test('knows that it has fired, whether or not something was under way', () => {
    for (const count of [0, 1, 3]) {
      const controller = new AbortController();
      const watch = watchOf(controller.signal);
      const requests = Array.from({ length: count }, () => request(watch));
      expect(watch.hasFired()).toBe(false);
      controller.abort();
      expect(watch.hasFired()).toBe(true);
      expect(requests.map(({ givenUp }) => givenUp)).toEqual(requests.map(() => 1));
    }
  });

  test('knows it after all that was under way has ended', () => {
    const controller = new AbortController();
    const watch = watchOf(controller.signal);
    watch.leave(watch.join({ giveUp: () => undefined }));
    expect(watch.hasFired()).toBe(false);
    controller.abort();
    expect(watch.hasFired()).toBe(true);
  });

  test('gives up what joins while the signal fires, before it has heard of that itself', () => {
    const controller = new AbortController();
    const watch = watchOf(controller.signal);
    let late: { givenUp: number } | undefined;
    controller.signal.addEventListener('abort', () => {
      late = request(watch);
    });
    const early = request(watch);
    controller.abort();
    expect([early.givenUp, late?.givenUp]).toEqual([1, 1]);
  });
});
