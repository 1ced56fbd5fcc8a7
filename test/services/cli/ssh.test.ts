import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { program } from '../../support/programs.js';

/**
 * What convoyctl asks of ssh, with a program in its place that writes down its arguments and then does here what it is
 * asked to do there. The real one, between hosts, is in test/services/fleet.
 */

const [A, B] = ['472d6cb2f262ea34e2385ef99b9555fd', '4b8a1340d9b584906d50962c4f679ffd'] as const;
const SLEEP = { section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' };
const EVERYWHERE = { section: 'X-Fleet', name: 'Global', value: 'true' };

/** The last words are `HOST -- COMMAND`, `HOST`, or `-W HOST:PORT` is among them. */
const FAKE = `#!${process.execPath}
const { appendFileSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const args = process.argv.slice(2);
appendFileSync(process.env.SSH_LOG, JSON.stringify(args) + '\\n');
const forward = args.indexOf('-W');
const split = args.indexOf('--');
if (args.some((arg) => arg.startsWith('unreachable'))) {
  console.error('ssh: connect to host unreachable port 22: No route to host');
  process.exit(255);
}
if (forward >= 0) {
  const [, host, port] = /^\\[(.*)\\]:(\\d+)$/.exec(args[forward + 1]);
  const socket = require('node:net').connect({ host, port });
  process.stdin.pipe(socket).pipe(process.stdout);
} else if (split >= 0) {
  const { status } = spawnSync('sh', ['-c', args.slice(split + 1).join(' ')], { stdio: 'inherit' });
  process.exit(status);
}
`;

let fleet: FakeFleet;
let bin: string;
let log: string;
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.42.0.13', metadata: {} },
    { id: B, ip: '10.42.0.12', metadata: {} },
  ]);
  bin = join(fleet.dir, 'bin');
  log = join(fleet.dir, 'ssh.log');
  mkdirSync(bin);
  writeFileSync(join(bin, 'ssh'), FAKE, { mode: 0o755 });
  for (const name of ['fleetctl', 'convoyctl'])
    writeFileSync(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${bin}/link/${name}" "$@"\n`, {
      mode: 0o755,
    });
  mkdirSync(join(bin, 'link'));
  for (const name of ['fleetctl', 'convoyctl']) symlinkSync(program('cli/main.js'), join(bin, 'link', name));
  await fleet.registry.submitUnit('web@1.service', { options: [SLEEP] }, 'launched');
  await fleet.registry.submitUnit('every.service', { options: [SLEEP, EVERYWHERE] }, 'launched');
  await fleet.registry.submitUnit('472.service', { options: [SLEEP] }, 'launched');
  await fleet.registry.submitUnit('idle.service', { options: [SLEEP] }, 'inactive');
  await fleet.rest();
});
afterAll(() => fleet.stop());
beforeEach(() => writeFileSync(log, ''));

function run(name: 'convoyctl' | 'fleetctl', args: readonly string[], env = {}): Promise<CliResult> {
  return convoyctl(args, {
    cwd: fleet.dir,
    program: join(bin, 'link', name),
    env: {
      ...{ PATH: `${bin}:${process.env.PATH}`, HOME: fleet.dir, SSH_LOG: log },
      ...{ CONVOY_ENDPOINT: `unix://${fleet.socket}`, ...env },
    },
  });
}
const asked = (): string[][] =>
  readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as string[]]));

const TIMEOUT = ['-o', 'ConnectTimeout=10'];
/** web@1.service is the second unit to be placed. */
const WEB = '10.42.0.13';

