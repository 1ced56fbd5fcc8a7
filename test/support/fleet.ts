import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '../../agent/ground.js';
import { program } from './programs.js';

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of the product's programs to its end. */
export function run(
  path: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd?: string,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program(path), ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    const out = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (data) => {
        out[stream] += data;
      });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...out }));
  });
}

/** A real convoyd with the supervisor, on a ground, as if on a machine of its own. */
export interface TestMachine {
  readonly id: string;
  readonly dir: string;
  readonly endpoint: string;
  /** What convoyd has logged so far. */
  log(): string;
  /** SIGTERM, SIGKILL ... to convoyd alone; resolves with its exit code when it is gone. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  /** Starts convoyd again on the same folders. */
  startAgain(): Promise<void>;
  /** Of convoyd. */
  pid(): number;
  /** convoyctl against this machine. */
  ctl(...args: string[]): Promise<Run>;
}

/** Starts convoyd for machine `name` (one letter) with short lease and grace, and does not wait for it. */
export async function testMachine(
  ground: Ground,
  name: string,
  etcd: string,
  extra: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<TestMachine> {
  const dir = join(ground.dir, name);
  mkdirSync(join(dir, 'root/var/lib'), { recursive: true });
  const id = name.repeat(32);
  const endpoint = `unix://${join(dir, 'run/api.sock')}`;
  let child: ChildProcess | undefined;
  const start = (): void => {
    const folders = { run: join(dir, 'run'), state: join(dir, 'state'), root: join(dir, 'root') };
    const args = [
      ...[program('agent/daemon-main.js'), '--etcd', etcd, '--machine-id', id, '--metadata', `host=${name}`],
      ...['--public-ip', '127.0.0.1', '--ttl', '3s', '--grace', '1s', '--unit-manager', 'supervisor'],
      ...['--run-dir', folders.run, '--state-dir', folders.state, '--unit-root', folders.root],
      ...extra,
    ];
    child = ground.spawn(`convoyd-${name}`, process.execPath, args, { ...process.env, ...env });
  };
  start();
  return {
    id,
    dir,
    endpoint,
    log: () => readFileSync(join(ground.dir, `convoyd-${name}.log`), 'utf8'),
    async end(signal) {
      const gone = new Promise<number | null>((resolve) => child?.once('exit', resolve));
      child?.kill(signal);
      return gone;
    },
    startAgain: async () => start(),
    pid: () => child?.pid ?? 0,
    ctl: (...args) => run('cli/main.js', args, { CONVOY_ENDPOINT: endpoint }, dir),
  };
}

/** Writes a unit file into a machine's folder, where its convoyctl runs. */
export function writeUnit(machine: TestMachine, name: string, text: string): void {
  writeFileSync(join(machine.dir, name), text);
}
