/**
 * Is this the registry we know? A wiped, restored or foreign etcd must stop nobody: as long as something is
 * strange, views answer hold and no write is sent.
 *
 * Strange is: another cluster id, no `cluster` record though one was seen, a revision lower than one seen, a
 * format above ours. All but the lower revision end by themselves when the known registry is back; a store that
 * went back stays strange, over restarts too, because it grows past the old revision by itself. The operator ends
 * any of them with `accept`, but for a format above ours.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../runtime/clock.js';
import { type ConvoyError, messageOf, permanent, transient } from '../runtime/errors.js';
import { decodeCluster, encodeCluster, FORMAT } from './codec.js';
import type { Compare, Entry, EtcdClient, Operation, TxnResult } from './etcd-calls.js';
import type { Keys } from './keys.js';
import type { RegistryMemory, RegistryProblem, SeenRegistry } from './registry.js';

const WAY_OUT =
  'Nothing is touched until it is back; if this is meant, run "convoyctl rejoin --accept" on this machine.';
/**
 * How often the highest revision seen is written down while it moves; its last value always is. A convoyd that is
 * killed notices a store that went back by what happened more than this long before. Each time costs an fsync.
 */
const WRITE_DOWN_MS = 5000;

/** What was seen before a read, by which the read is judged; void once the operator has accepted. */
export interface Floor {
  /** Whether any registry had been seen. */
  readonly known: boolean;
  /** The highest revision. */
  readonly revision: number;
  readonly acceptances: number;
}

export class Identity {
  private seen: SeenRegistry | null;
  private strange: string | null = null;
  /** The text of the `cluster` record as last found to be ours: every write compares it. */
  private record: string | undefined;
  private writtenAt = Number.NEGATIVE_INFINITY;
  /** Fires when the registry is closed; ends the wait for the next time to write down. */
  private readonly closing = new AbortController();
  private isDue = false;
  private writing: Promise<void> = Promise.resolve();
  private acceptances = 0;
  private readonly followers = new Set<() => void>();

  private constructor(
    private readonly client: EtcdClient,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly memory: RegistryMemory,
    private readonly problem: RegistryProblem,
    seen: SeenRegistry | null,
  ) {
    this.seen = seen;
  }

  static async open(
    client: EtcdClient,
    keys: Keys,
    clock: Clock,
    memory: RegistryMemory,
    problem: RegistryProblem,
  ): Promise<Identity> {
    return new Identity(client, keys, clock, memory, problem, await memory.readSeen());
  }

  /** Why nothing may be touched, or null. As of the last look. */
  get hold(): string | null {
    return this.strange;
  }

  /** What has been seen so far: take it before a read, give it to `judge` after. */
  get floor(): Floor {
    const { seen, acceptances } = this;
    return { known: seen !== null, revision: seen?.revision ?? 0, acceptances };
  }

  /** Calls back after each acceptance: what was read before may be of another registry. Answers how to end that. */
  onAccepted(follower: () => void): () => void {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }

  /**
   * Takes the registry found now for ours, whatever was seen before, making it a cluster if it has no record. What
   * is accepted is written down before this resolves. `permanent`/`format` if its records cannot be read.
   */
  async accept(): Promise<SeenRegistry> {
    const { cluster } = this.keys;
    let { entry, revision } = await this.client.get(cluster);
    if (entry === undefined) {
      const put = { put: cluster, value: newCluster() };
      await this.client.txn([{ key: cluster, created: 0 }], [put]);
      ({ entry, revision } = await this.client.get(cluster));
    }
    if (entry === undefined) throw transient('the cluster record went while it was accepted: try again');
    const { id, format } = decodeCluster(entry.value);
    if (format > FORMAT) throw permanent(tooNew(id, format), { code: 'format' });
    this.acceptances += 1;
    const seen = { clusterId: id, revision };
    this.seen = seen;
    this.record = entry.value;
    this.strange = null;
    const written = this.writeDown();
    for (const follower of this.followers) follower();
    await written;
    return seen;
  }

  /** Asks etcd who it is. Answers why to hold, or null. */
  async look(): Promise<string | null> {
    const floor = this.floor;
    const { entry, revision } = await this.client.get(this.keys.cluster);
    return this.judge(entry, revision, floor);
  }

  /** Judges a `cluster` record read at `revision`; `floor` was taken before that read. */
  judge(entry: Entry | undefined, revision: number, floor: Floor): string | null {
    // While it was read the cluster was made, by one of many who found none, or the operator has accepted.
    const isOver = this.seen !== null && !(floor.known && floor.acceptances === this.acceptances);
    if (entry === undefined && isOver) return this.strange;
    const reason = this.reasonToHold(entry, revision, floor);
    if (reason !== null) {
      if (reason !== this.strange) this.problem(permanent(`${reason} ${WAY_OUT}`, { code: 'hold' }));
      this.strange = reason;
      return reason;
    }
    if (entry !== undefined) {
      this.record = entry.value;
      this.observe(revision, decodeCluster(entry.value).id);
    }
    this.strange = null;
    return null;
  }

  /** Notes that the registry known as ours has reached a revision. One that went back stays as it was seen. */
  observe(revision: number, clusterId = this.seen?.clusterId): void {
    if (this.seen?.hold !== undefined) return;
    if (clusterId === undefined || (this.seen?.clusterId === clusterId && revision <= this.floor.revision))
      return;
    this.seen = { clusterId, revision };
    if (!this.isDue) void this.writeDownInTime();
  }

