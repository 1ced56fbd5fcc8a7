/**
 * Small bodies lie side by side in memory of this size, as to make and free one for each costs as much as to copy it. Below
 * what malloc maps anew each time, and small enough that one body which is kept does not keep much.
 */
const SLAB_BYTES = 120 * 1024;
/** A body over this has memory of its own. */
const SHARED_BYTES = 32 * 1024;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

/** Memory for a body, with anything in it. */
export function roomFor(size: number): Buffer {
  if (size > SHARED_BYTES) return Buffer.allocUnsafeSlow(size);
  if (used + size > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const room = slab.subarray(used, used + size);
  used += size;
  return room;
}
