import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeAuthority } from '../../support/certificates.js';
import { run } from '../../support/fleet.js';
import { program } from '../../support/programs.js';
import { useGround } from '../../support/services.js';
import { supervisorEnvironment } from '../../support/supervisor.js';

const ground = useGround('options');
const pem = join(ground.dir, 'some.pem');
const word = join(ground.dir, 'password');
const etcd = ['--etcd', 'https://127.0.0.1:1'];
mkdirSync(join(ground.dir, 'folder'));
writeFileSync(pem, '');
writeFileSync(word, 'secret\n', { mode: 0o644 });
const tokens = join(ground.dir, 'tokens');
writeFileSync(tokens, `alice admin ${'a'.repeat(32)}\n`, { mode: 0o600 });
const { cert, key } = makeAuthority(ground.dir).issue('host', 'IP:127.0.0.1');

/** convoyd with options that cannot work; the password of etcd stands in the environment if given. */
function convoyd(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const dir = join(ground.dir, 'run');
  return run(
    'agent/daemon-main.js',
    [
      ...['--run-dir', dir, '--state-dir', dir, '--machine-id', 'e'.repeat(32)],
      ...['--public-ip', '127.0.0.1', ...args],
    ],
    { ...ground.mark, ...env },
  );
}

test.each([
  [['--ttl', '1s'], '--ttl: expected whole seconds, at least 2s, got "1s"'],
  [['--machine-id', 'me'], '--machine-id: expected a machine id of 32 hexadecimal digits, got "me"'],
  [['--metadata', 'az'], '--metadata: expected key=value pairs, separated by commas, got "az"'],
  [
    ['--etcd', 'localhost'],
    '--etcd: expected http://host:port or https://host:port, separated by commas, got "localhost"',
  ],
  [
    ['--unit-manager', 'supervisor', '--listen', '0.0.0.0:80'],
    'API address 0.0.0.0:80 is not on loopback and needs TLS (--tls-cert, --tls-key)',
  ],
  [
    ['--unit-manager', 'supervisor', '--listen', '0.0.0.0:80', '--api-tokens', tokens],
    'over plain HTTP a token could be read on its way',
  ],
  [
    ['--unit-manager', 'supervisor', '--listen', '0.0.0.0:80', '--tls-cert', cert, '--tls-key', key],
    'API address 0.0.0.0:80 is not on loopback and has to know who asks: give --tls-ca for client certificates, or --api-tokens',
  ],
  [['--peer-listen', '7373'], '--peer-listen: expected host:port, got "7373"'],
  [['--api-tokens', word], `--api-tokens: ${word} is open to others than its owner: chmod 600 ${word}`],
  [['--tls-cert', cert], '--tls-cert and --tls-key go together: give both, or neither'],
  [['--unit-manager', 'upstart'], '--unit-manager: expected one of systemd, supervisor, got "upstart"'],
  [
    ['--unit-manager', 'systemd', '--unit-root', '/srv'],
    '--unit-root is for --unit-manager supervisor: systemd runs units on the whole machine',
  ],
  [['--dev', '--unit-manager', 'systemd'], '--dev runs units in a private folder'],
  [
    ['--etcd', 'https://a:1,http://b:2'],
    '--etcd: http://b:2 is without TLS and https://a:1 is not: write all with https://',
  ],
  [
    ['--etcd', 'http://b:2', '--etcd-cafile', pem],
    '--etcd: http://b:2 is without TLS, so --etcd-cafile, --etcd-certfile and --etcd-keyfile say nothing',
  ],
  [
    [...etcd, '--etcd-certfile', pem],
    '--etcd-certfile and --etcd-keyfile go together: give both, or neither',
  ],
  [[...etcd, '--etcd-keyfile', pem], '--etcd-certfile and --etcd-keyfile go together: give both, or neither'],
  [
    [...etcd, '--etcd-certfile', pem, '--etcd-keyfile', pem],
    '--etcd-certfile needs --etcd-cafile: the authority that signs the certificates of etcd',
  ],
  [[...etcd, '--etcd-cafile', '/nowhere.pem'], '--etcd-cafile: ENOENT: no such file or directory'],
  [[...etcd, '--etcd-cafile', join(ground.dir, 'folder')], '--etcd-cafile: EISDIR'],
  [
    ['--etcd-username', 'convoy'],
    '--etcd-username needs a password: give --etcd-password-file, or CONVOY_ETCD_PASSWORD in the environment',
  ],
  [['--etcd-password-file', word], 'a password for etcd is given, but no user: give --etcd-username too'],
])('convoyd %j: one sentence and exit code 2', async (args, sentence) => {
  const result = await convoyd(args);
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).toMatch(/^convoyd: [^\n]+\n$/);
  expect(result.stderr).toContain(sentence);
});

test('the password of etcd from two places is refused and not shown', async () => {
  const args = ['--etcd-username', 'convoy', '--etcd-password-file', word];
  const result = await convoyd(args, { CONVOY_ETCD_PASSWORD: 'hidden' });
  expect(result).toMatchObject({
    code: 2,
    stderr: 'convoyd: --etcd-password-file and CONVOY_ETCD_PASSWORD are both given: leave one out\n',
  });
});

test('the check of certificates is not switched off', async () => {
  expect(await convoyd(etcd, { NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('would switch off the check of certificates: take it out'),
  });
});

test('the password is no option', async () => {
  const result = await convoyd(['--etcd-password', 'secret']);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("unknown option '--etcd-password'");
});

test('nothing that convoyd starts knows the password', async () => {
  const dir = join(ground.dir, 'started');
  ground.spawn(
    'started',
    process.execPath,
    [
      ...[program('agent/daemon-main.js'), '--etcd', 'http://127.0.0.1:1', '--etcd-username', 'convoy'],
      ...['--unit-manager', 'supervisor', '--public-ip', '127.0.0.1', '--machine-id', 'e'.repeat(32)],
      ...['--run-dir', dir, '--state-dir', dir, '--unit-root', dir],
    ],
    { ...process.env, CONVOY_ETCD_PASSWORD: 'hidden' },
  );
  expect(await supervisorEnvironment(dir)).not.toContain('hidden');
});

test('folders may be relative to where convoyd is started, though what it starts is elsewhere', async () => {
  const folders = ['--run-dir', 'relative', '--state-dir', 'relative', '--unit-root', 'relative'];
  ground.spawn('relative', 'sh', [
    ...['-c', 'cd "$0" && exec "$@"', ground.dir, process.execPath, program('agent/daemon-main.js')],
    ...['--etcd', 'http://127.0.0.1:1', '--unit-manager', 'supervisor', '--public-ip', '127.0.0.1'],
    ...['--machine-id', 'd'.repeat(32), ...folders],
  ]);
  expect(await supervisorEnvironment(join(ground.dir, 'relative'))).toContain('PATH=');
});
