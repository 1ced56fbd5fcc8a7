import {
  BLOCK_BYTES,
  BLOCK_WORDS,
  LANES,
  laneAt,
  pointerAt,
  STATE_WORDS,
  STEPS,
  stateVector,
  TABLE,
  VECTORS,
  WIDTH,
  WORD_BYTES,
  wordVector,
} from './md5-memory.js';

/**
 * MD5 (RFC 1321) of eight bodies side by side, as a WebAssembly module of one function: each step of the algorithm waits for the
 * one before it, so that a processor does one body hardly slower than it does eight, four in a vector and two vectors in turns.
 * Intel calls it multi-buffer hashing. Here the module is assembled, as no compiler for it is at hand; built
 * programs have it assembled by build.js.
 */

/** By round; in each every fourth step has the same. */
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;

/** By round, which word of the block a step takes. */
const TAKES: readonly ((step: number) => number)[] = [
  (step) => step,
  (step) => (5 * step + 1) % BLOCK_WORDS,
  (step) => (3 * step + 5) % BLOCK_WORDS,
  (step) => (7 * step) % BLOCK_WORDS,
];

type Code = readonly number[];

// WebAssembly's instructions (core specification, 5.4).
const loop: Code = [0x03, 0x40];
const end: Code = [0x0b];
const continueIf: Code = [0x0d, 0];
const get = (local: number): Code => [0x20, ...unsigned(local)];
const set = (local: number): Code => [0x21, ...unsigned(local)];
const tee = (local: number): Code => [0x22, ...unsigned(local)];
const int = (value: number): Code => [0x41, ...signed(value)];
const load = (at: number): Code => [...int(0), 0x28, 2, ...unsigned(at)];
const store = (at: number): Code => [0x36, 2, ...unsigned(at)];
const plus: Code = [0x6a];
const minus: Code = [0x6b];
const simd = (code: number): Code => [0xfd, ...unsigned(code)];
const vectorLoad = (at: number, aligned: boolean): Code => [...simd(0), aligned ? 4 : 0, ...unsigned(at)];
const vectorStore = (at: number): Code => [...simd(11), 4, ...unsigned(at)];
const broadcast = (at: number): Code => [...simd(9), 2, ...unsigned(at)];
const not = simd(77);
const and = simd(78);
const andNot = simd(79);
const or = simd(80);
const xor = simd(81);
const shiftLeft = simd(171);
const shiftRight = simd(173);
const add = simd(174);
/** Of the words of two vectors, 0 to 3 and 4 to 7, these. */
const shuffle = (...words: readonly number[]): Code => [
  ...simd(13),
  ...words.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte)),
];

/** LEB128 of a number that is not negative; `signed`: where WebAssembly reads a sign. */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))];
}

function signed(value: number): Code {
  return value < 64 ? [value] : [(value % 128) + 128, ...signed(Math.floor(value / 128))];
}

// The function's locals: what it is given, then the addresses, then the vectors.
const BLOCKS = 0;
const pointer = (lane: number): number => 1 + lane;
const FIRST_VECTOR = 1 + LANES;
const state = (vector: number, word: number): number => FIRST_VECTOR + vector * STATE_WORDS + word;
const FIRST_SUM = FIRST_VECTOR + VECTORS * STATE_WORDS;
const sum = (vector: number): number => FIRST_SUM + vector;
const ADDEND = FIRST_SUM + VECTORS;
const row = (lane: number): number => ADDEND + 1 + lane;
const half = (nth: number): number => ADDEND + 1 + WIDTH + nth;
const VECTOR_LOCALS = half(WIDTH) - FIRST_VECTOR;

const vectors = [...Array(VECTORS).keys()];
const lanes = [...Array(LANES).keys()];
const stateWords = [...Array(STATE_WORDS).keys()];
const steps = [...Array(STEPS).keys()];

/** Four words of four lanes turned about, from rows of a lane each to rows of a word each (so on from word `first`). */
function turnAbout(vector: number, first: number): Code {
  const pair = (one: number, other: number, ...words: readonly number[]): Code => [
    ...get(one),
    ...get(other),
    ...shuffle(...words),
  ];
  const put = (word: number, value: Code): Code => [
    ...int(0),
    ...value,
    ...vectorStore(wordVector(vector, first + word)),
  ];
  return [
    ...[0, 1, 2, 3].flatMap((nth) => [
      ...get(pointer(vector * WIDTH + nth)),
      ...vectorLoad(4 * first, false),
      ...set(row(nth)),
    ]),
    ...[...pair(row(0), row(1), 0, 4, 1, 5), ...set(half(0))],
    ...[...pair(row(2), row(3), 0, 4, 1, 5), ...set(half(1))],
    ...[...pair(row(0), row(1), 2, 6, 3, 7), ...set(half(2))],
    ...[...pair(row(2), row(3), 2, 6, 3, 7), ...set(half(3))],
    ...put(0, pair(half(0), half(1), 0, 1, 4, 5)),
    ...put(1, pair(half(0), half(1), 2, 3, 6, 7)),
    ...put(2, pair(half(2), half(3), 0, 1, 4, 5)),
    ...put(3, pair(half(2), half(3), 2, 3, 6, 7)),
  ];
}

