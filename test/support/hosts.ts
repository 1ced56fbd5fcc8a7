import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Run, run } from './fleet.js';
import { ROOT } from './programs.js';
import { startProxy, type Proxy as TcpProxy } from './proxy.js';
import { until } from './until.js';
import { openWorld, WORLD_IP, type World } from './world.js';
import { startWorldEtcd, type WorldEtcd, type WorldEtcdOptions } from './world-etcd.js';

/**
 * Machines with a real systemd each, and an etcd they reach: the stage of every test of the fleet on systemd.
 * Host I is `host<I>`, at 10.42.0.(10 + I). convoyd is installed on each as users install it (package/install), from
 * a copy of the built files taken when the hosts are opened.
 */
export interface Host {
  readonly name: string;
  readonly ip: string;
  readonly machineId: string;
  /** Of its convoyd, from this process: unix:///... */
  readonly endpoint: string;
  /** Runs a command inside. */
  exec(...command: string[]): Promise<Run>;
  /** What is started outside to run a command inside, such as on a terminal. */
  commandLine(...command: string[]): string[];
  /** The same, for its standard output; rejects unless it exits with 0. */
  ask(...command: string[]): Promise<string>;
  /** convoyctl against this host's convoyd, run outside, in `Hosts.units`. */
  convoyctl(...args: string[]): Promise<Run>;
  /** Power off in an instant / orderly / on again with the disk it had. `boot` resolves when systemd is up. */
  cutPower(): Promise<void>;
  stop(): Promise<void>;
  boot(): Promise<void>;
  /** Its network link, both ways, silently. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  /** SIGSTOP / SIGCONT / SIGKILL to convoyd alone; systemd starts a killed one again. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  killConvoyd(): Promise<void>;
  /** The pid of convoyd inside the host; 0: it does not run. */
  convoydPid(): Promise<number>;
  /** Lays settings over those in /etc/convoy/convoyd.env (null takes one out) and restarts convoyd. */
  configure(settings: Readonly<Record<string, string | null>>): Promise<void>;
  /** What convoyd has logged since the host was opened. */
  log(): Promise<string>;
}

export interface Hosts {
  readonly world: World;
  readonly all: readonly Host[];
  /** Host 1 is `host(1)`. */
  host(index: number): Host;
  /** The first member. */
  readonly etcd: WorldEtcd;
  readonly members: readonly WorldEtcd[];
  /** A folder that all hosts see as /shared. */
  readonly shared: string;
  /** The folder in which convoyctl runs and finds unit files. */
  readonly units: string;
  unit(name: string, text: string): void;
  /** Drops this share of all packets between hosts, and between hosts and etcd; 0 ends it. */
  lossy(percent: number): Promise<void>;
  /** A way to the first etcd member with a proxy's faults, for `configure({ CONVOY_ETCD: url })`. */
  slowEtcd(): Promise<{ readonly url: string; readonly proxy: TcpProxy }>;
  /** Lets hosts reach this port of 127.0.0.1, a server of this machine, as the same port of `WORLD_IP`. */
  reach(port: number): Promise<TcpProxy>;
  /** Another cluster in the same network, such as a wrong one. */
  startEtcd(options: WorldEtcdOptions): Promise<readonly WorldEtcd[]>;
  close(): Promise<void>;
}

export interface HostsOptions {
  readonly count: number;
  /** Of /etc/convoy/convoyd.env on host `index` (from 1), over CONVOY_ETCD and CONVOY_METADATA=host=host<I>. */
  readonly settings?: (index: number) => Readonly<Record<string, string>>;
  /** Of hosts 1, 2 ...; missing ones are made up. */
  readonly machineIds?: readonly string[];
  readonly etcd?: WorldEtcdOptions;
  /** false: machines that have never seen Convoy; settings are not written. */
  readonly install?: boolean;
}

/** Opens hosts for one test file, with which they end. To be called outside of hooks and tests. */
export function useHosts(): (options: HostsOptions) => Promise<Hosts> {
  let hosts: Hosts | undefined;
  afterAll(() => hosts?.close());
  return async (options) => {
    hosts = await openHosts(options);
    return hosts;
  };
}

export async function openHosts(options: HostsOptions): Promise<Hosts> {
  const { count, machineIds = [], install = true } = options;
  const world = await openWorld((dir) => [
    // Wherever this one is: on a host, systemd's own PATH has to find it.
    `${process.execPath}:/usr/local/bin/node`,
    ...(install
      ? [`${dir}/convoy:/opt/convoy`, `${join(ROOT, 'node_modules')}:/opt/convoy/node_modules`]
      : []),
  ]);
  try {
    if (install) copyProduct(join(world.dir, 'convoy'));
    const units = join(world.dir, 'units');
    mkdirSync(units);
    for (const [index, id] of machineIds.entries()) {
      mkdirSync(join(world.dir, `h${index + 1}`));
      writeFileSync(join(world.dir, `h${index + 1}`, 'machine-id'), `${id}\n`);
    }
    await world.script('up', String(count));
    const members = await startWorldEtcd(world, options.etcd);
    const etcd = members[0] as WorldEtcd;
    const all = Array.from({ length: count }, (_, index) => hostOf(world, index + 1, units));
    if (install)
      await Promise.all(
        all.map(async (host, index) => {
          await host.exec('mkdir', '-p', '/etc/convoy');
          await writeSettings(host, {
            CONVOY_ETCD: members.map((member) => member.url).join(','),
            CONVOY_METADATA: `host=${host.name}`,
            ...options.settings?.(index + 1),
          });
          await host.ask('/opt/convoy/package/install');
        }),
      );
    return {
      world,
      all,
      host: (index) => all[index - 1] as Host,
      etcd,
      members,
      shared: join(world.dir, 'shared'),
      units,
      unit: (name, text) => writeFileSync(join(units, name), text),
      lossy: (percent) => lose(world, percent),
      slowEtcd: () => proxied(world, etcd),
      reach: (port) => relayed(world, port, port),
      startEtcd: (more) => startWorldEtcd(world, more),
      close: () => world.close(),
    };
  } catch (error) {
    await world.close();
    throw error;
  }
}

