/**
 * Seam: what the cluster knows. Everything that has to be agreed on by more than one machine goes through here;
 * two implementations pass the same contract suite: etcd (`etcd-registry.ts`) and an in-memory one for tests.
 *
 * - Reads are of one revision. Caches are kept by list + watch; an event only wakes, a read decides.
 * - Every call has a deadline of its own. `transient` = the registry did not answer: the effect of a write is
 *   unknown unless the method says otherwise. `conflict` = something changed since it was read.
 * - A registry that is not the one seen before (other cluster id, older revision, higher major format) makes
 *   views answer `hold`: the holder touches nothing and says why, until the operator accepts it. Writes, `join`
 *   among them, then reject with `permanent`, code `hold`.
 * - Nobody retries behind a caller's back except where a method says so.
 */
import type { ConvoyError } from '../runtime/errors.js';
import type { TargetState } from '../units/state.js';
import type { UnitFile } from '../units/unit-file.js';
import type {
  ClusterSnapshot,
  Decision,
  KnownMachine,
  Machine,
  Placement,
  PresentLeader,
  ServiceEntry,
  UnitRecord,
  UnitState,
} from './model.js';

/** Why nothing may be touched for now, in words. */
export interface Hold {
  readonly kind: 'hold';
  readonly reason: string;
}

/** A cache kept fresh by a watch. `changes` yields after anything relevant changed; wake-ups may be merged. */
export interface View<Snapshot> {
  /** The cache as it stands, or why it must not be used. Synchronous: it never waits for the network. */
  snapshot(): Snapshot | Hold;
  changes(signal: AbortSignal): AsyncIterable<void>;
  close(): Promise<void>;
}

/** What one agent needs: its own placements, each with the unit's content. */
export interface MachineSnapshot {
  readonly kind: 'placements';
  readonly revision: number;
  readonly placements: ReadonlyMap<string, Placement & { readonly content: UnitFile }>;
}

export interface ClusterView extends View<ClusterSnapshot & { readonly kind: 'cluster' }> {}
export interface PlacementView extends View<MachineSnapshot> {
  /** Asks for all to be read anew, in case it lags; a snapshot of the present revision or a later one follows. */
  refresh(): void;
}

/** One unit as the API shows it: all at one revision. `states` has one entry per machine that published one. */
export interface UnitView {
  readonly record: UnitRecord;
  readonly machine: string | null;
  readonly why: string | null;
  readonly states: readonly UnitState[];
}

export interface RegistryReader {
  /** Everything, at one revision. Cost is that of the whole registry, the first time: for lists, never for one unit. */
  readAll(signal?: AbortSignal): Promise<ClusterSnapshot>;
  readUnit(name: string, signal?: AbortSignal): Promise<(UnitView & { readonly revision: number }) | null>;
  /** The states of one unit by machine, also after it was destroyed. Cost is that of the machines. */
  readStates(name: string, signal?: AbortSignal): Promise<readonly UnitState[]>;
  /** Those of all units, in no order. Cost is that of the states, the first time. */
  readAllStates(
    signal?: AbortSignal,
  ): Promise<{ readonly states: readonly UnitState[]; readonly revision: number }>;
  readMachines(
    signal?: AbortSignal,
  ): Promise<{ machines: readonly Machine[]; known: readonly KnownMachine[]; revision: number }>;
  /** Entries of one service, or of all; by service, unit, machine. */
  readServices(
    service?: string,
    signal?: AbortSignal,
  ): Promise<{ readonly services: readonly ServiceEntry[]; readonly revision: number }>;
}

export interface DesiredState {
  /**
   * Creates or replaces a unit. A record that changes has its content stored again in the same transaction, so that a
   * collection of contents running beside it can never take it. The same again changes nothing. `expected` is the generation it replaces, 0 = must be new,
   * absent = whatever is there. Rejects with `conflict` when `expected` does not hold.
   */
  submitUnit(
    name: string,
    unit: UnitFile,
    target: TargetState,
    expected?: number,
  ): Promise<{ readonly generation: number; readonly created: boolean }>;
  /**
   * All of them in one transaction, or none. Rejects with the first that cannot be: `conflict`/`generation` names one
   * that is not as expected, `permanent`/`not-found` one without content that does not exist, whatever is expected of
   * it. `permanent`: `too-many` for more than `MOST_WRITES`, `twice` for a name that is there twice, `too-large` if
   * etcd does not take so much at once. Answers in the order given.
   */
  writeUnits(writes: readonly UnitWrite[]): Promise<readonly UnitWritten[]>;
  /** `permanent`/`not-found` if there is no such unit. The same again changes nothing. `expected` as above. */
  setTargetState(name: string, target: TargetState, expected?: number): Promise<void>;
  /** Raises the restart counter and sets the target to `launched`. Not idempotent: each call is one restart. */
  requestRestart(name: string, expected?: number): Promise<void>;
  /**
   * Asks the leader to move a unit away from where it is, to `to` or (null) to the best other machine. The same
   * again changes nothing; a later one replaces it. It survives other changes of the unit until the unit is
   * elsewhere. `permanent`: `not-found` if there is no such unit, `not-placed` if it is nowhere or global. `expected`
   * as above.
   */
  requestMove(name: string, to: string | null, expected?: number): Promise<void>;
  /**
   * Answers false if there was no such unit, whatever is expected of it. The leader then unplaces what is left of it.
   * `expected` as above.
   */
  destroyUnit(name: string, expected?: number): Promise<boolean>;
}

