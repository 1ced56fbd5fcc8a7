import PQueue from 'p-queue';
import type { Clock } from '../runtime/clock.js';
import type { Nap } from '../runtime/nap.js';
import { adaptPace, MERCY, NO_NAPS, napsFor, startPace } from './adapt.js';
import { shareOut } from './share-out.js';

/** The objects that a worker has in flight for one migration. */
export interface TilePool {
  /** How many may be in flight: the adaptive limit, or the migration's part of the whole where that is less. */
  readonly limit: number;
  /** One more could be copied at once. */
  readonly hasRoom: boolean;
  /** Runs the task as soon as it may; again, before others, each time it answers `again`. Then calls `over`. */
  run(task: Task, over: () => void): void;
  /** A store asked for mercy: with many such answers the limit halves. */
  throttled(): void;
  /** While held nothing starts, and the migration takes no part of the whole. */
  hold(held: boolean): void;
  close(): void;
}

/** The pools of one worker. Never more in flight than `most` over all of them. */
export interface TilePools {
  open(): TilePool;
}

/** What is measured for one step of adapting: as long as this, and each place used twice ... */
const WINDOW_MS = 1_000;
const TURNOVER = 2;
/** ... save that of a new pool so many objects tell soon enough whether its stores are near, ... */
const FIRST = 200;
/** ... save that a plea for mercy is heard as often as this. */
const MERCY_MS = 500;
/** In each step. */
const FADE = 1.005;

interface Member {
  /** Objects in flight. */
  running(): number;
  /** Objects that could be in flight now. */
  wants(): number;
  allow(places: number): void;
  /** What it may sleep after an object, in ms. */
  napMs(): number;
  /** How many it may have at most, by what the others want. */
  most: number;
}

type Task = () => Promise<'over' | 'again'>;

interface Entry {
  readonly task: Task;
  readonly over: () => void;
}

