/**
 * A server is near if an answer began within this after its request was written, in ms, and stays so while one of each few
 * hundred begins within the other: with many requests under way, all wait for each other.
 */
const NEAR_MS = 1;
const STILL_NEAR_MS = 20;
/** So many answers of a kind as we expect them, before requests of it share a connection; and what is judged by each time. */
const ENOUGH = 200;
/** So much does a request weigh that has to be written again, against those answered behind another; and too much for good. */
const WASTE_WEIGHT = 16;
const WASTE_LIMIT = 128 * WASTE_WEIGHT;

/**
 * Whether a server is given several requests on one connection at once. That saves both sides most of their system calls, and
 * costs what lies behind a slow or broken one its time: so it is for servers alone that are near, that have answered hundreds
 * of such requests one by one to the exact end, and that do not drop what comes behind.
 */
export class Nearness {
  private isNear = false;
  /** Of the answers since it was last judged. */
  private leastMs = Number.POSITIVE_INFINITY;
  private count = 0;
  private bodies = 0;
  /** HEAD by itself: of a server that sends a body with it, the next answer would be anybody's. */
  private heads = 0;
  private waste = 0;
  private never = false;

  /** Whether requests to it may share a connection: HEAD, or others. */
  allows(isHead: boolean): boolean {
    return this.isNear && !this.never && (isHead ? this.heads : this.bodies) >= ENOUGH;
  }

  /** An answer as expected has begun, `afterMs` after its request was written; `behind`: another request's. */
  answered(isHead: boolean, afterMs: number, behind: boolean): void {
    if (isHead) this.heads += 1;
    else this.bodies += 1;
    if (behind && this.waste > 0) this.waste -= 1;
    if (afterMs < this.leastMs) this.leastMs = afterMs;
    this.count += 1;
    if (this.count < ENOUGH) return;
    this.isNear = this.leastMs < (this.isNear ? STILL_NEAR_MS : NEAR_MS);
    this.leastMs = Number.POSITIVE_INFINITY;
    this.count = 0;
  }

  /** So many requests were written in vain, behind another. */
  wasted(count: number): void {
    this.waste += count * WASTE_WEIGHT;
    if (this.waste >= WASTE_LIMIT) this.never = true;
  }

  /** It sent more than it was asked for: what comes behind an answer cannot be trusted to be the next. */
  distrust(): void {
    this.never = true;
  }
}
