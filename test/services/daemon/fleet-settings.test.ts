import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../support/fleet.js';
import { program } from '../../support/programs.js';
import { testEtcd, useGround } from '../../support/services.js';
import { supervisorEnvironment } from '../../support/supervisor.js';
import { getOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

const ground = useGround('fleet-settings');
const etcd = await testEtcd(ground);
const ID = 'f'.repeat(32);

function conf(name: string, text: string): string {
  const file = join(ground.dir, name);
  writeFileSync(file, text);
  return file;
}

function args(dir: string): string[] {
  mkdirSync(dir, { recursive: true });
  return [
    ...['--run-dir', dir, '--state-dir', dir, '--machine-id', ID],
    ...['--unit-manager', 'supervisor', '--unit-root', dir],
  ];
}

const asked = async (socket: string, path: string) => JSON.parse(await getOver(socket, path));

test("convoyd runs by fleet's settings, says which do not count, and answers on fleet's socket", async () => {
  const dir = join(ground.dir, 'settings');
  const file = conf(
    'fleet.conf',
    `etcd_servers=["${etcd.url}", "http://127.0.0.1:4001"]\nmetadata="region=eu,disk=hdd"\npublic_ip=127.0.0.1\nagent_ttl="3s"\ndisable_engine=true\ntoken_limit=50\n`,
  );
  const fleetSocket = join(ground.dir, 'fleet.sock');
  ground.spawn(
    'settings',
    process.execPath,
    [program('agent/daemon-main.js'), ...args(dir), '--fleet-config', file],
    {
      ...process.env,
      ...{ FLEET_METADATA: 'region=eu,disk=ssd', CONVOY_FLEET_SOCKET: fleetSocket },
      ...{ FLEET_ETCD_USERNAME: 'fleet', FLEET_ETCD_PASSWORD: 'geheim' },
    },
  );
  const log = (): string => readFileSync(join(ground.dir, 'settings.log'), 'utf8');
  await until('convoyd is up', () => log().includes('convoyd is up'));
  expect(log()).toContain('token_limit in ');
  expect(log()).toContain('http://127.0.0.1:4001 is left out');
  const ready = await until('readiness', async () => {
    const told = await asked(fleetSocket, '/readyz');
    return told.status === 'ok' && told;
  });
  expect(await asked(fleetSocket, '/fleet/v1/machines')).toEqual({
    machines: [{ id: ID, primaryIP: '127.0.0.1', metadata: { region: 'eu', disk: 'ssd' } }],
  });
  // Whoever stands for election counts decisions.
  expect(ready.leader).toBeNull();
  expect(await getOver(fleetSocket, '/metrics')).not.toContain('convoy_leader');
  expect(await supervisorEnvironment(dir)).not.toContain('geheim');
  expect(log()).not.toContain('geheim');
});

test("a socket on fleet's path that systemd holds is served, and handed to nobody", async () => {
  const dir = join(ground.dir, 'activated');
  const socket = join(dir, 'fleet.sock');
  mkdirSync(dir);
  ground.spawn('activated', 'systemd-socket-activate', [
    ...['--listen', socket, process.execPath, program('agent/daemon-main.js'), '--etcd', etcd.url],
    ...[...args(dir), '--public-ip', '127.0.0.1', '--fleet-socket', socket],
  ]);
  const log = (): string => readFileSync(join(ground.dir, 'activated.log'), 'utf8');
  await until('systemd listens', () => /Listening on/.test(log()));
  expect(await asked(socket, '/healthz')).toEqual({ status: 'ok' });
  expect(await supervisorEnvironment(dir)).not.toMatch(/LISTEN_/);
});

test('the socket of a fleet that still runs is left to it', async () => {
  const socket = join(ground.dir, 'living.sock');
  const fleet = createServer((connection) =>
    connection.on('error', () => undefined).end('still here'),
  ).listen(socket);
  await new Promise((resolve) => fleet.once('listening', resolve));
  try {
    const dir = join(ground.dir, 'beside');
    const ended = await run(
      'agent/daemon-main.js',
      [...args(dir), '--etcd', etcd.url, '--public-ip', '127.0.0.1', '--fleet-socket', socket],
      ground.mark,
    );
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(`cannot serve the API on ${socket}: another program answers there`);
    expect(fleet.listening).toBe(true);
  } finally {
    fleet.close();
  }
});

test.each([
  [
    '--fleet-config',
    '/nowhere/fleet.conf',
    "fleet's configuration cannot be read: ENOENT: no such file or directory",
  ],
  ['--fleet-config', conf('user.conf', 'systemd_user=true\n'), 'systemd_user in '],
  [
    '--fleet-config',
    conf('password.conf', 'etcd_password=geheim\n'),
    'a password for etcd is given, but no user: give --etcd-username too',
  ],
  [
    '--fleet-socket',
    'fleet.sock',
    '--fleet-socket: expected an absolute path such as /run/fleet.sock, got "fleet.sock"',
  ],
])('%s %s: one sentence and exit code 2', async (flag, value, sentence) => {
  const ended = await run(
    'agent/daemon-main.js',
    [flag, value, ...args(join(ground.dir, 'refused'))],
    ground.mark,
  );
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(/^convoyd: [^\n]+\n$/);
  expect(ended.stderr).toContain(sentence);
  expect(ended.stderr).not.toContain('geheim');
});
