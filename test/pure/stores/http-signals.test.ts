import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { startOnlyWhile, type Watch, watchOf } from '../../../stores/http-signals.js';

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

  test('of a condition hears the signal on, whatever ends under it', () => {
    const controller = new AbortController();
    const watch = watchOf(controller.signal);
    startOnlyWhile(controller.signal, () => undefined);
    watch.leave(watch.join({ giveUp: () => undefined }));
    const later = request(watch);
    expect(watch.hasFired()).toBe(false);
    controller.abort();
    expect([watch.hasFired(), later.givenUp]).toEqual([true, 1]);
  });

  test('of a condition that came late knows that the signal has fired', () => {
    const signal = AbortSignal.abort();
    startOnlyWhile(signal, () => undefined);
    expect(watchOf(signal).hasFired()).toBe(true);
  });

  test('leaves no listener behind with a signal that outlives its requests', () => {
    const { signal } = new AbortController();
    const watch = watchOf(signal);
    for (let nth = 0; nth < 3; nth++) {
      const places = [0, 1].map(() => watch.join({ giveUp: () => undefined }));
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      for (const place of places) watch.leave(place);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }
  });
});
