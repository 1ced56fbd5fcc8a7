import { describe, expect, test } from 'vitest';
import { daemonTable } from '../../../agent/daemon-options.js';
import { readFleetSettings } from '../../../agent/fleet-conf.js';
import { parseProgram, readOptions } from '../../../runtime/options.js';

const FILE = '/etc/fleet/fleet.conf';
const read = (text: string, env: Record<string, string> = {}) => readFleetSettings({ file: FILE, text }, env);

/** What convoyd runs with, of all that differs from its defaults. */
function options(text: string, env: Record<string, string> = {}, argv: string[] = []) {
  const program = { name: 'convoyd', description: '', table: daemonTable };
  const given = parseProgram(program, argv, env, read(text, env).settings);
  const plain: Record<string, unknown> = readOptions(daemonTable, {}, {});
  return Object.fromEntries(Object.entries(given).filter(([key, value]) => plain[key] !== value));
}

describe('what fleet and convoyd both have is taken over', () => {
  test.each<[string, object]>([
    [
      'etcd_servers=["http://10.0.0.1:2379", "http://10.0.0.2:2379"]',
      { etcd: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'] },
    ],
    [
      'etcd_servers=http://10.0.0.1:2379,https://10.0.0.2:2379/',
      { etcd: ['http://10.0.0.1:2379', 'https://10.0.0.2:2379'] },
    ],
    ['etcd_servers = "http://10.0.0.1:2379"', { etcd: ['http://10.0.0.1:2379'] }],
    ['etcd_servers=http://127.0.0.1:2379, http://127.0.0.1:4001', { etcd: ['http://127.0.0.1:2379'] }],
    ['etcd_servers=http://127.0.0.1:4001', { etcd: ['http://127.0.0.1:4001'] }],
    ['etcd_cafile=/a.pem', { etcdCafile: '/a.pem' }],
    ['etcd_certfile=/b.pem', { etcdCertfile: '/b.pem' }],
    ['etcd_keyfile="/c.pem"', { etcdKeyfile: '/c.pem' }],
    ['etcd_username=fleet', { etcdUsername: 'fleet' }],
    ['etcd_key_prefix=/_coreos.com/fleet/', {}],
    ['etcd_key_prefix=/_coreos.com/fleet', {}],
    ['etcd_key_prefix=/other/fleet', { etcdPrefix: '/other/fleet/' }],
    ['public_ip="203.0.113.7"', { publicIp: '203.0.113.7' }],
    ['metadata="region=us-west, az=us-west-1,region=eu"', { metadata: { region: 'eu', az: 'us-west-1' } }],
    ["metadata='disk=ssd'", { metadata: { disk: 'ssd' } }],
    ['agent_ttl="30s"', { ttl: 30_000 }],
    ['agent_ttl=1m30s', { ttl: 90_000 }],
    ['agent_ttl=0.5h', { ttl: 1_800_000 }],
    ['agent_ttl=2500ms', { ttl: 3000 }],
    ['verbosity=0', {}],
    ['verbosity=2', { logLevel: 'debug' }],
    ['disable_engine=true', { neverLead: true }],
    ['disable_engine=false', {}],
    ['disable_engine=T', { neverLead: true }],
  ])('%s', (text, expected) => {
    expect(options(`${text}\n`)).toEqual(expected);
  });

  test('the password goes its own way, never among the options', () => {
    const { settings, etcdPassword, warnings } = read('etcd_username=fleet\netcd_password="geheim"\n');
    expect(etcdPassword).toBe('geheim');
    expect(JSON.stringify([settings, warnings])).not.toContain('geheim');
    expect(read('', { FLEET_ETCD_PASSWORD: 'from the environment' }).etcdPassword).toBe(
      'from the environment',
    );
  });
});

describe('what convoyd does otherwise is said', () => {
  test.each([
    [
      'etcd_request_timeout=2.5',
      'etcd_request_timeout in /etc/fleet/fleet.conf is ignored: convoyd bounds each kind',
    ],
    ['engine_reconcile_interval=5', 'is ignored: the leader acts on changes when they happen'],
    ['token_limit=50', 'is ignored: the API has pages of one size'],
    ['disable_watches=true', 'is ignored: convoyd hears of changes through watches'],
    ['enable_grpc=true', 'is ignored: convoyd keeps everything in etcd'],
    [
      'units_directory=/run/fleet/units/',
      'is ignored: units lie in the run directory of convoyd (--run-dir)',
    ],
    ['verify_units=true', 'is ignored, as fleet 1.0 did'],
    ['authorized_keys_file=/etc/fleet/authorized_keys', 'is ignored: fleet 1.0 did the same'],
    [
      'etcd_server=http://10.0.0.1:2379',
      'etcd_server in /etc/fleet/fleet.conf is ignored: fleet has no such option',
    ],
    ['[etcd]\nmetadata=a=b\n[more]', '/etc/fleet/fleet.conf: all from [etcd] on is ignored'],
    [
      'etcd_servers=http://a:2379,http://a:4001',
      'etcd_servers in /etc/fleet/fleet.conf: http://a:4001 is left out: 4001 was the port of etcd before 2.0',
    ],
    ['etcd_servers=http://a:4001', 'and convoyd needs etcd 3, which listens on 2379 unless told otherwise'],
  ])('%s', (text, warning) => {
    const { settings, warnings } = read(text);
    expect(warnings).toEqual([expect.stringContaining(warning)]);
    if (!text.startsWith('etcd_servers=')) expect(settings).toEqual({});
  });

  test.each([
    'disable_watches=false',
    'enable_grpc=0',
    'verify_units=False',
    'systemd_user=false',
    'token_limit=',
  ])('%s is nothing to speak of', (text) =>
    expect(read(text)).toEqual({ settings: {}, etcdPassword: null, warnings: [] }),
  );
});

describe('what cannot be meant is refused with what, where and why', () => {
  test.each([
    [
      'systemd_user=true',
      "systemd_user in /etc/fleet/fleet.conf: convoyd does not run units by a user's systemd",
    ],
    ['\n# a comment\nmetadata', '/etc/fleet/fleet.conf:3: expected option=value, got "metadata"'],
    ['disable_engine=maybe', 'disable_engine in /etc/fleet/fleet.conf: expected true or false, got "maybe"'],
    ['verbosity=loud', 'verbosity in /etc/fleet/fleet.conf: expected a whole number, got "loud"'],
    [
      'agent_ttl=30',
      'agent_ttl in /etc/fleet/fleet.conf: expected a duration such as 30s or 1m30s, got "30"',
    ],
    ['agent_ttl=-5s', 'expected a duration such as 30s or 1m30s, got "-5s"'],
    ['agent_ttl=0s', 'expected a duration such as 30s or 1m30s, got "0s"'],
    ['agent_ttl=1s', 'agent_ttl in /etc/fleet/fleet.conf: expected whole seconds, at least 2s, got "1s"'],
    [
      'metadata=region',
      'metadata in /etc/fleet/fleet.conf: expected key=value pairs, separated by commas, got "region"',
    ],
    [
      'etcd_servers=10.0.0.1:2379',
      'etcd_servers in /etc/fleet/fleet.conf: expected http://host:port or https://host:port',
    ],
  ])('%j', (text, sentence) => {
    expect(() => options(text)).toThrow(sentence);
  });
});

test("a flag wins over CONVOY_*, which wins over FLEET_*, which wins over the file, which wins over convoyd's default", () => {
  const file = 'public_ip=10.0.0.1\nmetadata=from=file\nagent_ttl=30s\nverbosity=1\n';
  const env = {
    ...{
      FLEET_PUBLIC_IP: '10.0.0.2',
      FLEET_METADATA: 'from=fleet',
      FLEET_AGENT_TTL: '40s',
      FLEET_VERBOSITY: '',
    },
    ...{ CONVOY_PUBLIC_IP: '10.0.0.3', CONVOY_METADATA: 'from=convoy' },
  };
  expect(options(file, env, ['--public-ip', '10.0.0.4'])).toEqual({
    ...{ publicIp: '10.0.0.4', metadata: { from: 'convoy' }, ttl: 40_000, logLevel: 'debug' },
  });
});

test('the last of several counts, an empty one takes back, comments and white space do not count', () => {
  const text =
    '; fleet\n  public_ip = 10.0.0.1 \r\npublic_ip=10.0.0.2\n\nverbosity=1\nverbosity=\n# metadata=a=b\n';
  expect(options(text)).toEqual({ publicIp: '10.0.0.2' });
});

test('a complaint about a variable of fleet names the variable', () => {
  expect(() => options('', { FLEET_AGENT_TTL: 'soon' })).toThrow('FLEET_AGENT_TTL: expected a duration');
  expect(() => options('', { FLEET_METADATA: 'az' })).toThrow('FLEET_METADATA: expected key=value pairs');
});
