import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import type { CargoLook } from './cargo-look.js';
import { chosenMigration } from './chosen-migration.js';
import type { Detail } from './detail.js';
import type { FleetLook } from './fleet-look.js';
import { unlessGivenUp } from './given-up.js';
import type { OpenedLook } from './opened-look.js';
import { failedAt, readAt, UNREAD, waiting, waitingOpened } from './reading.js';
import type { Cargo, Fleet, Opened, Reading, Snapshot } from './snapshot.js';
import type { State } from './state.js';

export interface EyesOptions {
  readonly cargo: CargoLook;
  readonly fleet: FleetLook;
  readonly opened: OpenedLook;
  readonly clock: Clock;
}

/** Each resolves when the look that was begun has ended, at once if none was begun. They reject for nothing but a bug. */
export type Looks = Readonly<Record<'cargo' | 'fleet' | 'opened', Promise<void>>>;

/** All looking: what was seen last of each thing is kept, and one that hangs keeps no other waiting. */
export interface Eyes {
  /** Begins each look that is due and not under way. `conditions`: the machines whose condition is wanted. */
  look(state: State, conditions: readonly string[]): Looks;
  /** What is opened is due again, however long its last look took. */
  hurry(): void;
  /** As known by now, for what is shown now. */
  snapshot(state: State): Snapshot;
  /** Gives up what is under way. */
  close(): void;
}

/** What is opened is looked at again after this, in ms ... */
const AGAIN_MS = 1_000;
/** ... or, where the look took long, after so many times as long: reading many failures is a load of its own ... */
const TIMES_AS_LONG = 30;
/** ... but then at the latest. */
const AT_LAST_MS = 60_000;

export function createEyes({ cargo, fleet, opened, clock }: EyesOptions): Eyes {
  const closing = new AbortController();
  const cargoHalf = createHalf<Cargo>('Redis');
  const fleetHalf = createHalf<Fleet>('convoyd');
  /** Of which migration the failures were read. */
  let failuresOf: string | null = null;
  let detail: OpenDetail | null = null;

  function createHalf<T>(who: string) {
    let reading: Reading<T> = UNREAD;
    let began: number | null = null;
    return {
      async begin(ask: (signal: AbortSignal) => Promise<T>): Promise<void> {
        if (began !== null) return;
        const at = clock.now();
        began = at;
        try {
          reading = readAt(await unlessGivenUp(ask(closing.signal), closing.signal), clock.now());
        } catch (error) {
          reading = failedAt(reading, messageOf(error), at);
        }
        began = null;
      },
      reading: (now: number): Reading<T> => waiting(reading, who, began, now),
    };
  }

  interface OpenDetail {
    readonly of: Detail;
    readonly key: string;
    readonly closing: AbortController;
    found: Opened | null;
    began: number | null;
    /** On the steady clock. */
    dueAt: number;
  }

  function follow({ details }: State): OpenDetail | null {
    const of = details.at(-1);
    const key = JSON.stringify(of);
    if (detail?.key === key) return detail;
    detail?.closing.abort();
    if (of === undefined) detail = null;
    else detail = { of, key, closing: new AbortController(), found: null, began: null, dueAt: 0 };
    return detail;
  }

  async function lookInto(open: OpenDetail): Promise<void> {
    if (open.began !== null || clock.steady() < open.dueAt) return;
    open.began = clock.now();
    const started = clock.steady();
    try {
      open.found = await opened.look(open.of, open.found, open.closing.signal);
      const pause = open.found.trouble === null ? (clock.steady() - started) * TIMES_AS_LONG : 0;
      open.dueAt = clock.steady() + Math.min(AT_LAST_MS, Math.max(AGAIN_MS, pause));
    } catch (error) {
      if (!open.closing.signal.aborted) throw error;
    } finally {
      open.began = null;
    }
  }

  async function readCargo(wanted: string | null): Promise<Cargo> {
    const found = await cargo.look(wanted);
    failuresOf = chosenMigration(found, wanted);
    return found;
  }

  return {
    look(state, conditions) {
      const open = follow(state);
      return {
        cargo: cargoHalf.begin(() => readCargo(state.migration)),
        fleet: fleetHalf.begin((signal) => fleet.look({ conditions }, signal)),
        opened: open === null ? Promise.resolve() : lookInto(open),
      };
    },
    hurry() {
      if (detail !== null) detail.dueAt = 0;
    },
    snapshot(state) {
      const now = clock.now();
      const read = cargoHalf.reading(now);
      const open = follow(state);
      return {
        now,
        cargo: { ...read, value: read.value === null ? null : ofShown(read.value, state, failuresOf) },
        fleet: fleetHalf.reading(now),
        opened: open === null ? null : waitingOpened(open.of, open.found, open.began, now),
      };
    },
    close() {
      closing.abort();
      detail?.closing.abort();
    },
  };
}

/** The failures of another migration are not those of the one that is shown since the last key. */
function ofShown(cargo: Cargo, { migration }: State, failuresOf: string | null): Cargo {
  if (chosenMigration(cargo, migration) === failuresOf) return cargo;
  return { ...cargo, failures: [], images: new Map() };
}
