import { describe, expect, it } from 'vitest';
import type { CallOptions, Entry, Renewal } from '../../../registry/etcd-calls.js';
import { type KeptLease, keepLease, marginMs } from '../../../registry/etcd-lease.js';
import { transient } from '../../../runtime/errors.js';
import { type ManualClock, manualClock } from '../../support/clock.js';

const TTL = 10_000;
const WINDOW = TTL - 2000;

/** An etcd of which every answer is chosen. */
function lab(endsWithTrust: boolean) {
  const clock = manualClock();
  const own: Entry = { key: 'k', value: '', created: 1, modified: 1, lease: 'mine' };
  const answers = {
    needsTrust: true,
    renew: async (_?: CallOptions): Promise<Renewal> => ({ ttlMs: TTL, revision: 1, term: '5' }),
    read: async (): Promise<{ entry: Entry | undefined; revision: number; term: string }> => ({
      ...{ entry: own, revision: 1, term: '5' },
    }),
  };
  /** What the holder was told of the end of its window. */
  const told: number[] = [];
  /** And of what no quorum has confirmed. */
  const unconfirmed: number[] = [];
  const lease = keepLease({
    ...{ clock, leaseId: 'mine', ttlMs: TTL, sentAt: clock.steady(), key: 'k', endsWithTrust },
    client: { renewLease: (_, options) => answers.renew(options), get: () => answers.read() },
    use: {
      needsTrust: () => answers.needsTrust,
      onRenewed: (until, confirmed) => void (confirmed ? told : unconfirmed).push(until),
    },
    problem: () => undefined,
    closed: new AbortController().signal,
  });
  return { clock, lease, answers, own, told, unconfirmed };
}

/** How long from now the lease goes on being trusted, to 100 ms. */
async function trustLeft(clock: ManualClock, lease: KeptLease): Promise<number> {
  const start = clock.steady();
  while (lease.trusted() && clock.steady() - start < 60_000) await clock.advance(100);
  return clock.steady() - start;
}

