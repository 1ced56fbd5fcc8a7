import { join } from 'node:path';
import { freePort, type Ground } from '../../agent/ground.js';
import { freeze } from './freeze.js';
import type { TestServer } from './services.js';
import { until } from './until.js';

export interface EtcdClusterOptions {
  /** Data folders and logs are called this, with a number. */
  readonly name?: string;
  readonly members?: number;
  readonly scheme?: 'http' | 'https';
  readonly flags?: readonly string[];
}

export interface EtcdMember extends TestServer {
  /** Whether this member is the raft leader, as it believes itself. */
  isLeader(): Promise<boolean>;
  /** Whether a quorum has just answered through this member. */
  isHealthy(): Promise<boolean>;
}

/** Members of one etcd on free ports of 127.0.0.1. Resolves when all are healthy; `restart` when it runs again. */
export async function startEtcdCluster(
  ground: Ground,
  options: EtcdClusterOptions = {},
): Promise<EtcdMember[]> {
  const { name = 'etcd', members = 3, scheme = 'http', flags = [] } = options;
  const places: Place[] = [];
  for (let i = 1; i <= members; i += 1) {
    const [port, peer, metrics] = [await freePort(), await freePort(), await freePort()];
    places.push({ name: `${name}-${i}`, url: `${scheme}://127.0.0.1:${port}`, port, peer, metrics });
  }
  const peers = places.map((place) => `${place.name}=http://127.0.0.1:${place.peer}`).join(',');
  return Promise.all(
    places.map((place) => startMember(ground, place, [...flags, '--initial-cluster', peers])),
  );
}

interface Place {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly peer: number;
  /** Answers over plain HTTP, whatever the clients need. */
  readonly metrics: number;
}

async function startMember(ground: Ground, place: Place, flags: readonly string[]): Promise<EtcdMember> {
  const { name, url, port } = place;
  const [peer, metrics] = [`http://127.0.0.1:${place.peer}`, `http://127.0.0.1:${place.metrics}`];
  const spawn = () =>
    ground.spawn(name, 'etcd', [
      ...['--name', name, '--data-dir', join(ground.dir, name), '--log-level', 'warn', '--unsafe-no-fsync'],
      ...['--listen-client-urls', url, '--advertise-client-urls', url, '--listen-metrics-urls', metrics],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...flags,
    ]);
  const ask = async (path: string): Promise<string> => {
    const answer = await fetch(metrics + path, { signal: AbortSignal.timeout(1000) });
    return answer.text();
  };
  const isLeader = async (): Promise<boolean> => /^etcd_server_is_leader 1$/m.test(await ask('/metrics'));
  const isHealthy = (): Promise<boolean> =>
    ask('/health').then(
      (answer) => /"true"/.test(answer),
      () => false,
    );

  let child = spawn();
  await until(`${name} is healthy`, isHealthy, 30_000);
  return {
    url,
    port,
    isLeader,
    isHealthy,
    get pid() {
      return child.pid ?? 0;
    },
    freeze: () => freeze(child.pid ?? 0),
    thaw: () => void child.kill('SIGCONT'),
    async kill() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
    async restart() {
      child = spawn();
      await until(`${name} runs`, () => ask('/metrics').catch(() => false), 30_000);
    },
  };
}
