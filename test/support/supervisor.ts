import { readdirSync, readFileSync } from 'node:fs';
import type { Ground } from '../../agent/ground.js';
import { GROUND_MARK } from '../../agent/ground.js';
import { openSupervisorManager } from '../../agent/supervisor-manager.js';
import type { UnitManager } from '../../agent/unit-manager.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { program } from './programs.js';
import { until } from './until.js';

/** A unit manager with a real supervisor. It, and all that its units start, carries the ground's mark and ends with the ground. */
export function openSupervisor(ground: Ground, runDir: string, clock = systemClock()): Promise<UnitManager> {
  process.env[GROUND_MARK] = ground.mark[GROUND_MARK];
  return openMarkedSupervisor(runDir, clock);
}

/** The same in a process that has the mark already. */
export function openMarkedSupervisor(runDir: string, clock = systemClock()): Promise<UnitManager> {
  const options = { runDir, unitRoot: `${runDir}/root`, clock, log: silentLog };
  return openSupervisorManager({ program: program('agent/supervisor-main.js'), ...options });
}

/** The pid of the supervisor of a folder, which must be running. */
export function supervisorPid(runDir: string): number {
  const pid = findSupervisor(runDir);
  if (pid === undefined) throw new Error(`no supervisor runs in ${runDir}`);
  return pid;
}

/** What stands in the environment of the supervisor of a folder, which may still be starting. */
export async function supervisorEnvironment(runDir: string): Promise<string> {
  const pid = await until('the supervisor starts', () => findSupervisor(runDir));
  return readFileSync(`/proc/${pid}/environ`, 'utf8');
}

function findSupervisor(runDir: string): number | undefined {
  return processes().find(
    ({ args }) => args.includes('supervisor-main') && args.includes(`--run-dir ${runDir} `),
  )?.pid;
}

/** SIGKILL, and waits until it is dead; its pid is never used again by then. */
export async function killHard(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await until(`process ${pid} is dead`, () => !alive(pid));
}

/** Zombies count as dead. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

function processes(): { pid: number; args: string }[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && alive(Number(entry)))
    .map((entry) => ({ pid: Number(entry), args: argsOf(entry) }));
}

function argsOf(pid: string): string {
  try {
    return `${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
  } catch {
    return '';
  }
}
