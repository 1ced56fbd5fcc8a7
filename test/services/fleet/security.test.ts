import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type Authority, makeAuthority } from '../../support/certificates.js';
import type { Run } from '../../support/fleet.js';
import { ctl, untilActive, untilMachines } from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';

/** Three hosts whose convoyds serve other machines: over TLS, to certificates and tokens. */
const PORT = 7070;
const TOKENS = { reader: 'r'.repeat(32), operator: 'o'.repeat(32), late: 'l'.repeat(32) };
let hosts: Hosts;
let authority: Authority;
let a: Host;
let b: Host;
let c: Host;

beforeAll(async () => {
  hosts = await useHosts({ count: 3 });
  [a, b, c] = hosts.all as [Host, Host, Host];
  expect(await a.ask('sh', '-c', 'ss -Hltnp | grep -c node || true')).toBe('0\n');

  authority = makeAuthority(join(hosts.shared, 'pki'));
  authority.issue('alice', 'DNS:laptop', 'convoy-admin');
  const lines = [`reader read ${TOKENS.reader}\n`, `operator operate ${TOKENS.operator}\n`];
  writeFileSync(join(hosts.shared, 'tokens'), lines.join(''), { mode: 0o600 });
  for (const host of hosts.all) {
    authority.issue(host.name, `IP:${host.ip}`, 'convoy-machine');
    await secure(host, 'pki');
  }
  await untilMachines(a, 3);
  unit(
    'here',
    'host2',
    'ExecStart=/bin/sh -c "echo hello from host2; exec sleep infinity"\nExecReload=/bin/true',
  );
  unit('there', 'host3', 'ExecStart=/bin/sh -c "echo hello from host3; exec sleep infinity"');
  await ctl(a, 'start', 'here.service', 'there.service');
  await untilActive(a, ['here.service', 'there.service']);
}, 120_000);

/** convoyd on a host with the certificate of its name in a folder of /shared. */
async function secure(host: Host, folder: string): Promise<void> {
  await host.configure({
    CONVOY_LISTEN: `0.0.0.0:${PORT}`,
    CONVOY_TLS_CERT: `/shared/${folder}/${host.name}.crt`,
    CONVOY_TLS_KEY: `/shared/${folder}/${host.name}.key`,
    CONVOY_TLS_CA: '/shared/pki/authority.crt',
    CONVOY_API_TOKENS: '/shared/tokens',
  });
}

function unit(name: string, host: string, service: string): void {
  hosts.unit(`${name}.service`, `[Service]\n${service}\n[X-Fleet]\nMachineMetadata=host=${host}\n`);
}

/** convoyctl on a host, with what shows who asks (`CONVOY_TOKEN=...`), against another one over the network. */
function remotely(from: Host, to: Host, who: readonly string[], ...args: string[]): Promise<Run> {
  const endpoint = ['CONVOY_ENDPOINT', `https://${to.ip}:${PORT}`].join('=');
  const ca = 'CONVOY_CA_FILE=/shared/pki/authority.crt';
  return from.exec('env', endpoint, ca, ...who, 'convoyctl', ...args);
}
const by = (token: keyof typeof TOKENS): string[] => [`CONVOY_TOKEN=${TOKENS[token]}`];
const ALICE = ['CONVOY_CERT_FILE=/shared/pki/alice.crt', 'CONVOY_KEY_FILE=/shared/pki/alice.key'];

/** The lines of a host's log of changes. */
async function changes(host: Host): Promise<Record<string, unknown>[]> {
  const lines = (await host.log()).split('\n').filter((line) => /"(changed|refused a change)"/.test(line));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('logs, states and reasons of any unit from any machine', async () => {
  for (const host of hosts.all)
    for (const [name, where] of [
      ['here', 'host2'],
      ['there', 'host3'],
    ])
      await until(`${name} from ${host.name}`, async () =>
        (await host.convoyctl('journal', `${name}.service`)).stdout.includes(`hello from ${where}`),
      );
  hosts.unit('lost.service', '[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineMetadata=host=nowhere\n');
  await ctl(a, 'start', '--no-block', 'lost.service');
  for (const host of hosts.all)
    await until(`the reason from ${host.name}`, async () =>
      (await host.convoyctl('why', 'lost.service')).stdout.includes('3 lack host=nowhere'),
    );
  await ctl(a, 'destroy', 'lost.service');
});

test('what is done over a socket of one machine is logged on the other with who asked', async () => {
  expect(await a.convoyctl('reload', 'here.service')).toMatchObject({ code: 0 });
  expect((await changes(b)).at(-1)).toMatchObject({
    ...{ who: '/run/convoy/api.sock', role: 'admin', through: 'host1' },
    ...{ method: 'POST', path: '/v1/units/here.service/reload', unit: 'here.service', status: 200 },
  });
});

test('over the network, a token or certificate gives its role; whoever passes on keeps it', async () => {
  const log = await remotely(c, a, by('reader'), 'journal', 'here.service');
  expect(log).toMatchObject({ code: 0, stdout: expect.stringContaining('hello from host2') });
  const refused = await remotely(c, a, by('reader'), 'reload', 'here.service');
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('reader has the role read: this needs the role operate'),
  });
  expect(await remotely(c, a, by('operator'), 'reload', 'here.service')).toMatchObject({ code: 0 });
  expect((await changes(b)).at(-1)).toMatchObject({ who: 'operator', role: 'operate', through: 'host1' });
  expect((await changes(a)).slice(-2)).toMatchObject([
    {
      who: 'reader',
      from: expect.stringMatching(/^10\.42\.0\.13 port \d+$/),
      status: 403,
      msg: 'refused a change',
    },
    { who: 'operator', from: expect.stringMatching(/^10\.42\.0\.13 port \d+$/), status: 200, msg: 'changed' },
  ]);
  expect(await remotely(c, a, by('operator'), 'cordon', b.machineId)).toMatchObject({ code: 1 });
  expect(await remotely(c, a, ALICE, 'cordon', b.machineId)).toMatchObject({ code: 0 });
  expect(await remotely(c, a, ALICE, 'uncordon', b.machineId)).toMatchObject({ code: 0 });
  for (const host of hosts.all)
    for (const token of Object.values(TOKENS)) expect(await host.log()).not.toContain(token);
});

