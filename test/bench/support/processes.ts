import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, the unit of times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly cpuSeconds: number;
}

/** CPU time used so far, in seconds, by who used it. Processes that have ended are with their parents, once reaped. */
export interface CpuUse {
  /** By name of the daemon; of all hosts together. */
  readonly byName: ReadonlyMap<string, number>;
  /** All of the machine, whoever used it. */
  readonly machine: number;
}

/** What the descendants of `roots` (each with itself) have used, by process name, and the machine as a whole. */
export function cpuUse(roots: readonly number[]): CpuUse {
  const processes = readProcesses();
  const children = new Map<number, Process[]>();
  for (const process of processes) {
    const siblings = children.get(process.parent) ?? [];
    children.set(process.parent, [...siblings, process]);
  }
  const byName = new Map<string, number>();
  const queue = processes.filter(({ pid }) => roots.includes(pid));
  const counted = new Set<number>();
  for (let process = queue.pop(); process !== undefined; process = queue.pop()) {
    // One root may descend from another.
    if (counted.has(process.pid)) continue;
    counted.add(process.pid);
    byName.set(process.name, (byName.get(process.name) ?? 0) + process.cpuSeconds);
    queue.push(...(children.get(process.pid) ?? []));
  }
  return { byName, machine: machineCpuSeconds() };
}

/** In seconds, of whatever name. */
export function secondsInAll({ byName }: CpuUse): number {
  return [...byName.values()].reduce((sum, seconds) => sum + seconds, 0);
}

/** What was used between two looks, in seconds, by process name. */
export function cpuBetween(before: CpuUse, after: CpuUse): Map<string, number> {
  const byName = new Map<string, number>();
  for (const [name, seconds] of after.byName) byName.set(name, seconds - (before.byName.get(name) ?? 0));
  return byName;
}

const LOOK_MS = 1_000;

/**
 * Counts, in seconds, the CPU time of what does not descend from us, until the count is asked for. Looks each second, as a process that
 * is killed together with its parent, which would have reaped it, takes its time along: servers and whole hosts end so.
 */
export function watchForeign(): () => number {
  let foreign = 0;
  let last = cpuUse([process.pid]);
  const look = (): void => {
    const now = cpuUse([process.pid]);
    // In all: with its end, what a process has used goes over to the name of its parent.
    const ours = secondsInAll(now) - secondsInAll(last);
    foreign += now.machine - last.machine - Math.max(0, ours);
    last = now;
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return () => {
    clearInterval(timer);
    look();
    return Math.max(0, foreign);
  };
}

function readProcesses(): Process[] {
  return readdirSync('/proc').flatMap((entry): Process[] => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const [, name = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(stat) ?? [];
      const fields = rest.split(' ');
      // proc(5): state, ppid, ..., utime (14th of all), stime, cutime, cstime.
      const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
      return [{ pid: Number(entry), parent: Number(fields[1]), name, cpuSeconds: ticks / TICKS_PER_SECOND }];
    } catch {
      return [];
    }
  });
}

/** All but idle and waiting for disks, since boot. */
function machineCpuSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = machineTicks();
  return (user + nice + system + irq + softIrq) / TICKS_PER_SECOND;
}

/** What the machine below has given to other guests while this one wanted it, since boot; 0 where there is none. */
export function stolenSeconds(): number {
  const [, , , , , , , steal = 0] = machineTicks();
  return steal / TICKS_PER_SECOND;
}

/** proc(5), of all processors: user, nice, system, idle, iowait, irq, softirq, steal. */
function machineTicks(): number[] {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  return line.trim().split(/\s+/).slice(1).map(Number);
}

/** Processes on whose command line this text stands. */
export function pidsNaming(text: string): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
    try {
      return readFileSync(`/proc/${entry}/cmdline`, 'latin1').includes(text) ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}
