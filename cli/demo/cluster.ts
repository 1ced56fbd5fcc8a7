import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '../../agent/ground.js';
import { linkPrograms } from '../../agent/programs.js';
import { ownFile } from '../../runtime/own-file.js';

/** One convoyd of the demo, as if on a machine of its own: its own folders, id and metadata. */
export interface DemoMachine {
  readonly name: string;
  readonly id: string;
  readonly dir: string;
  /** Where convoyctl reaches it: `unix:///...`. */
  readonly endpoint: string;
}

/** Starts convoyd for machine `name` (a, b, c ...) with metadata `az=<name>` and the supervisor. */
export async function startMachine(ground: Ground, name: string, etcd: string): Promise<DemoMachine> {
  const dir = join(ground.dir, name);
  mkdirSync(join(dir, 'root/etc/convoy'), { recursive: true });
  const id = name.repeat(8) + '0'.repeat(24);
  ground.spawn(
    `convoyd-${name}`,
    process.execPath,
    [
      ...[ownFile('agent/daemon-main.js'), '--etcd', etcd],
      ...['--machine-id', id, '--metadata', `az=${name}`, '--public-ip', '127.0.0.1'],
      ...['--unit-manager', 'supervisor'],
      ...['--run-dir', join(dir, 'run'), '--state-dir', join(dir, 'state'), '--unit-root', join(dir, 'root')],
    ],
    { ...process.env, PATH: `${linkPrograms(ground.dir)}:${process.env.PATH}` },
  );
  return { name, id, dir, endpoint: `unix://${join(dir, 'run/api.sock')}` };
}

/** Writes an environment file that the machine's units read (`EnvironmentFile=-%E/convoy/...`). */
export function writeSettings(machine: DemoMachine, file: string, settings: Record<string, string>): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(machine.dir, 'root/etc/convoy', file), lines.join(''));
}

/**
 * The power cut: SIGKILL to convoyd, its supervisor and its units, all found by the machine's own folder in their
 * command line or environment.
 */
export function cutPower(machine: DemoMachine): void {
  const mark = `${machine.dir}/`;
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    if (Number(pid) === process.pid) continue;
    if (`${read(`/proc/${pid}/cmdline`)}\0${read(`/proc/${pid}/environ`)}`.includes(mark)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended between the look and the kill.
      }
    }
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