describe('the trust window', () => {
  it('has a margin of 2 s, or of a fifth of a short TTL', () => {
    expect([marginMs(60_000), marginMs(10_000), marginMs(2000)]).toEqual([2000, 2000, 400]);
  });

  it('stays open while renewals are confirmed', async () => {
    const { clock, lease } = lab(true);
    expect(await trustLeft(clock, lease)).toBe(60_000);
    expect(lease.lost.aborted).toBe(false);
  });

  it('ends counted from the send time of the last confirmed renewal, not from its answer', async () => {
    const { clock, lease, answers } = lab(true);
    const sent = clock.steady() + TTL / 3;
    // The renewal is answered, but 2.5 s late; no later one is.
    answers.renew = async () => {
      answers.renew = () => Promise.reject(transient('no answer'));
      await clock.sleep(2500);
      return { ttlMs: TTL, revision: 1, term: '5' };
    };
    await trustLeft(clock, lease);
    expect(clock.steady() - sent).toBeGreaterThanOrEqual(WINDOW);
    expect(clock.steady() - sent).toBeLessThan(WINDOW + 200);
    expect(lease.lost.aborted).toBe(true);
  });

  it('runs out when keepalives are answered but no quorum confirms them', async () => {
    const { clock, lease, answers } = lab(true);
    answers.read = () => Promise.reject(transient('etcdserver: request timed out'));
    expect(await trustLeft(clock, lease)).toBe(WINDOW);
    expect(lease.lost.aborted).toBe(true);
  });

  it('runs out when keepalive and read were answered in different raft terms', async () => {
    const { clock, lease, answers } = lab(true);
    answers.renew = async () => ({ ttlMs: TTL, revision: 1, term: '4' });
    expect(await trustLeft(clock, lease)).toBe(WINDOW);
  });

  it('runs out when etcd falls silent', async () => {
    const { clock, lease, answers } = lab(true);
    answers.renew = () => new Promise(() => undefined);
    expect(await trustLeft(clock, lease)).toBe(WINDOW);
  });

  it('never opens again: an answer that comes late loses the lease', async () => {
    const { clock, lease, answers } = lab(false);
    let answer = (_: Renewal): void => undefined;
    answers.renew = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    expect(await trustLeft(clock, lease)).toBe(WINDOW);
    expect(lease.lost.aborted).toBe(false);
    answer({ ttlMs: TTL, revision: 1, term: '5' });
    await new Promise((resolve) => setImmediate(resolve));
    expect([lease.trusted(), lease.lost.aborted]).toEqual([false, true]);
    answers.renew = async () => ({ ttlMs: TTL, revision: 1, term: '5' });
    await clock.advance(30_000);
    expect(lease.trusted()).toBe(false);
  });

  it('opens again with a late answer where nobody needs it, counted from the send time, and ends when the lease is gone', async () => {
    const { clock, lease, answers } = lab(false);
    answers.needsTrust = false;
    let answer = (_: Renewal): void => undefined;
    answers.renew = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    expect(await trustLeft(clock, lease)).toBe(WINDOW);
    const sent = clock.steady() - (WINDOW - TTL / 3);
    answer({ ttlMs: TTL, revision: 1, term: '5' });
    await new Promise((resolve) => setImmediate(resolve));
    expect([lease.trusted(), lease.lost.aborted]).toEqual([true, false]);
    await trustLeft(clock, lease);
    expect(clock.steady() - sent).toBeGreaterThanOrEqual(WINDOW);
    expect(clock.steady() - sent).toBeLessThan(WINDOW + 200);
    expect(lease.lost.aborted).toBe(false);
    answer({ ttlMs: 0, revision: 1, term: '5' });
    await new Promise((resolve) => setImmediate(resolve));
    expect([lease.trusted(), lease.lost.aborted]).toEqual([false, true]);
  });

  it('is told at once and after each confirmed renewal, and not after others', async () => {
    const { clock, answers, told } = lab(false);
    const start = clock.steady();
    expect(told).toEqual([start + WINDOW]);
    await clock.advance(TTL / 3 + 10);
    expect(told).toEqual([start + WINDOW, start + TTL / 3 + WINDOW]);
    answers.renew = async () => ({ ttlMs: TTL, revision: 1, term: '4' });
    await clock.advance(WINDOW);
    answers.renew = async () => ({ ttlMs: TTL, revision: 1, term: '5' });
    await clock.advance(TTL);
    expect(told).toHaveLength(2);
  });

  it('asks for no confirmation where nobody needs it, and at once for one when somebody does', async () => {
    const { clock, lease, answers, told, unconfirmed } = lab(false);
    const start = clock.steady();
    let reads = 0;
    const { read } = answers;
    answers.read = () => {
      reads += 1;
      return read();
    };
    answers.needsTrust = false;
    await clock.advance(5 * TTL);
    expect([reads, told, lease.trusted()]).toEqual([0, [start + WINDOW], true]);
    expect(unconfirmed.length).toBeGreaterThanOrEqual(14);
    answers.needsTrust = true;
    lease.renew();
    await clock.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect([reads, told]).toEqual([1, [start + WINDOW, start + 5 * TTL + WINDOW]]);
  });

  it('opens no trust window with an answer of a member that has no quorum', async () => {
    const { clock, lease, answers, told } = lab(false);
    answers.needsTrust = false;
    await clock.advance(5 * TTL);
    answers.needsTrust = true;
    answers.read = () => Promise.reject(transient('etcdserver: request timed out'));
    lease.renew();
    expect(await trustLeft(clock, lease)).toBeLessThanOrEqual(WINDOW);
    expect(told).toHaveLength(1);
  });

  it('is renewed a third of the TTL after the last request, however long that took to be answered', async () => {
    const { clock, answers } = lab(false);
    const begun: number[] = [];
    const start = clock.steady();
    answers.renew = async () => {
      begun.push(Math.round(clock.steady() - start));
      await clock.sleep(1500);
      return { ttlMs: TTL, revision: 1, term: '5' };
    };
    for (let round = 0; round < 110; round += 1) await clock.advance(100);
    expect(begun).toEqual([3333, 6667, 10_000]);
  });

  it('leaves time for three attempts that nobody answers, the third before it ends', async () => {
    const { clock, lease, answers } = lab(true);
    const begun: number[] = [];
    const start = clock.steady();
    answers.renew = async (options) => {
      begun.push(clock.steady() - start);
      await clock.sleep(options?.deadlineMs ?? 0);
      throw transient('no answer in time');
    };
    expect(await trustLeft(clock, lease)).toBe(WINDOW);
    expect(begun).toHaveLength(3);
  });

  it('a process that was asleep does not trust itself when it wakes', async () => {
    const { clock, lease } = lab(true);
    let asleep = 0;
    const sleepy = keepLease({
      ...{ leaseId: 'mine', ttlMs: TTL, sentAt: clock.steady(), key: 'k', endsWithTrust: true },
      clock: { ...clock, steady: () => clock.steady() + asleep },
      client: { renewLease: () => new Promise(() => undefined), get: () => new Promise(() => undefined) },
      problem: () => undefined,
      closed: new AbortController().signal,
    });
    expect(sleepy.trusted()).toBe(true);
    asleep = WINDOW;
    expect([sleepy.trusted(), lease.trusted()]).toEqual([false, true]);
  });

  it('is closed at once when the lease or its key is gone or under another lease', async () => {
    const gone = [
      { renew: { ttlMs: 0, revision: 1, term: '5' } },
      { read: undefined },
      { read: { key: 'k', value: '', created: 2, modified: 2, lease: 'other' } },
    ];
    for (const answer of gone) {
      const { clock, lease, answers, own } = lab(false);
      answers.renew = async () => answer.renew ?? { ttlMs: TTL, revision: 1, term: '5' };
      answers.read = async () => ({ entry: 'read' in answer ? answer.read : own, revision: 2, term: '5' });
      await clock.advance(TTL / 3 + 10);
      expect([lease.trusted(), lease.lost.aborted]).toEqual([false, true]);
    }
  });
});
