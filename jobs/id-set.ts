import { createHash } from 'node:crypto';

/** Which ids of a list were met before, in some 16 to 32 bytes each: a Set of a million strings is a hundred. */
export interface IdSet {
  /** False if it is in there already. Some two of n ids are taken for the same with a chance of n^2 / 2^65. */
  add(id: string): boolean;
}

const FIRST_SLOTS = 1024;

/** The first half of an id's MD5, as two numbers, in an open-addressed table that is doubled when half full. */
export function createIdSet(): IdSet {
  let slots = new Uint32Array(FIRST_SLOTS * 2);
  let used = 0;

  /** Whether the place was free. Two zeros mark a free place; no hash is that. */
  function put(high: number, low: number): boolean {
    const mask = slots.length / 2 - 1;
    for (let at = low & mask; ; at = (at + 1) & mask) {
      const [h, l] = [slots[at * 2], slots[at * 2 + 1]];
      if (h === high && l === low) return false;
      if (h !== 0 || l !== 0) continue;
      slots[at * 2] = high;
      slots[at * 2 + 1] = low;
      used++;
      return true;
    }
  }

  function grow(): void {
    const old = slots;
    slots = new Uint32Array(old.length * 2);
    used = 0;
    for (let at = 0; at < old.length; at += 2) {
      const [high = 0, low = 0] = [old[at], old[at + 1]];
      if (high !== 0 || low !== 0) put(high, low);
    }
  }

  return {
    add(id) {
      if (used * 4 >= slots.length) grow();
      const hash = createHash('md5').update(id).digest();
      return put(hash.readUInt32BE(0), hash.readUInt32BE(4) || 1);
    },
  };
}
