import { describe, expect, it } from 'vitest';
import { openRenewals, type RenewalAnswer, type RenewalStream } from '../../../registry/etcd-renewals.js';
import { manualClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

/** A stream whose every answer is chosen. */
class FakeStream implements RenewalStream {
  readonly asked: string[] = [];
  cancelled = false;
  ended = false;
  private readonly listeners = new Map<string, (given?: never) => void>();

  write({ ID }: { readonly ID: string }): void {
    this.asked.push(ID);
  }
  end(): void {
    this.ended = true;
  }
  cancel(): void {
    this.cancelled = true;
  }
  on(event: string, listener: (given: never) => void): void {
    this.listeners.set(event, listener as (given?: never) => void);
  }
  emit(event: string, given?: RenewalAnswer | Error): void {
    this.listeners.get(event)?.(given as never);
  }
  answer(ID: string, revision: number, TTL = '10'): void {
    this.emit('data', { ID, TTL, header: { revision: String(revision), raft_term: '5' } });
  }
}

function lab() {
  const clock = manualClock();
  const streams: FakeStream[] = [];
  const opening = { error: null as Error | null };
  const renewals = openRenewals(
    'etcd',
    async () => {
      if (opening.error !== null) throw opening.error;
      const stream = new FakeStream();
      streams.push(stream);
      return stream;
    },
    clock,
  );
  /** What came of a renewal that was begun. */
  const renew = (id: string, withinMs = 1000) => {
    const outcome = { value: undefined as unknown, error: undefined as { message: string } | undefined };
    renewals.renew(id, withinMs).then(
      (value) => {
        outcome.value = value;
      },
      (error) => {
        outcome.error = error;
      },
    );
    return outcome;
  };
  const asked = (stream: number, count: number) =>
    until(`renewal ${count} is sent over stream ${stream}`, () => streams[stream]?.asked.length === count);
  return { clock, streams, opening, renewals, renew, asked };
}

const of = (revision: number, ttlMs = 10_000) => ({ ttlMs, revision, term: '5' });

describe('renewals over one stream', () => {
  it('of several leases are answered in turn, also one whose lease is gone', async () => {
    const { streams, renew, asked } = lab();
    const outcomes = [renew('machine'), renew('leader'), renew('gone')];
    await asked(0, 3);
    streams[0]!.answer('machine', 7);
    streams[0]!.answer('leader', 8);
    streams[0]!.answer('gone', 9, '0');
    await until('all are answered', () => outcomes.every(({ value }) => value !== undefined));
    expect(outcomes.map(({ value }) => value)).toEqual([of(7), of(8), of(9, 0)]);
    const later = renew('machine');
    await asked(0, 4);
    streams[0]!.answer('machine', 10);
    await until('the later one is answered', () => later.value !== undefined);
    expect([streams.length, later.value]).toEqual([1, of(10)]);
  });

  it('never take a late answer for that of the next', async () => {
    const { clock, streams, renew, asked } = lab();
    const late = renew('machine', 1000);
    await asked(0, 1);
    await clock.advance(1000);
    await until('it is given up', () => late.error !== undefined);
    expect(late.error).toMatchObject({ kind: 'transient', code: 'deadline' });
    expect(streams[0]!).toMatchObject({ cancelled: true, ended: false });
    const next = renew('machine', 1000);
    await asked(1, 1);
    streams[0]!.answer('machine', 7);
    streams[1]!.answer('machine', 8);
    await until('the next is answered', () => next.value !== undefined);
    expect(next.value).toEqual(of(8));
  });

  it('look at what has come in before they call an answer late', async () => {
    const { clock, streams, renew, asked } = lab();
    const renewed = renew('machine', 1000);
    await asked(0, 1);
    // It lay in the socket while the process was held up over the deadline.
    setImmediate(() => streams[0]!.answer('machine', 7));
    await clock.advance(1000);
    await until('it has ended', () => renewed.value !== undefined || renewed.error !== undefined);
    expect(renewed.value).toEqual(of(7));
    expect(streams[0]!.cancelled).toBe(false);
  });

  it('all fail when it breaks, and the next opens another', async () => {
    const { streams, renew, asked } = lab();
    const outcomes = [renew('machine'), renew('leader')];
    await asked(0, 2);
    streams[0]!.emit('error', new Error('14 UNAVAILABLE: Connection dropped'));
    await until('both fail', () => outcomes.every(({ error }) => error !== undefined));
    expect(outcomes.map(({ error }) => error?.message)).toEqual(
      outcomes.map(() => '14 UNAVAILABLE: Connection dropped'),
    );
    const next = renew('machine');
    await asked(1, 1);
    streams[0]!.emit('end');
    streams[1]!.answer('machine', 8);
    await until('the next is answered', () => next.value !== undefined);
  });

  it.each(['end', 'error'])('are not lost when it has met its %s between two of them', async (event) => {
    const { streams, renew, asked } = lab();
    const first = renew('machine');
    await asked(0, 1);
    streams[0]!.answer('machine', 7);
    await until('the first is answered', () => first.value !== undefined);
    streams[0]!.emit(event, new Error('14 UNAVAILABLE: Connection dropped'));
    const next = renew('machine');
    await asked(1, 1);
    streams[1]!.answer('machine', 8);
    await until('the next is answered', () => next.value !== undefined);
    expect(next.value).toEqual(of(8));
  });

  it('fail when it answers for another lease', async () => {
    const { streams, renew, asked } = lab();
    const renewed = renew('machine');
    await asked(0, 1);
    streams[0]!.answer('leader', 7);
    await until('it fails', () => renewed.error !== undefined);
    expect(renewed.error?.message).toMatch(/out of turn/);
    expect(streams[0]!.cancelled).toBe(true);
  });

  it('fail when it cannot be opened, and when the member is left', async () => {
    const { opening, renewals, renew, asked } = lab();
    opening.error = new Error('no way in');
    const refused = renew('machine');
    await until('it fails', () => refused.error !== undefined);
    expect(refused.error?.message).toBe('no way in');
    opening.error = null;
    const left = renew('machine');
    await asked(0, 1);
    renewals.drop(new Error('to the next one'));
    await until('it fails', () => left.error !== undefined);
    expect(left.error?.message).toBe('to the next one');
  });

  it('end in good order when it is closed', async () => {
    const { streams, renewals, renew, asked } = lab();
    renew('machine');
    await asked(0, 1);
    renewals.close();
    expect(streams[0]!).toMatchObject({ ended: true, cancelled: true });
  });
});