/** What the package holds, but its dependencies; rebuilding the tree does not change running hosts. */
function copyProduct(to: string): void {
  mkdirSync(join(to, 'node_modules'), { recursive: true });
  for (const part of ['dist', 'package', 'package.json'])
    cpSync(join(ROOT, part), join(to, part), { recursive: true });
}

function hostOf(world: World, index: number, units: string): Host {
  const dir = join(world.dir, `h${index}`);
  const endpoint = `unix://${join(dir, 'run/api.sock')}`;
  const script = async (command: string): Promise<void> => void (await world.script(command, String(index)));
  const convoyd = async (signal: string): Promise<void> =>
    void (await host.ask('systemctl', 'kill', '--kill-whom=main', `--signal=${signal}`, 'convoyd.service'));
  const inside = (command: readonly string[]): string[] => [
    ...['bash', join(ROOT, SCRIPT), 'exec', String(index)],
    ...command,
  ];
  const host: Host = {
    name: `host${index}`,
    ip: `${WORLD_IP.replace(/\d+$/, '')}${10 + index}`,
    machineId: readFileSync(join(dir, 'machine-id'), 'utf8').trim(),
    endpoint,
    exec: (...command) => world.run(...inside(command)),
    commandLine: (...command) => world.commandLine(...inside(command)),
    async ask(...command) {
      const { code, stdout, stderr } = await host.exec(...command);
      if (code !== 0)
        throw new Error(`host${index}: ${command.join(' ')} exits with ${code}: ${stderr}${stdout}`);
      return stdout;
    },
    convoyctl: (...args) => run('cli/main.js', args, { CONVOY_ENDPOINT: endpoint }, units),
    cutPower: () => script('kill'),
    stop: () => script('stop'),
    boot: () => script('start'),
    cut: () => script('cut'),
    heal: () => script('heal'),
    freeze: () => convoyd('STOP'),
    thaw: () => convoyd('CONT'),
    killConvoyd: () => convoyd('KILL'),
    convoydPid: async () => Number(await host.ask('systemctl', 'show', '-P', 'MainPID', 'convoyd.service')),
    async configure(settings) {
      await writeSettings(host, settings);
      await host.ask('systemctl', 'restart', 'convoyd.service');
    },
    log: () => host.ask('journalctl', '-u', 'convoyd.service', '-o', 'cat', '--no-pager'),
  };
  return host;
}

const SCRIPT = 'test/support/systemd-hosts.sh';
const SETTINGS = '/etc/convoy/convoyd.env';

async function writeSettings(host: Host, changes: Readonly<Record<string, string | null>>): Promise<void> {
  const before = (await host.exec('cat', SETTINGS)).stdout.split('\n').filter(Boolean);
  const kept = before.filter((line) => !(line.slice(0, line.indexOf('=')) in changes));
  const added = Object.entries(changes).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${value}`],
  );
  await host.ask('sh', '-c', `printf '%s\\n' "$@" > ${SETTINGS}`, 'sh', ...kept, ...added);
}

/** Both where packets for etcd come in and go out (the bridge's own address) and where hosts talk to each other. */
async function lose(world: World, percent: number): Promise<void> {
  const drop = `numgen random mod 100 <= ${percent - 1} drop`;
  const rules = [
    'table inet loss',
    'delete table inet loss',
    'table bridge loss',
    'delete table bridge loss',
    `table inet loss { chain in { type filter hook input priority 0; iifname != "lo" ${drop}; }; chain out { type filter hook output priority 0; oifname != "lo" ${drop}; }; }`,
    `table bridge loss { chain across { type filter hook forward priority 0; ${drop}; }; }`,
  ];
  const { code, stderr } = await world.run('nft', rules.slice(0, percent > 0 ? 6 : 4).join('\n'));
  if (code !== 0) throw new Error(`nft: ${stderr}`);
}

/** host -> a relay on the bridge -> a unix socket of this process's proxy -> etcd's own unix socket. */
async function proxied(world: World, etcd: WorldEtcd): Promise<{ url: string; proxy: TcpProxy }> {
  const port = 23790;
  return { url: `http://${WORLD_IP}:${port}`, proxy: await relayed(world, etcd.socket, port) };
}

/** host -> a relay on the bridge at this port -> a unix socket of this process's proxy -> the target. */
async function relayed(world: World, target: number | string, port: number): Promise<TcpProxy> {
  const socket = join(world.dir, `relay-${port}.sock`);
  const proxy = await startProxy(target, socket);
  const relay = `
    const net = require('node:net');
    net.createServer((client) => {
      const server = net.connect(${JSON.stringify(socket)});
      for (const [from, to] of [[client, server], [server, client]]) from.pipe(to).on('error', () => from.destroy());
    }).listen(${port}, '${WORLD_IP}', () => console.log('listening'));`;
  const name = `relay-${port}`;
  await world.spawn(name, process.execPath, '-e', relay);
  await until('the relay listens', () =>
    readFileSync(join(world.dir, `${name}.log`), 'utf8').includes('listening'),
  );
  return proxy;
}
