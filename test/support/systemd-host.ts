import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openSystemdManager } from '../../agent/systemd/systemd-manager.js';
import type { UnitManager, UnitToLoad } from '../../agent/unit-manager.js';
import type { Clock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { parse } from '../../units/parse.js';
import { hashOf } from '../../units/unit-file.js';
import type { Run } from './fleet.js';
import { ROOT } from './programs.js';
import { openWorld, type World } from './world.js';

/** One host with a real systemd, managed from this process: its bus, and a folder that is at the same path in it. */
export interface SystemdHost {
  readonly world: World;
  /** Of its bus, from this process. */
  readonly address: string;
  /** A run directory of its own, as of a machine that was just booted. */
  runDir(): string;
  manager(runDir: string, clock: Clock): Promise<UnitManager>;
  /** Runs a command inside. */
  exec(...command: string[]): Promise<Run>;
  /** Empties the journal: what units of the same name wrote before is not of the next test. */
  forgetLogs(): Promise<void>;
  /** The same, for its standard output; rejects unless it exits with 0. */
  ask(...command: string[]): Promise<string>;
  close(): Promise<void>;
}

export async function openSystemdHost(): Promise<SystemdHost> {
  const world = await openWorld((dir) => {
    mkdirSync(join(dir, 'managed'));
    return [join(dir, 'managed')];
  });
  try {
    await world.script('up', '1');
    const socket = join(world.dir, 'h1/bus/system_bus_socket');
    const address = `unix:path=${socket}`;
    const pid = pidOfSystemd(socket);
    const exec: SystemdHost['exec'] = (...command) =>
      world.run('bash', join(ROOT, 'test/support/systemd-hosts.sh'), 'exec', '1', ...command);
    const ask: SystemdHost['ask'] = async (...command) => {
      const { code, stdout, stderr } = await exec(...command);
      if (code !== 0) throw new Error(`${command.join(' ')} exits with ${code}: ${stderr}${stdout}`);
      return stdout;
    };
    return {
      world,
      address,
      runDir: () => mkdtempSync(join(world.dir, 'managed/run-')),
      manager: (runDir, clock) =>
        openSystemdManager({
          runDir,
          clock,
          log: silentLog,
          address,
          // Not without its pid namespace: journalctl would not hear of new lines.
          journalctl: ['nsenter', '-t', pid, '-m', '-p', '--', 'journalctl'],
        }),
      exec,
      ask,
      async forgetLogs() {
        await ask('journalctl', '--rotate', '--vacuum-size=1');
      },
      close: () => world.close(),
    };
  } catch (error) {
    await world.close();
    throw error;
  }
}

/** As this process sees it: PID 1 of the host whose bus this is. */
function pidOfSystemd(socket: string): string {
  const { ino } = statSync(socket);
  const pid = readdirSync('/proc').find((entry) => {
    try {
      return (
        readFileSync(`/proc/${entry}/comm`, 'utf8') === 'systemd\n' &&
        statSync(`/proc/${entry}/root/run/dbus/system_bus_socket`).ino === ino
      );
    } catch {
      return false;
    }
  });
  if (pid === undefined) throw new Error(`no systemd has its bus at ${socket}`);
  return pid;
}

export function unitFrom(name: string, text: string): UnitToLoad {
  return { name, hash: hashOf(parse(text).unit), text, leaseBound: false };
}