/** By round: adds its function of b, c and d to what is on the stack. b, on which all waits, comes as late as it can. */
const ROUNDS: readonly ((b: number, c: number, d: number) => Code)[] = [
  (b, c, d) => [...get(d), ...get(b), ...get(c), ...get(d), ...xor, ...and, ...xor, ...add],
  // Of (b and d) or (c and not d) no bit is in both.
  (b, c, d) => [...get(c), ...get(d), ...andNot, ...add, ...get(d), ...get(b), ...and, ...add],
  (b, c, d) => [...get(c), ...get(d), ...xor, ...get(b), ...xor, ...add],
  (b, c, d) => [...get(c), ...get(b), ...get(d), ...not, ...or, ...xor, ...add],
];

function step(nth: number): Code {
  const round = Math.floor(nth / 16);
  const rotation = ROTATIONS[round]![nth % 4]!;
  const word = TAKES[round]!(nth);
  return [
    ...[...int(0), ...broadcast(TABLE + nth * WORD_BYTES), ...set(ADDEND)],
    ...vectors.flatMap((vector) => {
      // Instead of moving four words on, they change their parts.
      const part = (which: number): number => state(vector, (which + STEPS - nth) % STATE_WORDS);
      const [a, b, c, d] = [part(0), part(1), part(2), part(3)];
      return [
        ...[...get(a), ...int(0), ...vectorLoad(wordVector(vector, word), true), ...get(ADDEND)],
        ...[...add, ...add, ...ROUNDS[round]!(b, c, d), ...tee(sum(vector)), ...int(rotation), ...shiftLeft],
        ...[...get(sum(vector)), ...int(32 - rotation), ...shiftRight, ...or, ...get(b), ...add, ...set(a)],
      ];
    }),
  ];
}

/** All states are in locals, and in memory as they were before the block. */
function block(): Code {
  return [
    ...vectors.flatMap((vector) => [0, 4, 8, 12].flatMap((first) => turnAbout(vector, first))),
    ...steps.flatMap(step),
    ...vectors.flatMap((vector) =>
      stateWords.flatMap((word) => {
        const [at, local] = [stateVector(vector, word), state(vector, word)];
        const before = [...int(0), ...vectorLoad(at, true)];
        return [...int(0), ...before, ...get(local), ...add, ...tee(local), ...vectorStore(at)];
      }),
    ),
    ...lanes.flatMap((lane) => [...get(pointer(lane)), ...int(BLOCK_BYTES), ...plus, ...set(pointer(lane))]),
  ];
}

/** Takes the number of blocks, 1 at least, to be hashed of each lane, from its address on. */
function body(): Code {
  return [
    ...lanes.flatMap((lane) => [...load(pointerAt(lane)), ...set(pointer(lane))]),
    ...vectors.flatMap((vector) =>
      stateWords.flatMap((word) => [
        ...int(0),
        ...vectorLoad(stateVector(vector, word), true),
        ...set(state(vector, word)),
      ]),
    ),
    ...[...loop, ...block(), ...get(BLOCKS), ...int(1), ...minus, ...tee(BLOCKS), ...continueIf, ...end],
    ...lanes.flatMap((lane) => [...int(0), ...get(pointer(lane)), ...store(pointerAt(lane))]),
    ...end,
  ];
}

function assemble(): Uint8Array {
  const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
  const sized = (code: Code): Code => [...unsigned(code.length), ...code];
  const section = (id: number, items: readonly Code[]): Code => [id, ...sized(list(items))];
  const name = (text: string): Code => sized([...Buffer.from(text)]);
  const [i32, v128] = [0x7f, 0x7b];
  const table = steps.flatMap((nth) => {
    const addend = Math.floor(2 ** 32 * Math.abs(Math.sin(nth + 1)));
    return [0, 8, 16, 24].map((shift) => (addend >>> shift) & 255);
  });
  const locals = list([
    [LANES, i32],
    [VECTOR_LOCALS, v128],
  ]);
  // The sections are types, functions, memories, exports, code and data.
  return Uint8Array.from([
    ...[...Buffer.from('\0asm'), 1, 0, 0, 0],
    ...section(1, [[0x60, 1, i32, 0]]),
    ...section(3, [[0]]),
    ...section(5, [[0, ...unsigned(Math.ceil(laneAt(LANES) / 65_536))]]),
    ...section(7, [
      [...name('memory'), 2, 0],
      [...name('hash'), 0, 0],
    ]),
    ...section(10, [sized([...locals, ...body()])]),
    ...section(11, [[0, ...int(TABLE), ...end, ...sized(table)]]),
  ]);
}

/** The module, which has its memory as `memory` and its function as `hash`. */
export const MD5_MODULE = assemble();
