/** How MD5 of eight bodies side by side (md5-code.ts) uses its memory. */

/** So many bodies are hashed side by side, each in a lane of the vectors. */
export const LANES = 8;
export const BLOCK_BYTES = 64;
/** Of a state: a, b, c and d. */
export const STATE_WORDS = 4;
export const INITIAL_STATE: readonly number[] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
export const BLOCK_WORDS = 16;
export const STEPS = 64;
export const WORD_BYTES = 4;
const VECTOR_BYTES = 16;
/** Lanes of one vector. */
export const WIDTH = 4;
export const VECTORS = LANES / WIDTH;

// As addresses in bytes: the table T of RFC 1321 (3.4), by lane the address of its next block, all states, and the block under way
// of all lanes, with their first words side by side, then their second ones ...
export const TABLE = 0;
const POINTERS = TABLE + STEPS * WORD_BYTES;
const STATES = POINTERS + LANES * WORD_BYTES;
const WORDS = STATES + STATE_WORDS * LANES * WORD_BYTES;
/** No power of two, or the same few lines of the cache would have to hold all lanes. */
export const LANE_BYTES = 65 * 1024;
/** From here on the bodies of the lanes. */
const BODIES = WORDS + BLOCK_WORDS * LANES * WORD_BYTES;

/** Where the address of a lane's next block is. */
export function pointerAt(lane: number): number {
  return POINTERS + lane * WORD_BYTES;
}

/** Where a word of a lane's state is. */
export function stateAt(lane: number, word: number): number {
  return stateVector(Math.floor(lane / WIDTH), word) + (lane % WIDTH) * WORD_BYTES;
}

export function stateVector(vector: number, word: number): number {
  return STATES + (vector * STATE_WORDS + word) * VECTOR_BYTES;
}

export function wordVector(vector: number, word: number): number {
  return WORDS + (word * VECTORS + vector) * VECTOR_BYTES;
}

/** Where what is hashed in a lane begins; of the one after the last, where the memory ends. */
export function laneAt(lane: number): number {
  return BODIES + lane * LANE_BYTES;
}
