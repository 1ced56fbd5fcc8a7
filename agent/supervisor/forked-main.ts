import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { type Identity, identify, isAlive, type Member } from './processes.js';

/** Where the main process of a Type=forking unit is to be found. */
export interface Forked {
  readonly pidFile: string | null;
  readonly guessMainPid: boolean;
  /** The processes of the run; the one that forked has ended. */
  readonly members: () => readonly Member[];
  readonly clock: Clock;
}

const POLL_MS = 50;
const GROUP_POLL_MS = 500;

/**
 * The main process: the one the PID file names, as soon as it does; without a PID file the one that none of the
 * others started, if there is but one. `null`: it cannot be known. Rejects with `aborted` once the signal fires.
 */
export async function findForkedMain(forked: Forked, signal: AbortSignal): Promise<Identity | null> {
  const { pidFile, members, clock } = forked;
  if (pidFile === null) return forked.guessMainPid ? guess(members()) : null;
  for (;;) {
    const named = readPidFile(pidFile, members());
    if (typeof named !== 'string') return named;
    await clock.sleep(POLL_MS, signal);
  }
}

/** Why the PID file does not name the main process (yet). */
export function pidFileProblem({ pidFile, members }: Forked): string {
  const named = pidFile === null ? '' : readPidFile(pidFile, members());
  return typeof named === 'string' ? named : '';
}

/** Resolves when nothing of the run is left: for units whose main process is not known. */
export async function untilAllGone(members: Forked['members'], clock: Clock): Promise<void> {
  while (members().length > 0) await clock.sleep(GROUP_POLL_MS);
}

function readPidFile(path: string, members: readonly Member[]): Identity | string {
  let text: string;
  let owner: number;
  try {
    text = readFileSync(path, 'utf8').trim();
    owner = statSync(path).uid;
  } catch (error) {
    return `PIDFile= cannot be read: ${messageOf(error)}`;
  }
  const pid = /^[1-9]\d*$/.test(text) ? Number(text) : null;
  const named = pid === null ? null : identify(pid);
  if (named === null || !isAlive(named)) return `PIDFile=${path} names no living process`;
  // Whoever may write the file could otherwise have us end any process of the machine.
  const isOurs = members.some((member) => member.pid === pid);
  if (!isOurs && owner !== 0) return `PIDFile=${path} names process ${pid}, which is not of this unit`;
  return named;
}

function guess(members: readonly Member[]): Identity | null {
  const pids = new Set(members.map(({ pid }) => pid));
  const [first, ...others] = members.filter(({ parent }) => !pids.has(parent));
  return first === undefined || others.length > 0 ? null : { pid: first.pid, startTime: first.startTime };
}
