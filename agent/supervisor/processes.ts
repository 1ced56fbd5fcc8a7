import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../runtime/clock.js';

/**
 * A process for good: its id is used again one day, its id together with its start time (ticks since boot) is
 * not, before the next boot.
 */
export interface Identity {
  readonly pid: number;
  readonly startTime: string;
}

interface Stat extends Identity {
  readonly parent: number;
  readonly session: number;
  readonly dead: boolean;
}

/** A zombie counts as dead: in a container nobody may ever reap it. */
function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return {
      pid,
      startTime: fields[19] ?? '',
      parent: Number(fields[1]),
      session: Number(fields[3]),
      dead: fields[0] === 'Z' || fields[0] === 'X',
    };
  } catch {
    return null;
  }
}

/** The identity of a process that lives, or has ended and is not reaped yet: a child just spawned always has one. */
export function identify(pid: number): Identity | null {
  const stat = readStat(pid);
  return stat === null ? null : { pid, startTime: stat.startTime };
}

export function isAlive({ pid, startTime }: Identity): boolean {
  const stat = readStat(pid);
  return stat !== null && !stat.dead && stat.startTime === startTime;
}

function invocationOf(pid: number): string | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return entries.find((entry) => entry.startsWith('INVOCATION_ID='))?.slice('INVOCATION_ID='.length);
  } catch {
    return undefined;
  }
}

function readAllStats(): Stat[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => readStat(Number(entry)) ?? []);
}

/** Those of the leaders whose sessions are not empty. */
export function withSession(leaders: readonly Identity[]): Identity[] {
  const sessions = new Set(readAllStats().flatMap(({ session, dead }) => (dead ? [] : [session])));
  return leaders.filter(({ pid }) => sessions.has(pid));
}

/** A process of a run: its parent, and whether it leads its session. */
export interface Member extends Identity {
  readonly parent: number;
  readonly leads: boolean;
}

/**
 * The living processes of one run of a unit: those that carry its INVOCATION_ID, and those in a session one of its
 * commands leads (a program may overwrite its environment, as Redis does with its title).
 */
export function membersOf(invocation: string, leaders: readonly Identity[]): Member[] {
  const all = readAllStats();
  const startOf = new Map(all.map(({ pid, startTime }) => [pid, startTime]));
  // A session's number stays taken while it has members; if its leader is somebody else, it is another session.
  const sessions = new Set(
    leaders
      .filter(({ pid, startTime }) => (startOf.get(pid) ?? startTime) === startTime)
      .map(({ pid }) => pid),
  );
  return all
    .filter(({ pid, session, dead }) => {
      if (dead || pid === process.pid) return false;
      const mark = invocationOf(pid);
      return mark === invocation || (sessions.has(session) && !foreignMark(mark));
    })
    .map(({ pid, startTime, parent, session }) => ({ pid, startTime, parent, leads: session === pid }));

  function foreignMark(mark: string | undefined): boolean {
    return mark !== undefined && mark !== invocation;
  }
}

/** Sends a signal; a process that is gone is fine. */
export function signalProcess(identity: Identity, signal: number): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // Gone between the look and the signal.
  }
}

const FIRST_POLL_MS = 10;
const POLL_MS = 100;

/** Resolves when none of the processes lives. For those that are no children of this process, nothing announces it. */
export async function untilGone(
  processes: readonly Identity[],
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  for (let wait = FIRST_POLL_MS; processes.some(isAlive); wait = Math.min(POLL_MS, wait * 2))
    await clock.sleep(wait, signal);
}

/**
 * Who leads the session of a process. A leader that is gone still gives the session its number, which is not used
 * again before the session is empty.
 */
export function sessionLeaderOf({ pid, startTime }: Identity): Identity {
  const session = readStat(pid)?.session ?? pid;
  return identify(session) ?? { pid: session, startTime };
}

/** Time since boot, suspension included (ms, in steps of 10): the same clock for every process of the machine. */
export function uptime(): number {
  return Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
}

/** This boot's id; ids and start times of another boot mean nothing. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}
