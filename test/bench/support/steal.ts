/**
 * Time that the machine below a virtual one gave to its other guests. It comes in bursts of seconds, in which everything
 * here runs at a fraction of its speed, with cold caches: a side of a comparison that falls into one is not measured.
 */
import { availableParallelism } from 'node:os';
import { stolenSeconds } from './processes.js';

/** A larger part of the processors' time than this is stolen, and the run is made again ... */
const TOO_MUCH = 0.05;
/** ... at most so often; then the least disturbed one counts. */
const TRIES = 3;

const disturbed = { again: 0, kept: 0 };

/** What `run` answers, of the first run that was left alone. Each run must be able to follow another. */
export async function undisturbed<T>(run: () => Promise<T>): Promise<T> {
  let best: { readonly answer: T; readonly part: number } | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    const [began, before] = [performance.now(), stolenSeconds()];
    const answer = await run();
    const seconds = (performance.now() - began) / 1000;
    const part = (stolenSeconds() - before) / (seconds * availableParallelism());
    if (best === undefined || part < best.part) best = { answer, part };
    if (part <= TOO_MUCH) {
      disturbed.again += tries;
      return answer;
    }
    console.log(`${(part * 100).toFixed(0)} % of the processors' time was taken by the machine below`);
  }
  disturbed.again += TRIES - 1;
  disturbed.kept++;
  return best!.answer;
}

/** For the notes below a table; nothing where every run was left alone. */
export function inWordsOfReruns(): string {
  const { again, kept } = disturbed;
  if (again === 0) return '';
  const counted = kept === 0 ? '' : `, and ${kept} counted all the same after ${TRIES} tries`;
  return `; runs made again because they took more than ${TOO_MUCH * 100} % of the time: ${again}${counted}`;
}
