/**
 * Renewals of leases over one stream to a member of etcd that stays open, whoever's leases they are: a stream for each
 * renewal was most of what a machine at rest cost itself and etcd.
 *
 * etcd answers the renewals of a stream one after another, in the order in which they were sent. So an answer belongs
 * to the oldest renewal that has none, and must name its lease. One that is not answered in time is never skipped: its
 * answer would be taken for that of a later one, which was sent when the lease had longer to live. The stream is given up
 * in its place, with all that was asked over it, and the connection with the stream: it may be dead without knowing it.
 */
import type { Clock } from '../runtime/clock.js';
import { transient } from '../runtime/errors.js';
import type { Renewal } from './etcd-calls.js';

/** What we use of gRPC's stream. */
export interface RenewalStream {
  write(request: { readonly ID: string }): void;
  end(): void;
  cancel(): void;
  on(event: 'data', listener: (answer: RenewalAnswer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

export interface RenewalAnswer {
  readonly ID: string;
  /** s */
  readonly TTL: string;
  readonly header: { readonly revision: string; readonly raft_term: string };
}

export interface Renewals {
  /** Rejects if the stream cannot be opened, breaks, or has not answered after `withinMs` in which this process could run. */
  renew(leaseId: string, withinMs: number): Promise<Renewal>;
  /** Gives the stream up; the next renewal opens another. */
  drop(error: Error): void;
  /** Ends the stream in good order: nothing more is renewed. */
  close(): void;
}

/** Of the time that a renewal has. */
const PARTS = 4;

/** A reason of its own: a signal that fires without one makes an error with a stack each time. */
const ANSWERED = 'answered';

interface Waiting {
  readonly leaseId: string;
  answer(renewal: Renewal): void;
  fail(error: Error): void;
}

interface Line {
  readonly waiting: Waiting[];
  stream: RenewalStream | undefined;
  isOver: boolean;
}

/** `name` says in errors whom was asked. `open` is called for the first renewal, and again after a stream has ended. */
export function openRenewals(
  name: string,
  open: (withinMs: number) => Promise<RenewalStream>,
  clock: Clock,
): Renewals {
  let line: Line | undefined;

  function start(withinMs: number): Line {
    const started: Line = { waiting: [], stream: undefined, isOver: false };
    const take = (stream: RenewalStream): void => {
      started.stream = stream;
      stream.on('data', (answer) => settle(started, answer));
      stream.on('error', (error) => end(started, error));
      stream.on('end', () => end(started, new Error('etcd ended the stream without an answer')));
      if (started.isOver) stream.cancel();
      else for (const { leaseId } of started.waiting) stream.write({ ID: leaseId });
    };
    open(withinMs).then(take, (error) => end(started, error));
    return started;
  }

  function settle(on: Line, { ID, TTL, header }: RenewalAnswer): void {
    if (on.isOver) return;
    const [first] = on.waiting;
    if (first?.leaseId !== ID) {
      end(on, new Error(`etcd answered for lease ${ID} out of turn`));
      return;
    }
    on.waiting.shift();
    first.answer({ ttlMs: Number(TTL) * 1000, revision: Number(header.revision), term: header.raft_term });
  }

  function end(over: Line, error: Error): void {
    if (over.isOver) return;
    over.isOver = true;
    if (line === over) line = undefined;
    for (const { fail } of over.waiting) fail(error);
    // Not ended first: etcd3 drops the host's connections for a stream that fails while writable.
    over.stream?.cancel();
  }

  /**
   * In parts, of which each counts for what it was to last: while this process is held up, nobody is late but itself. And after the
   * last one, what has come in is looked at first: the answer may lie here unread.
   */
  async function giveUpAfter(ms: number, on: Line, answered: AbortSignal): Promise<void> {
    for (let part = 0; part < PARTS; part += 1) await clock.sleep(ms / PARTS, answered);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (!answered.aborted) end(on, transient(`${name}: no answer in time`, { code: 'deadline' }));
  }

  return {
    async renew(leaseId, withinMs) {
      line ??= start(withinMs);
      const on = line;
      const answered = new AbortController();
      giveUpAfter(withinMs, on, answered.signal).catch(() => undefined);
      try {
        return await new Promise<Renewal>((answer, fail) => {
          on.waiting.push({ leaseId, answer, fail });
          on.stream?.write({ ID: leaseId });
        });
      } finally {
        answered.abort(ANSWERED);
      }
    },
    drop(error) {
      if (line !== undefined) end(line, error);
    },
    close() {
      line?.stream?.end();
      if (line !== undefined) end(line, new Error('the registry is closed'));
    },
  };
}
