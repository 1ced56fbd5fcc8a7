import { aborted } from '../../runtime/errors.js';

/**
 * The answer, or a rejection with `aborted` as soon as `signal` fires: who asked goes on, whatever becomes of what was
 * asked (its answer is dropped, its failure too).
 */
export function unlessGivenUp<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(aborted('given up'));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
