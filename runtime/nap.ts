/** What a thread sleeps on: nobody ever wakes it before its time. */
const nobody = new Int32Array(new SharedArrayBuffer(4));

/** In this time, in ms, a server that is near has answered what it was asked just now. */
const NEAR_MS = 3;

/**
 * Lets the whole thread sleep for so long, in ms, as soon as what has come is dealt with: what comes meanwhile is heard
 * together. Asked for more than once before, it sleeps once, and for the least of them. It looks up once, soon after it fell
 * asleep, for the answers of servers that are near.
 */
export type Nap = (ms: number) => void;

export function createNap(): Nap {
  let asked = Number.POSITIVE_INFINITY;
  const sleep = (ms: number): void => void Atomics.wait(nobody, 0, 0, ms);
  /** A turn later: requests are written at the end of this one. */
  const soon = (what: () => void): void => void setImmediate(() => setImmediate(what));
  const fall = (): void => {
    const left = asked - NEAR_MS;
    sleep(Math.min(asked, NEAR_MS));
    soon(() => {
      asked = Number.POSITIVE_INFINITY;
      if (left > 0) sleep(left);
    });
  };
  return (ms) => {
    if (asked === Number.POSITIVE_INFINITY) soon(fall);
    asked = Math.min(asked, ms);
  };
}
