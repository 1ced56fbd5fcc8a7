import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Run } from './fleet.js';
import { freeze } from './freeze.js';
import { ROOT } from './programs.js';
import { until } from './until.js';

/** The bridge's address in every world; host I is .(10 + I). Worlds never meet: each is a network of its own. */
export const WORLD_IP = '10.42.0.1';

/**
 * Mount, network and pid namespaces of their own (test/support/systemd-hosts.sh world). Whatever happens to the
 * process that opened a world, everything in it is killed by the kernel and its folder and cgroups go.
 */
export interface World {
  readonly dir: string;
  /** systemd-hosts.sh with these arguments; rejects unless it exits with 0. */
  script(...args: string[]): Promise<Run>;
  /** Runs a command in the world's namespaces to its end. */
  run(...command: string[]): Promise<Run>;
  /** What whoever starts programs by themselves starts to run a command there. */
  commandLine(...command: string[]): string[];
  /** Starts a program that lives at most as long as the world; its output goes to `<dir>/<name>.log`. */
  spawn(name: string, ...command: string[]): Promise<WorldProcess>;
  close(): Promise<void>;
}

export interface WorldProcess {
  signal(name: NodeJS.Signals): void;
  /** SIGSTOP; resolves when it stands still. */
  freeze(): Promise<void>;
  /** Its exit code, null after a signal. */
  readonly ended: Promise<number | null>;
}

const SCRIPT = join(ROOT, 'test/support/systemd-hosts.sh');

/** `bindReadOnly`: pairs `path:path in every host`. Both binds apply to hosts booted from then on. */
export async function openWorld(bindReadOnly: (dir: string) => readonly string[]): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'convoy-hosts-'));
  const env = {
    PATH: process.env.PATH,
    SDH_DIR: dir,
    // Unique on the machine as the folder is; it is at most six letters, for the names of links.
    SDH_PREFIX: basename(dir).replace('convoy-hosts-', ''),
    SDH_BIND_RO: bindReadOnly(dir).join(' '),
  };
  const keeper = spawn('bash', [SCRIPT, 'world'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    env,
  });
  const gone = new Promise<void>((resolve) => keeper.once('exit', () => resolve()));
  const pid = await firstLine(keeper);
  keeper.unref();
  for (const stream of [keeper.stdin, keeper.stdout]) (stream as unknown as { unref(): void }).unref();
  const enter = ['-t', pid, '-m', '-n', '-p', `--wd=${dir}`, '--'];
  const run = (...command: string[]): Promise<Run> => collect('nsenter', [...enter, ...command], env);

  return {
    dir,
    run,
    commandLine(...command) {
      const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      return ['env', ...settings, 'nsenter', ...enter, ...command];
    },
    async script(...args) {
      const result = await run('bash', SCRIPT, ...args);
      if (result.code !== 0)
        throw new Error(`systemd-hosts.sh ${args.join(' ')}: ${result.stderr}${result.stdout}`);
      return result;
    },
    async spawn(name, ...command) {
      const log = openSync(join(dir, `${name}.log`), 'a');
      const outer = spawn('nsenter', [...enter, ...command], { stdio: ['ignore', log, log], env });
      let over = false;
      const ended = new Promise<number | null>((resolve) =>
        outer.once('exit', (code) => {
          over = true;
          resolve(code);
        }),
      );
      const pid = await until(`${name} has a pid`, () => {
        if (over) throw new Error(`${name} ended at once: ${readFileSync(join(dir, `${name}.log`), 'utf8')}`);
        return childOf(outer.pid);
      });
      return {
        signal(signal) {
          process.kill(pid, signal);
          // nsenter stops along with its child, and would then not see it end.
          if (signal === 'SIGCONT') outer.kill(signal);
        },
        freeze: () => freeze(pid),
        ended,
      };
    },
    async close() {
      keeper.ref();
      keeper.stdin.end();
      await gone;
    },
  };
}

/** nsenter forks: the program is its only child. */
function childOf(pid: number | undefined): number | undefined {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}

/** Runs a command to its end, with its output. */
function collect(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const out = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        out[stream] += text;
      });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...out }));
  });
}

function firstLine(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<string> {
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`systemd-hosts.sh world ended (${code})`)));
  });
}