  /**
   * A transaction on the registry we know and on no other: it compares the `cluster` record too, creating it in
   * an etcd that has none and that we never saw with one. `otherwise` reads when a comparison fails.
   * Rejects with `permanent`/`hold` where nothing may be touched.
   */
  async write(
    compares: readonly Compare[],
    then: readonly Operation[],
    otherwise: readonly Extract<Operation, { get: string }>[] = [],
  ): Promise<TxnResult> {
    for (;;) {
      const record = await this.ready();
      const floor = this.floor;
      const answer = await this.client.txn([{ key: this.keys.cluster, value: record }, ...compares], then, [
        { get: this.keys.cluster },
        ...otherwise,
      ]);
      if (answer.succeeded) {
        if (!this.isBelow(answer.revision, floor)) {
          this.observe(answer.revision);
          return answer;
        }
        // It went through, but into a registry that has gone back, and whose cluster record is the same.
        if (this.judge((await this.client.get(this.keys.cluster)).entry, answer.revision, floor) !== null)
          throw this.refusal();
        return answer;
      }
      const [cluster, ...got] = answer.got;
      if (this.judge(cluster, answer.revision, floor) !== null) throw this.refusal();
      if (cluster?.value === record) return { ...answer, got };
    }
  }

  /**
   * Called before a read that asks something else of etcd; what it answers is called with the revision of that read,
   * and looks closer if that is lower than what was seen before.
   */
  reading(): (revision: number) => void {
    const floor = this.floor;
    return (revision) => {
      if (floor.acceptances !== this.acceptances) return;
      if (this.isBelow(revision, floor)) this.look().catch(() => undefined);
      else this.observe(revision);
    };
  }

  /**
   * As `reading`, for a read that is about to be answered to somebody: rejects `permanent`/`hold` if what was read is of an etcd
   * that has just been emptied, replaced or gone back.
   */
  answering(): (revision: number) => Promise<void> {
    const floor = this.floor;
    return async (revision) => {
      if (floor.acceptances !== this.acceptances) return;
      if (!this.isBelow(revision, floor)) return this.observe(revision);
      const reason = await this.look();
      if (reason !== null) throw permanent(reason, { code: 'hold' });
    };
  }

  private isBelow(revision: number, floor: Floor): boolean {
    return floor.acceptances === this.acceptances && revision < floor.revision;
  }

  async close(): Promise<void> {
    this.closing.abort();
    if (this.seen !== null) await this.writeDown().catch(() => undefined);
  }

  /**
   * The text of the cluster record, made if this is the first convoyd of all. Rejects with `permanent`/`hold`
   * where nothing may be touched.
   */
  async ready(): Promise<string> {
    if (this.record === undefined || this.strange !== null) await this.look();
    if (this.strange !== null) throw this.refusal();
    if (this.record !== undefined) return this.record;
    const { cluster } = this.keys;
    await this.client.txn([{ key: cluster, created: 0 }], [{ put: cluster, value: newCluster() }]);
    return this.ready();
  }

  private reasonToHold(entry: Entry | undefined, revision: number, floor: Floor): string | null {
    const { seen } = this;
    if (seen?.hold !== undefined) return seen.hold;
    if (entry === undefined)
      return seen === null
        ? null
        : `etcd has no cluster record, but this machine belongs to cluster ${seen.clusterId}: was etcd emptied, or is the address wrong?`;
    try {
      const { id, format } = decodeCluster(entry.value);
      if (format > FORMAT) return tooNew(id, format);
      if (seen !== null && id !== seen.clusterId)
        return `etcd holds cluster ${id}, but this machine belongs to cluster ${seen.clusterId}: was etcd replaced, or is the address wrong?`;
    } catch (error) {
      return messageOf(error);
    }
    if (floor.acceptances !== this.acceptances || revision >= floor.revision) return null;
    const hold = `etcd went back from revision ${floor.revision} to ${revision}: was it restored from a backup?`;
    this.seen = { ...seen!, hold };
    void this.writeDown().catch(() => undefined);
    return hold;
  }

  private refusal(): ConvoyError {
    return permanent(`nothing is written: ${this.strange}`, { code: 'hold' });
  }

  private async writeDownInTime(): Promise<void> {
    this.isDue = true;
    const pause = this.writtenAt + WRITE_DOWN_MS - this.clock.steady();
    if (pause > 0) await this.clock.sleep(pause, this.closing.signal).catch(() => undefined);
    this.isDue = false;
    if (!this.closing.signal.aborted) await this.writeDown().catch(() => undefined);
  }

  /** Resolves when what is seen now has been written; a failure is reported, too. */
  private writeDown(): Promise<void> {
    this.writtenAt = this.clock.steady();
    const { seen } = this;
    const turn = this.writing.then(async () => {
      if (seen !== null) await this.memory.writeSeen(seen);
    });
    this.writing = turn.catch((error: unknown) =>
      this.problem(permanent(`what was seen of the registry cannot be written down: ${messageOf(error)}`)),
    );
    return turn;
  }
}

function newCluster(): string {
  return encodeCluster({ id: randomUUID(), format: FORMAT });
}

function tooNew(id: string, format: number): string {
  return `cluster ${id} has records of format ${format}, this convoyd reads formats up to ${FORMAT}: upgrade it`;
}
