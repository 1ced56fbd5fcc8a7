import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { permanent, transient } from '../runtime/errors.js';
import { identify } from './supervisor/processes.js';

/**
 * Private etcd and Redis under a temporary folder: what `convoyd --dev`, the demo and the tests stand on.
 *
 * Whatever happens to the process that opened a ground (Ctrl-C, SIGKILL), everything started on it ends and its
 * folder goes: a shell of its own session waits for the end of a pipe that only the opener holds. Units carry the
 * ground's mark too, through their supervisor.
 */
export interface Ground {
  readonly dir: string;
  /** What a program started on this ground must have in its environment. */
  readonly mark: Readonly<Record<string, string>>;
  /** Starts a program on the ground; its output goes to `<dir>/<name>.log`. */
  spawn(name: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Ends everything on the ground and removes the folder. */
  close(): Promise<void>;
}

export const GROUND_MARK = 'CONVOY_GROUND';

/**
 * Reads `PID=START` of what was started, until the pipe ends. Then kills, by pid and until nothing is left: those and what
 * carries the mark in its environment, with all their children and everything in their sessions (a server that sets
 * a process title has written over its environment). Removes the folder last. A pid that is used again, by a process with
 * another start time, is a stranger's: where pids end at 32768, that is a matter of minutes.
 */
const REAPER = `
started=$(cat | tr '\\n' ' ')
while :; do
  marked=
  for proc in /proc/[0-9]*; do
    if grep -zqsxF "${GROUND_MARK}=$1" "$proc/environ"; then marked="$marked \${proc#/proc/}"; fi
  done
  victims=$(cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\\([0-9]*\\) (.*) /\\1 /' | awk -v seeds="$started$marked" -v self=$$ '
    { state[$1] = $2; parent[$1] = $3; session[$1] = $5; start[$1] = $21 }
    END {
      count = split(seeds, seed)
      for (i = 1; i <= count; i++) {
        split(seed[i], was, "=")
        if (!(was[1] in start) || was[2] == "" || was[2] == start[was[1]]) chosen[was[1]] = 1
      }
      do {
        grown = 0
        for (pid in state)
          if (!(pid in chosen) && (parent[pid] in chosen || session[pid] in chosen)) { chosen[pid] = 1; grown = 1 }
      } while (grown)
      for (pid in chosen) if (pid in state && state[pid] != "Z" && pid != self) print pid
    }')
  [ -n "$victims" ] || break
  kill -9 $victims 2>/dev/null
  sleep 0.05
done
rm -rf "$1"
`;

export function openGround(prefix: string): Ground {
  const dir = mkdtempSync(join(tmpdir(), `${prefix}-`));
  const env = { ...process.env };
  delete env[GROUND_MARK];
  const reaper = spawn('/bin/sh', ['-c', REAPER, 'convoy-reaper', dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env,
  });
  const reaped = new Promise<void>((resolve) => reaper.once('exit', () => resolve()));
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
  const mark = { [GROUND_MARK]: dir };

  return {
    dir,
    mark,
    spawn(name, command, args, extra = process.env) {
      const log = openSync(join(dir, `${name}.log`), 'a');
      const child = spawn(command, args, {
        stdio: ['ignore', log, log],
        detached: true,
        env: { ...extra, ...mark },
      });
      const identity = child.pid === undefined ? null : identify(child.pid);
      if (identity !== null) reaper.stdin.write(`${identity.pid}=${identity.startTime}\n`);
      return child;
    },
    async close() {
      reaper.ref();
      reaper.stdin.end();
      await reaped;
    },
  };
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

export interface PrivateService {
  readonly child: ChildProcess;
  /** `http://127.0.0.1:PORT` for etcd, `redis://127.0.0.1:PORT` for Redis. */
  readonly url: string;
  readonly port: number;
}

export interface EtcdOptions {
  /** Name of data folder and log; the same name finds the same data again. */
  readonly name?: string;
  readonly port?: number;
  readonly flags?: readonly string[];
}

/** Starts a one-member etcd and resolves when it answers that it is healthy. */
export function startEtcd(ground: Ground, options: EtcdOptions = {}): Promise<PrivateService> {
  const name = options.name ?? 'etcd';
  return onFreePort(ground, name, options.port, async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    const child = ground.spawn(name, 'etcd', [
      ...['--name', name, '--data-dir', join(ground.dir, name), '--log-level', 'warn'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `${name}=${peer}`, '--unsafe-no-fsync'],
      ...(options.flags ?? []),
    ]);
    await untilReady(`etcd on port ${port}`, child, async () => {
      const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) });
      return ((await answer.json()) as { health: string }).health === 'true';
    });
    return { child, url, port };
  });
}

export interface RedisOptions {
  readonly name?: string;
  readonly port?: number;
  readonly flags?: readonly string[];
}

/** Starts a Redis with an append-only file and resolves when it accepts connections. */
export function startRedis(ground: Ground, options: RedisOptions = {}): Promise<PrivateService> {
  const name = options.name ?? 'redis';
  const dir = join(ground.dir, name);
  mkdirSync(dir, { recursive: true });
  return onFreePort(ground, name, options.port, async (port) => {
    const child = ground.spawn(name, 'redis-server', [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''],
      // A process title is written over the environment, and with it over the ground's mark.
      ...['--set-proc-title', 'no'],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'],
      ...(options.flags ?? []),
    ]);
    await untilReady(`redis-server on port ${port}`, child, () => ping(port));
    return { child, url: `redis://127.0.0.1:${port}`, port };
  });
}

/**
 * Starts on the given port, or on a free one; on another where somebody took that before the server did. A process
 * that listens on any port may: it happened to one etcd in some thousand.
 */
async function onFreePort(
  ground: Ground,
  name: string,
  given: number | undefined,
  start: (port: number) => Promise<PrivateService>,
): Promise<PrivateService> {
  if (given !== undefined) return start(given);
  for (let left = 3; ; left -= 1) {
    const port = await freePort();
    try {
      return await start(port);
    } catch (error) {
      const log = readFileSync(join(ground.dir, `${name}.log`), 'utf8');
      if (left === 0 || !/address already in use/i.test(log)) throw error;
    }
  }
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => end(false));
    // A Redis with a password answers with an error: it is there all the same.
    socket.once('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.once('error', () => end(false));
  });
}

/** Polls, because neither server tells its parent when it is ready. */
async function untilReady(what: string, child: ChildProcess, probe: () => Promise<boolean>): Promise<void> {
  let ended: string | undefined;
  child.once('exit', (code, signal) => {
    ended = String(signal ?? code);
  });
  child.once('error', (error) => {
    ended = error.message;
  });
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    if (ended !== undefined) throw permanent(`${what} ended while starting (${ended})`);
    if (await probe().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw transient(`${what} was not ready within 30 s`);
}
