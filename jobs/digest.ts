import { hash } from 'node:crypto';

/**
 * The order-free digest of an image: the XOR, over its tiles, of MD5(index as 8 bytes big-endian, then the 16 raw
 * bytes of the tile's own MD5). The index keeps two equal tiles from cancelling each other out.
 */
export const NO_DIGEST = '0'.repeat(32);

const WORDS = 4;
/** Written anew for each tile. */
const hashed = Buffer.alloc(24);

/** What tiles add to their image's digest, added up. */
export class DigestSum {
  /** Of 32 bits each, the first one highest. */
  private words: number[] = Array(WORDS).fill(0);

  /** `md5`: the tile's own, as 32 hex digits. */
  add(index: number, md5: string): void {
    hashed.writeUInt32BE(Math.floor(index / 2 ** 32), 0);
    hashed.writeUInt32BE(index % 2 ** 32, 4);
    hashed.write(md5, 8, 'hex');
    const bytes = hash('md5', hashed, 'binary');
    for (let word = 0; word < WORDS; word++) this.words[word]! ^= wordAt(bytes, word * 4);
  }

  /** The sum as 32 hex digits; begins anew. */
  cut(): string {
    const text = this.words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
    this.words.fill(0);
    return text;
  }
}

function wordAt(bytes: string, at: number): number {
  return (
    (bytes.charCodeAt(at) << 24) |
    (bytes.charCodeAt(at + 1) << 16) |
    (bytes.charCodeAt(at + 2) << 8) |
    bytes.charCodeAt(at + 3)
  );
}