test.each([
  [
    ['ssh', A, 'true'],
    [...TIMEOUT, '10.42.0.13', '--', 'true'],
  ],
  [
    ['ssh', '4b', 'echo', 'a', 'b'],
    [...TIMEOUT, '10.42.0.12', '--', 'echo a b'],
  ],
  [
    ['ssh', 'web@1', 'ls', '-l', '/'],
    [...TIMEOUT, WEB, '--', 'ls -l /'],
  ],
  [
    ['ssh', '--unit', 'web@1.service', 'true'],
    [...TIMEOUT, WEB, '--', 'true'],
  ],
  [
    ['ssh', '--machine', '4b8', '--', 'true', '-A'],
    [...TIMEOUT, '10.42.0.12', '--', 'true -A'],
  ],
  [
    ['ssh', '-A', '--ssh-port=2222', '4b', 'true'],
    [...TIMEOUT, '-p', '2222', '-A', '10.42.0.12', '--', 'true'],
  ],
  [
    ['ssh', '4b', '--A', 'true'],
    [...TIMEOUT, '-A', '10.42.0.12', '--', 'true'],
  ],
  [
    ['ssh', '4b'],
    [...TIMEOUT, '10.42.0.12'],
  ],
  [
    ['--known-hosts-file=~root/k', 'ssh', '4b', 'true'],
    [...TIMEOUT, '-o', 'UserKnownHostsFile="~root/k"', '10.42.0.12', '--', 'true'],
  ],
  [
    ['--ssh-username=me', '--ssh-timeout=2.5', '--known-hosts-file=k', 'ssh', '4b', 'true'],
    [...['-o', 'ConnectTimeout=3', '-o', 'UserKnownHostsFile="k"', '-l', 'me', '10.42.0.12', '--', 'true']],
  ],
])('convoyctl %j', async (args, expected) => {
  expect(await run('convoyctl', args)).toMatchObject({ exit: 0, stderr: '' });
  expect(asked()).toEqual([expected]);
});

test('fleetctl: who, where and which host keys as fleetctl had it', async () => {
  expect(await run('fleetctl', ['ssh', '4b', 'echo hello'])).toEqual({
    exit: 0,
    stdout: 'hello\n',
    stderr: '',
  });
  const known = `${fleet.dir}/.fleetctl/known_hosts`;
  expect(asked()).toEqual([
    [
      ...[...TIMEOUT, '-o', 'StrictHostKeyChecking=ask', '-o', `UserKnownHostsFile="${known}"`],
      ...['-l', 'core', '-p', '22', '10.42.0.12', '--', 'echo hello'],
    ],
  ]);
  await run('fleetctl', ['--strict-host-key-checking=false', 'ssh', '4b', 'true']);
  expect(asked()[1]?.join(' ')).toContain('StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null');
});

test("the command's exit code is the program's own, and so is ssh's", async () => {
  expect(await run('convoyctl', ['ssh', '4b', 'exit 7'])).toMatchObject({ exit: 7 });
  expect(await run('convoyctl', ['--ssh-username=unreachable', 'ssh', '4b', 'true'])).toMatchObject({
    exit: 255,
    stderr: expect.stringContaining('No route to host'),
  });
});

test.each([
  ['convoyctl', [], 'one machine or unit must be provided'],
  ['convoyctl', ['zz'], 'could not find matching unit or machine'],
  ['convoyctl', ['idle'], 'could not find matching unit or machine'],
  ['convoyctl', ['4'], `machine 4 could be any of ${A}, ${B}: give more of its id`],
  ['fleetctl', ['4'], 'could not find matching unit or machine'],
  ['convoyctl', ['472'], '472 is a machine and a unit: say which with --machine or --unit'],
  [
    'convoyctl',
    ['every', 'true'],
    'unit every runs on 2 machines (472d6cb2.../10.42.0.13, 4b8a1340.../10.42.0.12): give one of them instead',
  ],
] as const)('%s ssh %j: exit 1: %s', async (name, args, message) => {
  expect(await run(name, ['ssh', ...args])).toEqual({
    ...{ exit: 1, stdout: '' },
    stderr: `Unable to proceed: ${message}\n`,
  });
  expect(asked()).toEqual([]);
});

test('wrong usage is said before anything is asked', async () => {
  expect(await run('convoyctl', ['ssh', '--machine=a', '--unit=b'])).toMatchObject({
    ...{ exit: 1, stderr: 'Both machine and unit flags provided, please specify only one.\n' },
  });
  expect(await run('convoyctl', ['ssh', '--nosuch', '4b'])).toMatchObject({ exit: 2 });
  expect(await run('convoyctl', ['--tunnel=-oProxyCommand=id', 'ssh', '4b'])).toMatchObject({ exit: 2 });
  expect(asked()).toEqual([]);
});

test('a machine whose address is an option of ssh is not gone to', async () => {
  const odd = { id: 'e'.repeat(32), ip: '-oProxyCommand=touch /tmp/owned', metadata: {}, apiAddress: '' };
  const session = await fleet.registry.join({ ...odd, version: '', bootId: '' }, 60_000);
  expect(await run('convoyctl', ['ssh', 'eee', 'true'])).toMatchObject({
    ...{ exit: 2, stderr: expect.stringContaining('is no name or address of a machine') },
  });
  expect(asked()).toEqual([]);
  await session.leave();
});

