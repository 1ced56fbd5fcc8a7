import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startProxy, type Proxy as TcpProxy } from './proxy.js';
import { getOver } from './unix-get.js';
import { until } from './until.js';
import { WORLD_IP, type World, type WorldProcess } from './world.js';

/** One etcd member in a world, with the faults tests need. */
export interface WorldEtcd {
  /** For the hosts. */
  readonly url: string;
  /** For this process, by way of a unix socket; cut it (`outside.cut()`) and only this process is cut off. */
  readonly outside: TcpProxy;
  /** The same without a proxy: its own unix socket. */
  readonly socket: string;
  /** SIGSTOP; resolves when it stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /** SIGKILL, resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again with what data there is; resolves when it is healthy (a member: with its quorum). */
  restart(): Promise<void>;
  /** Kills it and starts it again with nothing. */
  wipe(): Promise<void>;
  /** Ends it, keeps a copy of its data and starts it again. */
  snapshot(): Promise<void>;
  /** Kills it and starts it again with the data of the last `snapshot`. */
  restore(): Promise<void>;
  /** A number of its /metrics. */
  metric(name: string): Promise<number>;
}

export interface WorldEtcdOptions {
  /** Members of one cluster, on ports 2379, 2479 ... (default 1). */
  readonly members?: number;
  /** Another cluster's name and first port. */
  readonly name?: string;
  readonly port?: number;
  readonly scheme?: 'http' | 'https';
  readonly flags?: readonly string[];
}

/** Starts one cluster and resolves when each member is healthy. */
export async function startWorldEtcd(world: World, options: WorldEtcdOptions = {}): Promise<WorldEtcd[]> {
  const { members = 1, name = 'etcd', port = 2379 } = options;
  const cluster = Array.from({ length: members }, (_, index) => ({
    name: `${name}${index + 1}`,
    port: port + 100 * index,
  }));
  const peers = cluster.map((member) => `${member.name}=${peerUrl(member.port)}`).join(',');
  return Promise.all(cluster.map((member) => startMember(world, member.name, member.port, peers, options)));
}

const peerUrl = (port: number): string => `http://${WORLD_IP}:${port + 1}`;

async function startMember(
  world: World,
  name: string,
  port: number,
  peers: string,
  { scheme = 'http', flags = [] }: WorldEtcdOptions,
): Promise<WorldEtcd> {
  const data = join(world.dir, name);
  const copy = `${data}.snapshot`;
  const url = `${scheme}://${WORLD_IP}:${port}`;
  // etcd wants host:port in a unix address too, and makes it a file name in its working directory: the world's.
  const socket = join(world.dir, `${name}:0`);
  let current: WorldProcess;

  const start = async (): Promise<void> => {
    rmSync(socket, { force: true });
    current = await world.spawn(
      name,
      ...['etcd', '--name', name, '--data-dir', data, '--log-level', 'warn', '--unsafe-no-fsync'],
      ...['--listen-client-urls', `${url},unix://${name}:0`, '--advertise-client-urls', url],
      ...['--listen-peer-urls', peerUrl(port), '--initial-advertise-peer-urls', peerUrl(port)],
      ...['--initial-cluster', peers],
      ...flags,
    );
    await until(`${name} is healthy`, () => healthy(socket), 30_000);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    current.signal(signal);
    await current.ended;
  };
  await start();
  return {
    url,
    outside: await startProxy(socket),
    socket,
    freeze: () => current.freeze(),
    thaw: () => current.signal('SIGCONT'),
    kill: () => end('SIGKILL'),
    restart: start,
    async wipe() {
      await end('SIGKILL');
      rmSync(data, { recursive: true });
      await start();
    },
    async snapshot() {
      await end('SIGTERM');
      rmSync(copy, { recursive: true, force: true });
      copyAll(data, copy);
      await start();
    },
    async restore() {
      await end('SIGKILL');
      rmSync(data, { recursive: true });
      copyAll(copy, data);
      await start();
    },
    async metric(metric) {
      const line = (await getOver(socket, '/metrics'))
        .split('\n')
        .find((each) => each.startsWith(`${metric} `));
      if (line === undefined) throw new Error(`etcd has no metric ${metric}`);
      return Number(line.split(' ')[1]);
    },
  };
}

/** With owners and modes: etcd refuses a data folder that others may read. */
function copyAll(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to]);
}

async function healthy(socket: string): Promise<boolean> {
  const answer = await getOver(socket, '/health').catch(() => '{}');
  return (JSON.parse(answer) as { health?: string }).health === 'true';
}
