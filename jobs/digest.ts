import { hash } from 'node:crypto';

/**
 * The order-free digest of an image: the XOR, over its tiles, of MD5(index as 8 bytes big-endian, then the 16 raw
 * bytes of the tile's own MD5). The index keeps two equal tiles from cancelling each other out.
 */
export const NO_DIGEST = '0'.repeat(32);

/** Written anew for each tile. */
const hashed = Buffer.alloc(24);

/** What one tile adds. `md5` is 32 hex digits, as is the answer. */
export function tileDigest(index: number, md5: string): string {
  hashed.writeUInt32BE(Math.floor(index / 2 ** 32), 0);
  hashed.writeUInt32BE(index % 2 ** 32, 4);
  hashed.write(md5, 8, 'hex');
  return hash('md5', hashed, 'hex');
}

/** The XOR of digests, in any order. */
export function joinDigests(digests: Iterable<string>): string {
  const sum = Buffer.alloc(16);
  for (const digest of digests) {
    const bytes = Buffer.from(digest, 'hex');
    for (let i = 0; i < sum.length; i++) sum[i]! ^= bytes[i]!;
  }
  return sum.toString('hex');
}
