import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { permanent } from '../../runtime/errors.js';
import type { Ended, StartWindow } from '../restart.js';
import type { ManagedUnit } from '../unit-manager.js';
import type { Identity } from './processes.js';

const FORMAT = 1;

/** All a successor needs to know of a unit. `sub` says how far its life has come. */
export interface UnitEntry extends ManagedUnit {
  readonly text: string;
  readonly leaseBound: boolean;
  /** The present or last run's INVOCATION_ID; '' before the first. */
  readonly invocation: string;
  readonly main: Identity | null;
  /** The commands of this run so far, each the leader of a session. */
  readonly leaders: readonly Identity[];
  /** A stop is under way: no restart follows. */
  readonly stopping: boolean;
  /** How the present run ended, once it has. */
  readonly ended: Ended | null;
  /** Wall time (ms) of the restart that Restart= asks for. */
  readonly restartAt: number | null;
  /** The unit with which it was stopped, or for which it could not start; it comes back along with that one. */
  readonly stoppedWith: string | null;
  /** What StartLimitBurst= counts; times since boot. */
  readonly startWindow: StartWindow | null;
  /** Where the log of the present run begins, in bytes. */
  readonly logFrom: number;
}

/** What entries of older supervisors lack. */
const ADDED = { leaseBound: false, startWindow: null, logFrom: 0 } as const satisfies Partial<UnitEntry>;

/**
 * The supervisor's memory: one file per unit, replaced atomically, in a folder that need not survive a reboot.
 * Writes are synchronous, so that what is journalled is never behind what was done.
 */
export class Journal {
  constructor(
    private readonly dir: string,
    private readonly boot: string,
  ) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Entries of this boot, each with its file's problem instead where it cannot be read. */
  readAll(): { entries: UnitEntry[]; damaged: string[] } {
    const entries: UnitEntry[] = [];
    const damaged: string[] = [];
    for (const file of readdirSync(this.dir).filter((name) => name.endsWith('.json'))) {
      const path = join(this.dir, file);
      let stored: { format: number; boot: string; entry: UnitEntry };
      try {
        stored = JSON.parse(readFileSync(path, 'utf8'));
      } catch {
        damaged.push(path);
        continue;
      }
      if (stored.format > FORMAT)
        throw permanent(
          `${path} was written by a newer supervisor (format ${stored.format}): start that one`,
        );
      const entry = { ...ADDED, ...stored.entry };
      entries.push(stored.boot === this.boot ? entry : afterReboot(entry));
    }
    return { entries, damaged };
  }

  write(entry: UnitEntry): void {
    const path = this.pathOf(entry.name);
    writeFileSync(`${path}.new`, JSON.stringify({ format: FORMAT, boot: this.boot, entry }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  remove(name: string): void {
    rmSync(this.pathOf(name), { force: true });
  }

  private pathOf(name: string): string {
    return join(this.dir, `${name}.json`);
  }
}

/** What an entry says of a unit of which nothing runs and nothing was asked. */
export const AT_REST = {
  launched: false,
  active: 'inactive',
  sub: 'dead',
  reason: '',
  main: null,
  leaders: [],
  stopping: false,
  ended: null,
  restartAt: null,
  stoppedWith: null,
  startWindow: null,
  logFrom: 0,
} as const satisfies Partial<UnitEntry>;

/** A reboot ended every process; the agent decides anew what runs. */
function afterReboot(entry: UnitEntry): UnitEntry {
  return { ...entry, ...AT_REST };
}