/** So many units, or machines, fit into one transaction of etcd with its standard limit. */
export const MOST_WRITES = 50;

/** One unit of many that are written at once. `unit` absent: only its target changes. `expected` as in `submitUnit`. */
export interface UnitWrite {
  readonly name: string;
  readonly unit?: UnitFile;
  readonly target: TargetState;
  readonly expected?: number | undefined;
}

export interface UnitWritten {
  readonly name: string;
  readonly generation: number;
  /** `unchanged`: content and target were so already, and the generation is as it was. */
  readonly outcome: 'created' | 'changed' | 'unchanged';
}

export interface MetadataPatch {
  readonly machine: string;
  readonly key: string;
  readonly value: string | null;
}

/** What the operator wants of machines. But for `patchMetadata`, each rejects with `permanent`/`not-found` for a machine that never joined. */
export interface DesiredMachines {
  /** What is not given stays; `metadata` is given whole. */
  changeMachine(
    id: string,
    change: Partial<Pick<KnownMachine, 'cordoned' | 'draining' | 'metadata'>>,
  ): Promise<void>;
  /**
   * Sets (`null`: hides) single keys of machines' metadata, in the order given, all or none. What is set for a machine
   * that never joined is remembered, and is its metadata from the moment it joins; until then nothing shows it.
   * `permanent`/`too-many` for more than `MOST_WRITES` machines.
   */
  patchMetadata(patches: readonly MetadataPatch[]): Promise<void>;
  /**
   * Forgets a machine that is gone for good, or what was set for one that never joined. `conflict`/`alive` if it is
   * there, `conflict`/`in-use` if units are placed on it. It is new again when it joins.
   */
  forgetMachine(id: string): Promise<void>;
  /** Gives a machine up: its units are placed elsewhere without grace. `conflict`/`alive` if it is there. */
  evictMachine(id: string): Promise<void>;
}

/** An agent's presence. All it publishes hangs on one lease and is gone when that runs out. */
export interface MachineSession {
  readonly machineId: string;
  /** The registry's revision at which the machine was there. What was read before may have been true of its former self only. */
  readonly revision: number;
  /**
   * Fires when the lease is known to be gone, or when its trust was needed and it was renewed too late for that. The holder
   * joins again; units are left alone.
   */
  readonly lost: AbortSignal;
  /** Whether the lease was renewed recently enough. Never true again once false, while trust is needed. */
  trusted(): boolean;
  /** Renews now, and not when it is time for it: the trust window has come to be needed. */
  renew(): void;
  /**
   * Writes the given states and deletes those of `gone` units; only what differs from the last call is sent. The
   * first call of a session has them all: it deletes whatever else an earlier convoyd of this machine left. Until
   * then that stays, for the units may still be running.
   */
  publish(states: readonly UnitState[], gone: readonly string[]): Promise<void>;
  /** The complete set of this machine's services; differences to the last call are written. */
  announce(services: readonly ServiceEntry[]): Promise<void>;
  /** Stops renewing and leaves the lease to run out or to be resumed by the next convoyd of this machine. */
  suspend(): Promise<void>;
  /**
   * For a machine whose units are stopped: the machine and all it published are gone at once, and its units are
   * placed elsewhere without grace. The session is over even if this rejects; the lease then runs out by itself.
   */
  leave(): Promise<void>;
}

export interface Membership {
  /**
   * Announces the machine. Resumes the lease whose id `memory` holds if it still lives. `permanent` with code
   * `duplicate-machine-id` if another lease holds this machine id.
   */
  join(machine: Machine, ttlMs: number, use?: LeaseUse): Promise<MachineSession>;
}

/** What whoever holds a lease does with it. */
export interface LeaseUse {
  /**
   * Whether something that must end with the lease depends on it: then a quorum has to confirm each renewal, which costs
   * a read. Asked before each renewal.
   */
  readonly needsTrust: () => boolean;
  /**
   * Called before `join` resolves and after each renewal with the time (`clock.steady()`, ms) up to which etcd cannot
   * have let the lease run out. It is the trust window only if a quorum has confirmed it: an etcd that lost its quorum
   * goes on answering for a while.
   */
  readonly onRenewed: (until: number, confirmed: boolean) => void;
}