/** `nap`: asked for after an object, if the stores are slow; null: never. */
export function createTilePools(most: number, clock: Clock, nap: Nap | null = null): TilePools {
  const members = new Set<Member>();

  /** Places are given by what each wants; who has more than its share keeps what is in flight, and starts nothing. */
  function divide(): void {
    const all = [...members];
    const [only] = all;
    if (only !== undefined && all.length === 1) {
      giveAll(only);
      return;
    }
    const wants = all.map((member) => member.wants());
    const turn = Math.floor(clock.steady() / WINDOW_MS);
    const shares = shareOut(most, wants, turn);
    let free = most - all.reduce((sum, member) => sum + member.running(), 0);
    for (const [i, member] of all.entries()) {
      member.most = shareOut(most, wants.with(i, most), turn)[i]!;
      const running = member.running();
      const more = Math.max(0, Math.min(free, shares[i]! - running));
      free -= more;
      member.allow(Math.min(shares[i]!, running + more));
    }
  }

  function giveAll(member: Member): void {
    member.most = most;
    member.allow(most);
  }

  /** No other has work, nor anything still in flight. */
  function isAlone(member: Member): boolean {
    for (const other of members)
      if (other !== member && (other.running() > 0 || other.wants() > 0)) return false;
    return true;
  }

  /** As long as all that have something in flight may. */
  function rest(): void {
    let ms = Number.POSITIVE_INFINITY;
    for (const member of members) if (member.running() > 0) ms = Math.min(ms, member.napMs());
    if (ms > 0 && ms < Number.POSITIVE_INFINITY) nap?.(ms);
  }

  return {
    open() {
      /** Starts and holds lanes, of which each goes through one object after another. */
      const queue = new PQueue({ concurrency: 1 });
      const again: Entry[] = [];
      const fresh: Entry[] = [];
      let running = 0;
      /** Under way, or waiting in the queue for a place. */
      let lanes = 0;
      let pace = startPace(most);
      /** The pace's with what sleep adds: paces differ in shape to V8, and this is read with every tile. */
      let { limit } = pace;
      let held = false;
      let places = 0;
      let since = clock.steady();
      let settled = 0;
      let mercy = 0;
      let isNew = true;
      /** So many objects still tell of the limit before. */
      let ramp = 0;
      let naps = NO_NAPS;
      /** What the stores took for an object at the least, in ms; fades, as they may have become slower for good. */
      let leastMs = Number.POSITIVE_INFINITY;

      const member: Member = {
        most,
        running: () => running,
        napMs: () => naps.ms,
        wants: () => (held ? 0 : waiting() > 0 ? limit : running),
        allow(next) {
          places = Math.min(next, limit);
          if (held || places === 0) queue.pause();
          else {
            if (queue.concurrency !== places) queue.concurrency = places;
            if (queue.isPaused) queue.start();
          }
        },
      };
      const begin = (): void => {
        since = clock.steady();
        settled = 0;
        mercy = 0;
        ramp = 0;
      };
      /** Alone, as workers mostly are with one migration that has work, nothing need be divided at each step. */
      const moved = (): void => {
        if (members.size === 1) return;
        if (isAlone(member)) giveAll(member);
        else divide();
      };
      members.add(member);
      divide();

      function waiting(): number {
        return again.length + fresh.length;
      }

      /** Enough lanes for all that waits, as far as it may ever be in flight at once. */
      function openLanes(): void {
        for (; lanes < Math.min(most, running + waiting()); lanes++) void queue.add(lane);
      }

      async function lane(): Promise<void> {
        for (let entry = next(); entry !== undefined; entry = next()) {
          running++;
          const answer = await entry.task();
          running--;
          if (answer === 'again') again.push(entry);
          else {
            settled++;
            adapt();
            entry.over();
          }
          moved();
          if (naps.ms > 0) rest();
        }
        lanes--;
        openLanes();
      }

      /** What its lane is to do: nothing, once that has lost its place. */
      function next(): Entry | undefined {
        return held || running >= places ? undefined : (again.shift() ?? fresh.shift());
      }

      function adapt(): void {
        const elapsed = clock.steady() - since;
        if (isBegging()) {
          if (elapsed >= MERCY_MS) step(elapsed);
        } else if (ramp > 0) {
          if (settled < ramp) return;
          begin();
        } else {
          const isLong = elapsed >= WINDOW_MS || (isNew && settled >= FIRST);
          if (isLong && settled >= TURNOVER * limit) step(elapsed);
        }
      }

      function isBegging(): boolean {
        return mercy > MERCY * (mercy + settled);
      }

      function step(elapsed: number): void {
        const [before, was] = [limit, pace.limit];
        const throttled = mercy / Math.max(1, mercy + settled);
        const sample = { tilesPerSecond: (settled * 1000) / elapsed, throttled, saturated: waiting() > 0 };
        const eachMs = (pace.limit * elapsed) / settled;
        /** Stores that only begged have told nothing of their time. */
        const isTold = sample.saturated && settled > 0;
        if (isTold) leastMs = Math.min(leastMs * FADE, eachMs);
        pace = adaptPace(pace, sample, member.most);
        naps = nap === null || !isTold ? NO_NAPS : napsFor(pace.limit, eachMs, leastMs, member.most);
        isNew = false;
        limit = pace.limit + naps.more;
        begin();
        if (pace.limit !== was) ramp = before;
        if (limit !== before) divide();
      }

      return {
        get limit() {
          return Math.max(1, places);
        },
        get hasRoom() {
          return !held && waiting() === 0 && running < Math.min(limit, member.most);
        },
        run(task, over) {
          if (waiting() + running === 0) begin();
          fresh.push({ task, over });
          openLanes();
          if (waiting() === 1) moved();
        },
        throttled() {
          mercy++;
          adapt();
        },
        hold(next) {
          held = next;
          // A store that begs and then answers nothing at all has still begged.
          if (held && isBegging()) step(clock.steady() - since);
          else begin();
          divide();
        },
        close() {
          again.length = 0;
          fresh.length = 0;
          queue.clear();
          members.delete(member);
          divide();
        },
      };
    },
  };
}
