/**
 * A worker that carries nothing: claims ranges of one lane and says they are done, several claims at once, until the
 * migration is finished. Arguments: Redis's URL, migration, lane. Sends its parent what it did.
 */
import { createHash } from 'node:crypto';
import { NO_DIGEST } from '../../../jobs/digest.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { Lane } from '../../../jobs/work-queue.js';
import { joinDigests } from '../../support/digests.js';

const [url, migration, lane] = process.argv.slice(2) as [string, string, Lane];
const AT_ONCE = 16;
const TILE_BYTES = 14_000;
const IDLE_MS = 100;

export interface NoOpResult {
  readonly claims: number;
  readonly items: number;
  readonly bytes: number;
  readonly digest: string;
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

const queue = new RedisQueue({ locate: async () => url, timeoutMs: 30_000 });
let issued = 0;
let claims = 0;
let items = 0;
let digest = NO_DIGEST;

async function work(): Promise<void> {
  for (;;) {
    const token = `${lane}-${process.pid}-${++issued}`;
    const claim = await queue.claim({ token, lane, leaseMs: 60_000, migration });
    if ('kind' in claim) {
      if (claim.why === 'finished') return;
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      continue;
    }
    const { image, first, end } = claim;
    const done = end - first;
    const moved =
      lane === 'tiles' ? createHash('md5').update(`${image.id}:${first}`).digest('hex') : NO_DIGEST;
    const { answer } = await queue.checkpoint(token, migration, {
      ...{ sequence: 1, next: end, bytes: done * TILE_BYTES, done, skipped: 0, failed: [], delayed: [] },
      ...{ digest: moved, release: false, found: null },
    });
    if (answer !== 'ended') throw new Error(`checkpoint answered ${answer}`);
    claims++;
    items += done;
    digest = joinDigests([digest, moved]);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
await queue.close();
const { user, system } = process.cpuUsage();
const result: NoOpResult = {
  ...{ claims, items, digest, bytes: items * TILE_BYTES, cpuSeconds: (user + system) / 1e6 },
  peakRssMiB: process.resourceUsage().maxRSS / 1024,
};
process.send?.(result);
process.disconnect?.();