/** A period in which this process is the leader. */
export interface LeaderTerm {
  /** The leader key's create revision: compared in every write of the leader. */
  readonly fence: number;
  /** Whether the leader may still act: the trust window, courtesy on top of fencing. Never true again once false. */
  trusted(): boolean;
  /** Fires when the term is over: resigned, lease gone, deposed, or the trust window has run out. */
  readonly lost: AbortSignal;
  /** Writes down for every machine why evictions stand still; null: they do not. `conflict`/`deposed` if another leads. */
  tell(frozen: string | null): Promise<void>;
  resign(): Promise<void>;
}

export interface Leadership {
  /** Resolves when this machine is elected. Retries by itself while the registry is away; rejects on abort. */
  campaign(machineId: string, ttlMs: number, signal: AbortSignal): Promise<LeaderTerm>;
  readLeader(): Promise<PresentLeader | null>;
}

export type CommitResult =
  | {
      readonly kind: 'done';
      readonly outcomes: readonly ('committed' | 'stale')[];
      /** Of the last thing written; 0 if nothing was. A snapshot from before it does not show what was decided. */
      readonly revision: number;
    }
  | { readonly kind: 'deposed' };

export interface PlacementLog {
  /**
   * Writes decisions in transactions of at most 60, each fenced by the term and by what each decision saw. A
   * stale one is dropped and the rest committed. An unknown outcome is read back before this resolves.
   */
  commit(decisions: readonly Decision[], term: LeaderTerm): Promise<CommitResult>;
  /** Deletes contents no unit refers to; answers how many. */
  collectContents(term: LeaderTerm): Promise<number>;
}

export interface Registry
  extends RegistryReader,
    DesiredState,
    DesiredMachines,
    Membership,
    Leadership,
    PlacementLog {
  /**
   * The operator says that the registry reached now is the right one, whatever was seen before: it is written down
   * and the holds of this convoyd end, views list again. An empty etcd becomes a cluster. `permanent`/`format` if
   * its records are of a later format: that needs an upgrade.
   */
  accept(): Promise<SeenRegistry>;
  /**
   * 32 bytes by which the machines of the cluster know each other: whoever may read the registry has them, nobody
   * else. They stay the same for as long as the registry does.
   */
  readSecret(): Promise<Buffer>;
  /**
   * What changes in the cluster, each revision whole and in order, from the first reading on. `after`: the revision
   * the caller has seen, null = from now on. The first change is empty and says after which revision it tells; it is
   * rejected with `transient` if the registry cannot be reached, and with `conflict`/`compacted` if that does not
   * remember so far back (or never came so far). From then on it goes on over lost connections, until the signal
   * fires, or it ends with `compacted` if that is so later, `conflict`/`lagging` if more than `MOST_UNDELIVERED` events
   * wait for the reader (who has got all before them, and may open it again from there), `permanent`/`hold` if it is
   * not the registry seen before, `permanent`/`format` for a record that cannot be read.
   */
  openEvents(after: number | null, signal: AbortSignal): AsyncIterable<ClusterChange>;
  /** The leader's cache of the whole cluster. Resolves once the first list is in. */
  openClusterView(signal: AbortSignal): Promise<ClusterView>;
  /** An agent's cache: its own placements and nothing else. Resolves at once; `hold` until the first list is in. */
  openPlacementView(machineId: string): PlacementView;
  close(): Promise<void>;
}

/** So many events are kept for a slow reader, and those of one revision more. */
export const MOST_UNDELIVERED = 5000;

/** All that one revision changed. */
export interface ClusterChange {
  readonly revision: number;
  readonly events: readonly ClusterEvent[];
}

/** `value` is what is there now, null: it is gone. A unit's record comes without its content, which its hash names. */
export type ClusterEvent =
  | { readonly kind: 'unit'; readonly unit: string; readonly value: Omit<UnitRecord, 'unit'> | null }
  | Of<'placement', Placement>
  | Of<'state', UnitState>
  | { readonly kind: 'machine'; readonly machine: string; readonly value: Machine | null }
  | { readonly kind: 'known'; readonly machine: string; readonly value: KnownMachine | null }
  | (Of<'service', ServiceEntry> & { readonly service: string })
  | { readonly kind: 'leader'; readonly value: PresentLeader | null };

interface Of<Kind extends string, Value> {
  readonly kind: Kind;
  readonly unit: string;
  readonly machine: string;
  readonly value: Value | null;
}

/**
 * What a machine remembers of the registry over restarts of convoyd (`seen`: in /var/lib/convoy, survives a
 * reboot) and over restarts of the process only (`leaseId`: in /run/convoy, never cloned with a disk).
 */
export interface RegistryMemory {
  readSeen(): Promise<SeenRegistry | null>;
  writeSeen(seen: SeenRegistry): Promise<void>;
  readLease(): Promise<string | null>;
  writeLease(leaseId: string | null): Promise<void>;
}

export interface SeenRegistry {
  readonly clusterId: string;
  readonly revision: number;
  /** Set once the registry was seen to have gone back: a hold that lasts until the operator accepts. */
  readonly hold?: string;
}

/** Called once per problem that is not an error of a call: a lost watch, a hold, a failed renewal. */
export type RegistryProblem = (problem: ConvoyError) => void;
