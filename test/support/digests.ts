import { createHash } from 'node:crypto';

/** What one tile adds to its image's digest, reckoned by itself: jobs/digest.ts has the rule. */
export function tileDigest(index: number, md5: string): string {
  const place = Buffer.alloc(8);
  place.writeBigUInt64BE(BigInt(index));
  return createHash('md5').update(place).update(md5, 'hex').digest('hex');
}

/** The XOR of digests, in any order. */
export function joinDigests(digests: Iterable<string>): string {
  let sum = 0n;
  for (const digest of digests) sum ^= BigInt(`0x${digest}`);
  return sum.toString(16).padStart(32, '0');
}
