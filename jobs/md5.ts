import { hash } from 'node:crypto';
import { MD5_MODULE } from './md5-code.js';
import {
  BLOCK_BYTES,
  INITIAL_STATE,
  LANE_BYTES,
  LANES,
  laneAt,
  pointerAt,
  STATE_WORDS,
  stateAt,
} from './md5-memory.js';

/** Of the global what is used here: the types of Node 20 have nothing of it. */
declare const WebAssembly: {
  validate(code: Uint8Array): boolean;
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

/** Fewer are hashed sooner one by one. */
const WORTH_IT = 4;
/** After a body there is a byte with a bit, and its length. */
const PADDING_BYTES = 9;
/** One that is longer is hashed by itself. */
const LONGEST = LANE_BYTES - PADDING_BYTES;

interface Asked {
  readonly body: Uint8Array;
  readonly tell: (sum: string) => void;
}

/** In this turn of the event loop. */
let gathered: Asked[] = [];

/**
 * The MD5 of a body as 32 hex digits, when this turn of the event loop is over: all that came in one turn is hashed together,
 * side by side, at a quarter of what it costs one by one. Nobody may change the body until then.
 */
export function md5Of(body: Uint8Array): Promise<string> {
  return new Promise((tell) => {
    if (gathered.push({ body, tell }) === 1) setImmediate(tellAll);
  });
}

function tellAll(): void {
  const all = gathered;
  gathered = [];
  const sums = md5All(all.map(({ body }) => body));
  for (const [nth, { tell }] of all.entries()) tell(sums[nth]!);
}

/** The MD5 of each body as 32 hex digits, in their order. */
export function md5All(bodies: readonly Uint8Array[]): string[] {
  const sums: string[] = Array(bodies.length).fill('');
  const short = [...bodies.keys()].filter((nth) => bodies[nth]!.length <= LONGEST);
  if (short.length >= WORTH_IT) {
    if (sideBySide === undefined) sideBySide = createSideBySide();
    sideBySide?.(bodies, short, sums);
  }
  for (const [nth, body] of bodies.entries()) if (sums[nth] === '') sums[nth] = hash('md5', body, 'hex');
  return sums;
}

/** Puts the sums of these bodies in their places. */
type SideBySide = (bodies: readonly Uint8Array[], which: readonly number[], sums: string[]) => void;

/** null: the processor cannot. */
let sideBySide: SideBySide | null | undefined;

function createSideBySide(): SideBySide | null {
  // V8 has no vectors on what is older than SSE4.1.
  if (!WebAssembly.validate(MD5_MODULE)) return null;
  const { memory, hash } = new WebAssembly.Instance(new WebAssembly.Module(MD5_MODULE)).exports as {
    readonly memory: { readonly buffer: ArrayBuffer };
    /** So many blocks of each lane. */
    hash(blocks: number): void;
  };
  const bytes = Buffer.from(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const sum = Buffer.alloc(STATE_WORDS * words.BYTES_PER_ELEMENT);
  /** By lane which body it has, and how many blocks of that are left. */
  const has: (number | null)[] = Array(LANES).fill(null);
  const left: number[] = Array(LANES).fill(0);

  /** Gives bodies of the line to lanes that are free. So many blocks can be hashed of all that have one; 0: none has. */
  function fill(line: number[], bodies: readonly Uint8Array[]): number {
    let blocks = 0;
    for (let lane = 0; lane < LANES; lane++) {
      has[lane] ??= line.pop() ?? null;
      const nth = has[lane]!;
      // A free lane is hashed with the others, whatever is in it.
      if (nth === null || left[lane] === 0) words[pointerAt(lane) / 4] = laneAt(lane);
      if (nth === null) continue;
      if (left[lane] === 0) left[lane] = begin(lane, bodies[nth]!);
      blocks = blocks === 0 ? left[lane]! : Math.min(blocks, left[lane]!);
    }
    return blocks;
  }

  /** How many blocks the body has with its padding (RFC 1321, 3.1 and 3.2). */
  function begin(lane: number, body: Uint8Array): number {
    const at = laneAt(lane);
    const blocks = Math.ceil((body.length + PADDING_BYTES) / BLOCK_BYTES);
    const end = at + blocks * BLOCK_BYTES;
    bytes.set(body, at);
    bytes[at + body.length] = 0x80;
    bytes.fill(0, at + body.length + 1, end);
    bytes.writeUInt32LE(body.length * 8, end - 8);
    for (let word = 0; word < STATE_WORDS; word++) words[stateAt(lane, word) / 4] = INITIAL_STATE[word]!;
    return blocks;
  }

  function sumOf(lane: number): string {
    for (let word = 0; word < STATE_WORDS; word++)
      sum.writeUInt32LE(words[stateAt(lane, word) / 4]!, word * words.BYTES_PER_ELEMENT);
    return sum.toString('hex');
  }

  return (bodies, which, sums) => {
    // The longest come first, so that in the end none goes on for long beside free lanes.
    const line = which.toSorted((one, other) => bodies[one]!.length - bodies[other]!.length);
    for (let blocks = fill(line, bodies); blocks > 0; blocks = fill(line, bodies)) {
      hash(blocks);
      for (const [lane, nth] of has.entries()) {
        if (nth === null) continue;
        left[lane]! -= blocks;
        if (left[lane]! > 0) continue;
        sums[nth] = sumOf(lane);
        has[lane] = null;
      }
    }
  };
}
