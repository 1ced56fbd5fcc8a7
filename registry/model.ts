import type { SystemdState, TargetState } from '../units/state.js';
import type { UnitFile } from '../units/unit-file.js';

/** A desired unit. `generation` is the etcd mod revision of its record. */
export interface UnitRecord {
  readonly name: string;
  readonly hash: string;
  readonly unit: UnitFile;
  readonly target: TargetState;
  /** Raised by each request to restart; an agent restarts a unit whose placement carries a higher one. */
  readonly restarts: number;
  /** The operator's wish to have it elsewhere; null when there is none. */
  readonly move: MoveRequest | null;
  readonly generation: number;
}

/** Holds only while the unit is where it was when the request was made: the revision of its coming there says so. */
export interface MoveRequest {
  /** `Assignment.created` of what is to be left. */
  readonly assignment: number;
  /** Null: to whichever other machine is best. */
  readonly to: string | null;
}

/** A live machine: the record is bound to the agent's lease and gone with it. */
export interface Machine {
  readonly id: string;
  readonly ip: string;
  /** From the daemon's options. The effective metadata also has the operator's overrides of `KnownMachine`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Where this machine's convoyd answers other machines, by the cluster's secret: `psk://10.0.0.1:7373`; empty if nowhere. */
  readonly apiAddress: string;
  readonly version: string;
  readonly bootId: string;
}

/** A machine that ever joined, until `machines forget`. */
export interface KnownMachine {
  readonly id: string;
  /** ms since the epoch. */
  readonly firstSeen: number;
  readonly cordoned: boolean;
  readonly draining: boolean;
  /**
   * Why its units need not wait for its return while it is not there: it left in order, with its units stopped, or
   * the operator gave it up. Null again once it joins.
   */
  readonly away: 'left' | 'evicted' | null;
  /** Set by the operator over the API; `null` hides a static key. */
  readonly metadata: Readonly<Record<string, string | null>>;
}

/** Which one machine a non-global unit belongs to. Its key is what makes a placement unique. */
export interface Assignment {
  readonly unit: string;
  readonly machine: string;
  /**
   * How long after its machine's lease is gone whatever the machine may run the unit as may still be stopping, in
   * ms; null: it may run on (OnPartition=keep). Raised with the update that tells the machine of a longer one,
   * lowered only once the machine has reported what it was told.
   */
  readonly stopBoundMs: number | null;
  /** Machines it was moved away from because it failed there (MoveAfterFailures=), oldest first. */
  readonly failedOn: readonly string[];
  /** The revision at which the unit was assigned to this machine. */
  readonly created: number;
  readonly revision: number;
}

/** What one machine has to do about one unit. Globals have placements too, without an assignment. */
export interface Placement {
  readonly unit: string;
  readonly machine: string;
  readonly hash: string;
  readonly target: Exclude<TargetState, 'inactive'>;
  readonly restarts: number;
  /** The leader's reason, in words. */
  readonly why: string;
  /** The revision at which the unit came to this machine: grows with each new placement. The unit's CONVOY_FENCE. */
  readonly fence: number;
  readonly revision: number;
}

/** What an agent says of one unit on its machine; present from load to unload, bound to the agent's lease. */
export interface UnitState extends SystemdState {
  readonly unit: string;
  readonly machine: string;
  readonly hash: string;
  /** `launched` once the agent has asked its unit manager to start it, whatever came of that. */
  readonly reached: 'loaded' | 'launched';
  /** ms since the epoch of the last change of `active`. */
  readonly since: number;
  /** Exit code of the main process or signal name, once it has ended; `unknown` if it ended unobserved. */
  readonly exit: string | null;
  /** How often the unit manager has restarted it by itself. */
  readonly autoRestarts: number;
  /** Why it is in this state, in words; empty when there is nothing to say, and of `failed` until it is known. */
  readonly reason: string;
  /**
   * `Placement.revision` of what the agent is at work on, or was last. Lower than a placement's `fence`: the agent
   * has not heard of that placement yet. Lower than its `revision`: not of its last change.
   */
  readonly heard: number;
}

/** One instance of a service, announced while its unit is active and its port accepts. */
export interface ServiceEntry {
  readonly service: string;
  readonly unit: string;
  readonly machine: string;
  readonly host: string;
  readonly port: number;
}

/** Who leads, with what any machine has to be able to say although the leader may not be asked from there. */
export interface PresentLeader {
  readonly machine: string;
  /** `LeaderTerm.fence`: grows with every election. */
  readonly term: number;
  /** Why units of missing machines are not placed elsewhere for the time being, or null. */
  readonly frozen: string | null;
}

/** The whole cluster at one revision. Maps are keyed by name or id; placements and states by machine first. */
export interface ClusterSnapshot {
  readonly revision: number;
  readonly units: ReadonlyMap<string, UnitRecord>;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly known: ReadonlyMap<string, KnownMachine>;
  readonly assigned: ReadonlyMap<string, Assignment>;
  readonly placements: ReadonlyMap<string, ReadonlyMap<string, Placement>>;
  readonly states: ReadonlyMap<string, ReadonlyMap<string, UnitState>>;
}

/** Static metadata with the operator's overrides laid over it and hidden keys taken out. */
export function effectiveMetadata(
  machine: Pick<Machine, 'metadata'>,
  known: KnownMachine | undefined,
): Record<string, string> {
  const metadata: Record<string, string> = { ...machine.metadata };
  for (const [key, value] of Object.entries(known?.metadata ?? {})) {
    if (value === null) delete metadata[key];
    else metadata[key] = value;
  }
  return metadata;
}

/**
 * One thing the leader wants written. `generation` is the unit record's mod revision the decision was based on
 * (0: the record is gone). `revision` is the mod revision of `assigned/<unit>` for a non-global unit, of
 * `placements/<machine>/<unit>` for a global one (0: absent). Both are compared in the transaction.
 *
 * - `place`: assignment and placement come into being. A unit that is assigned is unplaced first; both decisions
 *   may be in one commit, the place then with `revision` 0.
 * - `update`: the unit stays where it is; the placement takes over hash, target and restarts of the record. With
 *   `reassign` the assignment is rewritten too, with another stop bound.
 * - `unplace`: assignment and placement go.
 */
export type Decision =
  | (DecisionBase & {
      readonly kind: 'place';
      readonly placement: PlacementToWrite;
      readonly stopBoundMs: number | null;
      readonly failedOn: readonly string[];
    })
  | (DecisionBase & {
      readonly kind: 'update';
      readonly placement: PlacementToWrite;
      readonly reassign?: Pick<Assignment, 'stopBoundMs' | 'failedOn'>;
    })
  | (DecisionBase & { readonly kind: 'unplace' });

export type PlacementToWrite = Omit<Placement, 'revision' | 'fence'>;

interface DecisionBase {
  readonly unit: string;
  readonly machine: string;
  readonly global: boolean;
  readonly generation: number;
  readonly revision: number;
  readonly why: string;
}
