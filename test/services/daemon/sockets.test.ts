import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { program } from '../../support/programs.js';
import { testEtcd, useGround } from '../../support/services.js';
import { supervisorEnvironment } from '../../support/supervisor.js';
import { getOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

const ground = useGround('sockets');
const etcd = await testEtcd(ground);

/** convoyd on `<run>/api.sock`, started by systemd's own helper when somebody connects to `listen`. */
function activated(name: string, listen: string, run: string): () => string {
  mkdirSync(run);
  ground.spawn(name, 'systemd-socket-activate', [
    ...['--listen', listen, process.execPath, program('agent/daemon-main.js'), '--etcd', etcd.url],
    ...['--unit-manager', 'supervisor', '--public-ip', '127.0.0.1', '--machine-id', 'a'.repeat(32)],
    ...['--run-dir', run, '--state-dir', join(ground.dir, 'state'), '--unit-root', run],
  ]);
  return () => readFileSync(join(ground.dir, `${name}.log`), 'utf8');
}

test('convoyd serves on the socket that brought it, also who came first, and hands it to nobody', async () => {
  const run = join(ground.dir, 'run');
  const socket = join(run, 'api.sock');
  const log = activated('right', socket, run);
  await until('systemd listens', () => /Listening on/.test(log()));
  expect(await getOver(socket, '/healthz')).toBe('{"status":"ok"}');
  expect(await supervisorEnvironment(run)).not.toMatch(/LISTEN_/);
});

test('a socket where convoyd does not serve is refused by its path', async () => {
  const run = join(ground.dir, 'other');
  const socket = join(ground.dir, 'wrong.sock');
  const log = activated('wrong', socket, run);
  await until('systemd listens', () => /Listening on/.test(log()));
  const client = connect(socket).on('error', () => undefined);
  await until('the complaint', () =>
    log().includes(
      `convoyd: systemd hands over a socket at ${socket}, but convoyd serves ${run}/api.sock and ${run}/read.sock and /run/fleet.sock: correct ListenStream= of convoyd.socket, or --run-dir\n`,
    ),
  );
  client.destroy();
});
