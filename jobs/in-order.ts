import { setMaxListeners } from 'node:events';

export interface InOrderOptions {
  /** Items worked on at once. */
  readonly atOnce: number;
  /** Items begun whose answer has not been handed out yet, at most: how far the others run ahead of a slow one. */
  readonly ahead: number;
  /** Answers handed out at once, at most. */
  readonly most: number;
}

/**
 * Works on items side by side and hands out the answers in the order of the items, as many as are ready, with what is
 * held bounded by `ahead`. Items come in pages; a page is asked for when the one before is used up. The first error, of
 * the pages or of the work, ends all: it is thrown once everything begun has ended, told to by the signal it was given.
 */
export async function* inOrder<T, R>(
  pages: (signal: AbortSignal) => AsyncIterable<readonly T[]>,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  { atOnce, ahead, most }: InOrderOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly R[]> {
  const ending = new AbortController();
  const inner = AbortSignal.any([signal, ending.signal]);
  // Everything in flight listens.
  setMaxListeners(0, inner);
  const ready = new Map<number, R>();
  const running = new Set<Promise<void>>();
  let begun = 0;
  let next = 0;
  let failure: { readonly error: unknown } | null = null;
  let wake: (() => void)[] = [];

  const changed = (): Promise<void> => new Promise((resolve) => wake.push(resolve));
  function change(): void {
    const waiting = wake;
    wake = [];
    for (const resolve of waiting) resolve();
  }
  function fail(error: unknown): void {
    failure ??= { error };
    ending.abort();
    change();
  }

  function begin(item: T): void {
    const place = begun++;
    const one = work(item, inner)
      .then((answer) => void ready.set(place, answer), fail)
      .finally(() => {
        running.delete(one);
        change();
      });
    running.add(one);
  }

  async function feed(): Promise<void> {
    for await (const page of pages(inner))
      for (const item of page) {
        while (!ending.signal.aborted && (running.size >= atOnce || begun - next >= ahead)) await changed();
        if (ending.signal.aborted) return;
        begin(item);
      }
  }

  let fed = false;
  const feeding = feed()
    .catch(fail)
    .finally(() => {
      fed = true;
      change();
    });
  try {
    for (;;) {
      if (failure !== null) throw (failure as { readonly error: unknown }).error;
      const answers: R[] = [];
      for (; answers.length < most && ready.has(next); next++) {
        answers.push(ready.get(next) as R);
        ready.delete(next);
      }
      if (answers.length > 0) {
        change();
        yield answers;
      } else if (fed && next === begun) return;
      else await changed();
    }
  } finally {
    ending.abort();
    change();
    await feeding;
    await Promise.all(running);
  }
}