test('a log that is followed across machines ends on all of them with its reader', async () => {
  const readers = async (): Promise<string> =>
    (await b.exec('pgrep', '-fc', 'journalctl.*here.service')).stdout;
  const followed = c.exec(
    ...['env', `CONVOY_ENDPOINT=https://${a.ip}:${PORT}`, 'CONVOY_CA_FILE=/shared/pki/authority.crt'],
    ...[...by('reader'), 'timeout', '4', 'convoyctl', 'journal', '--follow', 'here.service'],
  );
  await until('it is read', async () => (await readers()) === '1\n');
  expect((await followed).stdout).toContain('hello from host2');
  await until('it is read no more', async () => (await readers()) === '0\n');
});

test('without a credential, with a wrong one, or without TLS nobody is served', async () => {
  const nobody = await remotely(c, a, [], 'list-units');
  expect(nobody).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('show a token') });
  const wrong = await remotely(c, a, by('late'), 'list-units');
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('this token is not accepted') });
  const plain = await c.exec(
    'curl',
    '-s',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `http://${a.ip}:${PORT}/healthz`,
  );
  expect(plain.stdout).toBe('000');
  const blind = await c.exec('curl', '-sS', `https://${a.ip}:${PORT}/healthz`);
  expect(blind.code).not.toBe(0);
});

test('a token that is added counts after a reload, which touches no unit', async () => {
  const units = await untilActive(a, ['here.service', 'there.service']);
  appendFileSync(join(hosts.shared, 'tokens'), `late read ${TOKENS.late}\n`);
  await a.ask('systemctl', 'reload', 'convoyd.service');
  await until('it is accepted', async () => (await remotely(c, a, by('late'), 'list-units')).code === 0);
  expect(await untilActive(a, ['here.service', 'there.service'])).toEqual(units);
});

test('a machine with a certificate of another authority is neither believed nor served, in a sentence', async () => {
  const other = makeAuthority(join(hosts.shared, 'other'));
  other.issue(c.name, `IP:${c.ip}`, 'convoy-machine');
  await secure(c, 'other');
  const asked = await until('the certificate is seen', async () => {
    const run = await a.convoyctl('journal', 'there.service');
    return run.stderr.includes('certificate') && run;
  });
  expect(asked).toMatchObject({ code: 1, stdout: '' });
  expect(asked.stderr).toMatch(
    new RegExp(
      `the certificate that machine ${c.machineId} shows at https://${c.ip}:${PORT} is not to be trusted`,
    ),
  );
  expect(await c.convoyctl('journal', 'here.service')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /does not know this one as a machine of the cluster: this certificate is not accepted/,
    ),
  });
  await secure(c, 'pki');
  await until('all is well again', async () =>
    (await a.convoyctl('journal', 'there.service')).stdout.includes('hello from host3'),
  );
});

test('instead of certificates, machines may know each other by a token', async () => {
  appendFileSync(join(hosts.shared, 'tokens'), `cluster machine ${'c'.repeat(32)}\n`);
  for (const host of hosts.all) {
    authority.issue(host.name, `IP:${host.ip}`);
    await host.ask('systemctl', 'reload', 'convoyd.service');
  }
  await until('the log', async () =>
    (await a.convoyctl('journal', 'here.service')).stdout.includes('hello from host2'),
  );
  expect(await a.convoyctl('reload', 'here.service')).toMatchObject({ code: 0 });
  expect((await changes(b)).at(-1)).toMatchObject({ who: '/run/convoy/api.sock', through: 'cluster' });
});

test('of the sockets, one is for root and its group, the other for units of any user: to look things up', async () => {
  const modes = await a.ask('stat', '-c', '%a %U', '/run/convoy/api.sock', '/run/convoy/read.sock');
  expect(modes).toBe('660 root\n666 root\n');
  const asNobody = (socket: string, path: string): Promise<Run> => {
    const ask = ['curl', '-sS', '--unix-socket', `/run/convoy/${socket}`, `http://convoyd${path}`];
    return a.exec('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...ask);
  };
  expect((await asNobody('api.sock', '/healthz')).code).not.toBe(0);
  expect((await asNobody('read.sock', '/v1/services')).stdout).toBe('{"services":[]}');
  expect((await asNobody('read.sock', '/fleet/v1/units')).stdout).toContain('"code":403');
  expect((await asNobody('read.sock', '/v1/units/here.service/log')).stdout).toContain('"code":"role"');
});
