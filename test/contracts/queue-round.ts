import { expect } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import {
  claim,
  drain,
  type OpenQueue,
  point,
  type QueueHarness,
  small,
  status,
  tell,
  ZERO,
} from './queue-cases.js';

export const OPTIONS: q.VerifyOptions = { sample: 1, read: false, unpublish: false };
export const DIGEST = `c${ZERO.slice(1)}`;
export const OTHER = `d${ZERO.slice(1)}`;
export const FINE = { blind: false, restart: false };
export const WRONG = { blind: false, restart: true };
export const BYTES = 5_000_000_000;

/** A finished migration with one image of nine tiles, whose digest is DIGEST, and a round of checks begun. */
export async function begun(
  open: OpenQueue,
  change: Partial<q.MigrationDefinition> = {},
  options = OPTIONS,
): Promise<QueueHarness> {
  const harness = await small(open, { rangeSize: 100, ...change });
  const { queue } = harness;
  const { token, end } = await claim(queue);
  await tell(queue, token, point(1, end, { done: end, bytes: BYTES, digest: DIGEST }));
  await drain(queue, 'tiles');
  await drain(queue, 'descriptors');
  await queue.closePlan('m', null);
  expect(await queue.beginVerification('m', options)).toBe('begun');
  return harness;
}

export const round = async (queue: q.OperatorQueue): Promise<q.VerificationStatus> =>
  (await status(queue)).verification!;
export const check = (queue: q.WorkerQueue, change: Partial<q.ClaimRequest> = {}): Promise<q.Claim> =>
  claim(queue, { lane: 'checks', ...change });
/** Settles a claim of checks as a whole. */
export async function conclude(
  queue: q.WorkerQueue,
  held: q.Claim,
  change: Partial<q.Checkpoint>,
): Promise<void> {
  const done = held.end - held.first;
  expect(await tell(queue, held.token, point(1, held.end, { done, found: FINE, ...change }))).toBe('ended');
}
