import { expect, test } from 'vitest';
import {
  argumentsFor,
  argumentsForBastion,
  forwardCommand,
  parseBastion,
  quoted,
  type SshSettings,
} from '../../../cli/ssh-line.js';

const PLAIN: SshSettings = {
  ...{ username: undefined, knownHosts: undefined, strict: undefined, tunnel: undefined },
  timeoutMs: 10_000,
};
const TIMEOUT = ['-o', 'ConnectTimeout=10'];

test('what is not asked for is left to how ssh is configured', () => {
  expect(argumentsFor({ host: '10.0.0.7' }, PLAIN)).toEqual([...TIMEOUT, '10.0.0.7']);
});

test('every option has its place', () => {
  const settings = {
    ...PLAIN,
    username: 'core',
    knownHosts: '/home/a b/known',
    strict: true,
    timeoutMs: 2_500,
  };
  expect(argumentsFor({ host: 'fd00::7', port: '2222', forwardAgent: true }, settings)).toEqual([
    ...[
      '-o',
      'ConnectTimeout=3',
      '-o',
      'StrictHostKeyChecking=ask',
      '-o',
      'UserKnownHostsFile="/home/a b/known"',
    ],
    ...['-l', 'core', '-p', '2222', '-A', 'fd00::7'],
  ]);
});

test('without strict checking no file of host keys is read or written', () => {
  expect(argumentsFor({ host: 'a' }, { ...PLAIN, strict: false, knownHosts: '/k' })).toEqual([
    ...TIMEOUT,
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', 'GlobalKnownHostsFile=/dev/null', 'a'],
  ]);
});

test('the bastion is reached with the same options, by a command that a shell takes apart', () => {
  const tunnel = parseBastion('me@bastion.example.com:2222');
  const settings = { ...PLAIN, username: 'core', knownHosts: "/it's/100%", tunnel };
  expect(argumentsFor({ host: '10.0.0.7' }, settings)).toContain(
    "ProxyCommand=ssh -W '[%h]:%p' -o ConnectTimeout=10 -o 'UserKnownHostsFile=\"/it'\\''s/100%%\"' -l me -p 2222 bastion.example.com",
  );
  expect(argumentsForBastion(tunnel, settings, ['-T'])).toEqual([
    ...[
      ...TIMEOUT,
      '-o',
      `UserKnownHostsFile="/it's/100%"`,
      '-l',
      'me',
      '-p',
      '2222',
      '-T',
      'bastion.example.com',
    ],
  ]);
});

test.each([
  ['bastion', { host: 'bastion', user: undefined, port: undefined }],
  ['bastion:22', { host: 'bastion', user: undefined, port: '22' }],
  ['core@10.0.0.1:2222', { host: '10.0.0.1', user: 'core', port: '2222' }],
  ['[fd00::1]:22', { host: 'fd00::1', user: undefined, port: '22' }],
])('--tunnel %s', (text, expected) => {
  expect(parseBastion(text)).toEqual(expected);
});

test.each(['-oProxyCommand=id', 'a b', '', 'host:', 'host:ssh', '-l@host', '$(id)', 'a;b'])(
  '--tunnel %j is refused',
  (text) => {
    expect(() => parseBastion(text)).toThrow(`--tunnel "${text}": expected host or host:port`);
  },
);

test.each(['-oProxyCommand=id', '', '$(id)', 'a b', "a'b"])('a machine at %j is not gone to', (host) => {
  expect(() => argumentsFor({ host }, PLAIN)).toThrow(`"${host}" is no name or address of a machine`);
});

test.each([
  ['/run/convoy/api.sock', '/run/convoy/api.sock'],
  ['a b', "'a b'"],
  ["it's", "'it'\\''s'"],
  ['$(id)', "'$(id)'"],
  ['', "''"],
])('%j is quoted for a shell', (word, expected) => {
  expect(quoted(word)).toBe(expected);
});

test('the far end takes the first socket that is there', () => {
  const command = forwardCommand(['/run/a b.sock', '/run/c.sock']);
  expect(command).toMatch(/^sh -c '/);
  expect(command).toContain("for s in '\\''/run/a b.sock'\\'' /run/c.sock; do");
});