test("a machine without an address is told in fleet's words", async () => {
  const nowhere = { id: 'e'.repeat(32), ip: '', metadata: {}, apiAddress: '', version: '', bootId: '' };
  const session = await fleet.registry.join(nowhere, 60_000);
  expect(await run('convoyctl', ['ssh', 'eee', 'true'])).toEqual({
    ...{ exit: 1, stdout: '', stderr: 'Could not determine address of machine.\n' },
  });
  expect(asked()).toEqual([]);
  await session.leave();
});

test('without the program ssh one sentence says so', async () => {
  expect(await run('convoyctl', ['ssh', '4b'], { PATH: '/nonexistent' })).toEqual({
    ...{ exit: 1, stdout: '' },
    stderr: 'convoyctl: the program ssh is not installed here: install the OpenSSH client\n',
  });
  expect(
    await run('convoyctl', ['--tunnel', 'bastion', 'list-units'], { PATH: '/nonexistent' }),
  ).toMatchObject({
    ...{ exit: 1, stderr: expect.stringContaining('the program ssh is not installed here') },
  });
});

const MACHINES = '472d6cb2...\t10.42.0.13\t-\n4b8a1340...\t10.42.0.12\t-\n';

test('--tunnel: a socket is forwarded by the convoyctl of the bastion', async () => {
  const args = ['--tunnel', 'me@bastion:2222', 'list-machines', '--no-legend'];
  expect(await run('convoyctl', args)).toEqual({ exit: 0, stdout: MACHINES, stderr: '' });
  const [ssh, ...more] = asked();
  expect(more).toEqual([]);
  expect(ssh?.slice(0, -1)).toEqual([
    ...[...TIMEOUT, '-l', 'me', '-p', '2222', '-o', 'ServerAliveInterval=15', '-T', 'bastion', '--'],
  ]);
  expect(ssh?.at(-1)).toContain(`exec "$p" fd-forward "$s"`);
});

test('--tunnel: an address is reached by ssh itself', async () => {
  const args = ['--tunnel', 'bastion', '--endpoint', fleet.url, 'list-machines', '--no-legend'];
  expect(await run('convoyctl', args)).toEqual({ exit: 0, stdout: MACHINES, stderr: '' });
  const { port } = new URL(fleet.url);
  expect(asked()).toEqual([
    [...TIMEOUT, '-o', 'ServerAliveInterval=15', '-W', `[127.0.0.1]:${port}`, 'bastion'],
  ]);
});

test('FLEETCTL_TUNNEL: status by the bastion, ssh through it', async () => {
  const env = { FLEETCTL_TUNNEL: 'bastion', FLEETCTL_SSH_USERNAME: 'me' };
  expect(await run('fleetctl', ['status', 'web@1'], env)).toMatchObject({
    ...{ exit: 0, stdout: expect.stringContaining('Active: active (running)') },
  });
  expect(await run('fleetctl', ['ssh', 'web@1', 'echo there'], env)).toMatchObject({ stdout: 'there\n' });
  const last = asked().at(-1) ?? [];
  expect(last).toContainEqual(expect.stringMatching(/^ProxyCommand=ssh -W '\[%h\]:%p' .* -l me bastion$/));
});

test('a bastion that is not reached, or has no such socket, is said to be the reason', async () => {
  expect(await run('convoyctl', ['--tunnel', 'unreachable', 'list-units'])).toEqual({
    ...{ exit: 1, stdout: '' },
    stderr:
      'ssh: connect to host unreachable port 22: No route to host\nError retrieving list of units from repository: ssh does not reach the API through unreachable: the reason is above\n',
  });
  expect(await run('convoyctl', ['--tunnel', 'bastion', '--endpoint=unix:///nosuch', 'list-units'])).toEqual({
    ...{ exit: 1, stdout: '' },
    stderr:
      'there is no socket /nosuch here\nError retrieving list of units from repository: bastion does not pass the API on: the reason is above\n',
  });
});

test('fd-forward says what it cannot reach', async () => {
  expect(await run('fleetctl', ['fd-forward', '/nosuch'])).toMatchObject({
    ...{ exit: 1, stdout: '', stderr: expect.stringMatching(/^Unable to forward \/nosuch: .*ENOENT.*\n$/) },
  });
  expect(await run('convoyctl', ['fd-forward'])).toMatchObject({ exit: 2 });
});
