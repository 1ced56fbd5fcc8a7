import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { type Host, useHosts } from '../../support/hosts.js';
import { getOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

/** The stage other tests stand on: a fault that does nothing would make them prove nothing. */
const hosts = await useHosts()({ count: 2, etcd: { members: 3 } });
const [a, b] = [hosts.host(1), hosts.host(2)];

/** Whether a connection comes about within a second: it takes under a millisecond. */
const reaches = async (from: Host, ip: string, port: number): Promise<boolean> =>
  (await from.exec('timeout', '1', 'bash', '-c', `: </dev/tcp/${ip}/${port}`)).code === 0;
const reachesEtcd = (from: Host): Promise<boolean> => reaches(from, '10.42.0.1', 2379);

test('a cut link is cut both ways, until healed', async () => {
  await b.ask('systemd-run', '--unit=door', '--', 'bash', '-c', `exec ${process.execPath} -e '${DOOR}'`);
  await until('host1 reaches host2', () => reaches(a, b.ip, 99));
  await until('host2 reaches etcd', () => reachesEtcd(b));
  await b.cut();
  expect(await reachesEtcd(b)).toBe(false);
  expect(await reaches(a, b.ip, 99)).toBe(false);
  await until('host1 reaches etcd', () => reachesEtcd(a));
  await b.heal();
  await until('host1 reaches host2 again', () => reaches(a, b.ip, 99));
});

test('packets are lost between hosts, and between hosts and etcd, in the share that is asked for', async () => {
  await hosts.lossy(100);
  expect(await reachesEtcd(a)).toBe(false);
  expect(await reaches(a, b.ip, 99)).toBe(false);
  await hosts.lossy(20);
  expect((await hosts.world.run('nft', 'list', 'ruleset')).stdout.match(/mod 100 <= 19 drop/g)).toHaveLength(
    3,
  );
  await hosts.lossy(0);
  expect((await hosts.world.run('nft', 'list', 'ruleset')).stdout).toBe('');
  await until('host1 reaches etcd again', () => reachesEtcd(a));
  await until('host1 reaches host2 again', () => reaches(a, b.ip, 99));
});

test('a host without power comes back with its disk and an empty /run, and convoyd starts by itself', async () => {
  await b.ask('touch', '/var/kept', '/run/convoy/gone');
  await b.cutPower();
  expect((await b.exec('true')).code).not.toBe(0);
  await b.boot();
  expect(await b.ask('ls', '/var/kept')).toBe('/var/kept\n');
  expect(await b.ask('ls', '/run/convoy')).not.toContain('gone');
  await until('convoyd runs', async () => (await b.convoydPid()) > 0);
  await b.stop();
  await b.boot();
  await until('convoyd runs again', async () => (await b.convoydPid()) > 0);
});

test('a frozen convoyd stands still, another is not started', async () => {
  const pid = await a.convoydPid();
  const state = async () => /^State:\s+(\w)/m.exec(await a.ask('cat', `/proc/${pid}/status`))?.[1];
  await a.freeze();
  await until('it is stopped', async () => (await state()) === 'T');
  await a.thaw();
  await until('it goes on', async () => (await state()) !== 'T');
  expect(await a.convoydPid()).toBe(pid);
});

test('a member of etcd is frozen, killed, emptied and set back', async () => {
  const [first, second, third] = hosts.members as [Member, Member, Member];
  await second.freeze();
  await expect(getOver(second.socket, '/health', 500)).rejects.toThrow(/no answer/);
  second.thaw();
  await until('it answers', () => getOver(second.socket, '/health', 500).catch(() => false));
  await third.kill();
  await expect(getOver(third.socket, '/health')).rejects.toThrow(/ECONNREFUSED/);
  await third.restart();
  expect(await first.metric('etcd_server_has_leader')).toBe(1);

  const [alone] = (await hosts.startEtcd({ name: 'alone', port: 3379 })) as [Member];
  const revision = () => alone.metric('etcd_debugging_mvcc_current_revision');
  await a.configure({ CONVOY_ETCD: alone.url, CONVOY_STATE_DIR: '/var/lib/convoy-alone' });
  await until('convoyd writes to it', async () => (await revision()) > 3, 20_000);
  const proxied = await hosts.slowEtcd();
  await a.configure({ CONVOY_ETCD: proxied.url });
  await until('convoyd uses the proxy', () => proxied.proxy.received > 0);
  proxied.proxy.blackHole();
  await alone.snapshot();
  const then = await revision();
  await alone.wipe();
  expect(await revision()).toBe(1);
  await alone.restore();
  expect(await revision()).toBe(then);
});

test('of hosts whose opener is killed nothing is left', async () => {
  const opener = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'opener-process.ts')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const dir = await new Promise<string>((resolve) => createInterface(opener.stdout).once('line', resolve));
  const mark = dir.slice(dir.lastIndexOf('-') + 1);
  expect(cgroups(mark).length).toBeGreaterThan(0);
  expect(readFileSync(join(dir, 'h1/leader'), 'utf8')).toMatch(/^\d+$/m);
  opener.kill('SIGKILL');
  await until('the folder is gone', () => !existsSync(dir));
  expect(cgroups(mark)).toEqual([]);
  expect(readdirSync('/proc').filter((pid) => environment(pid).includes(dir))).toEqual([]);
});

type Member = (typeof hosts.members)[number];

/** Accepts and ends connections. */
const DOOR = 'require("net").createServer((socket) => socket.end()).listen(99)';

const cgroups = (mark: string): string[] =>
  readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith(`sdhosts-${mark}-h1`),
  );

function environment(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}
