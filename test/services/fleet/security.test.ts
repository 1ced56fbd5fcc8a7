import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeAuthority } from '../../support/certificates.js';
import type { Run } from '../../support/fleet.js';
import { activeOn, ctl, untilActive, untilMachines } from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import type { WorldEtcd } from '../../support/world-etcd.js';

/** Three hosts as Convoy is installed: machines know each other by the secret of their cluster, nobody is let in from outside. */
const PORT = 7070;
const PEER_PORT = 7373;
const SECRET_KEY = Buffer.from('/convoy/secret').toString('base64');
const TOKENS = { reader: 'r'.repeat(32), operator: 'o'.repeat(32), late: 'l'.repeat(32) };
const openHosts = useHosts();
let hosts: Hosts;
let a: Host;
let b: Host;
let c: Host;

beforeAll(async () => {
  hosts = await openHosts({ count: 3 });
  [a, b, c] = hosts.all as [Host, Host, Host];
  await untilMachines(a, 3);
  unit(
    'here',
    'MachineMetadata=host=host2',
    'ExecStart=/bin/sh -c "echo hello from host2; exec sleep infinity"\nExecReload=/bin/true',
  );
  unit(
    'there',
    'MachineMetadata=host=host3',
    'ExecStart=/bin/sh -c "echo hello from host3; exec sleep infinity"',
  );
  unit(
    'every',
    'Global=true',
    'ExecStart=/bin/sh -c "echo hello from all; exec sleep infinity"\nExecReload=/bin/sh -c "echo reloaded"',
  );
  await ctl(a, 'start', 'here.service', 'there.service', 'every.service');
  await untilActive(a, ['here.service', 'there.service']);
  await until('every.service everywhere', async () => (await activeOn(a)).get('every.service')?.length === 3);
}, 120_000);

function unit(name: string, placed: string, service: string): void {
  hosts.unit(`${name}.service`, `[Service]\n${service}\n[X-Fleet]\n${placed}\n`);
}

/** The lines of a host's log of changes. */
async function changes(host: Host): Promise<Record<string, unknown>[]> {
  const lines = (await host.log()).split('\n').filter((line) => /"(changed|refused a change)"/.test(line));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('with no setting at all', () => {
  test('the one TCP port of convoyd is that for machines, on the address they know', async () => {
    for (const host of hosts.all) {
      const listening = await host.ask('sh', '-c', "ss -Hltnp | grep node | awk '{print $4}'");
      expect(listening).toBe(`${host.ip}:${PEER_PORT}\n`);
    }
  });

  test('journal, status, reload and why of any unit from any machine', async () => {
    for (const host of hosts.all) {
      for (const [name, where] of [
        ['here', 'host2'],
        ['there', 'host3'],
        ['every', 'all'],
      ])
        await until(`${name} from ${host.name}`, async () =>
          (await host.convoyctl('journal', `${name}.service`)).stdout.includes(`hello from ${where}`),
        );
      const everywhere = await host.convoyctl('journal', 'every.service');
      expect(everywhere).toMatchObject({ code: 0, stderr: '' });
      for (const { ip } of hosts.all) expect(everywhere.stdout).toContain(`/${ip}: `);
      const status = await host.convoyctl('status', 'there.service', 'every.service');
      expect(status).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringContaining('hello from host3'),
      });
      expect(status.stdout.match(/hello from all/g)).toHaveLength(3);
      for (const unit of ['here.service', 'every.service']) {
        const { code, stderr } = await host.convoyctl('reload', unit);
        expect(code, stderr).toBe(0);
        // Of a reload that takes a second it says that it waits.
        expect(stderr).toMatch(/^(Waiting for unit \S+ to reload: .*\n)?$/);
      }
      expect(await host.convoyctl('why', 'there.service')).toMatchObject({ code: 0, stderr: '' });
    }
    for (const host of hosts.all)
      await until(`all reloads on ${host.name}`, async () => {
        const log = await host.ask('journalctl', '-u', 'every.service', '-o', 'cat', '--no-pager');
        return log.match(/^reloaded$/gm)?.length === 3;
      });

    unit('lost', 'MachineMetadata=host=nowhere', 'ExecStart=/bin/true');
    await ctl(a, 'start', '--no-block', 'lost.service');
    for (const host of hosts.all)
      await until(`the reason from ${host.name}`, async () =>
        (await host.convoyctl('why', 'lost.service')).stdout.includes('3 lack host=nowhere'),
      );
    await ctl(a, 'destroy', 'lost.service');
  }, 60_000);

  test('a log that is followed on another machine ends there with its reader', async () => {
    const readers = async (): Promise<string> =>
      (await b.exec('pgrep', '-fc', 'journalctl.*here.service')).stdout;
    const followed = c.exec('timeout', '4', 'convoyctl', 'journal', '--follow', 'here.service');
    await until('it is read', async () => (await readers()) === '1\n');
    expect((await followed).stdout).toContain('hello from host2');
    await until('it is read no more', async () => (await readers()) === '0\n');
  });

  test('what is done over a socket of one machine is logged on the other with who asked', async () => {
    expect(await a.convoyctl('reload', 'here.service')).toMatchObject({ code: 0 });
    expect((await changes(b)).at(-1)).toMatchObject({
      ...{ who: '/run/convoy/api.sock', role: 'admin', through: a.machineId },
      ...{ from: expect.stringMatching(/^10\.42\.0\.11 port \d+$/) },
      ...{ method: 'POST', path: '/v1/units/here.service/reload', unit: 'here.service', status: 200 },
    });
  });

  test('the port for machines is closed to all others, and nothing of the secret is logged', async () => {
    const secret = await secretOf(hosts.etcd);
    const url = `${a.ip}:${PEER_PORT}/healthz`;
    for (const scheme of ['http', 'https'])
      expect((await c.exec('curl', '-sSk', `${scheme}://${url}`)).code).not.toBe(0);
    expect(await shakesHands(c, a, Buffer.alloc(32))).toBe(false);
    expect(await shakesHands(c, a, secret)).toBe(true);
    for (const host of hosts.all)
      for (const form of ['hex', 'base64'] as const)
        expect(await host.log()).not.toContain(secret.toString(form));
  });

  test('a machine that is in another cluster is none of this one; it is again when it comes back', async () => {
    const [other] = await hosts.startEtcd({ name: 'other', port: 4379 });
    if (other === undefined) throw new Error('no other etcd');
    await c.configure({ CONVOY_ETCD: other.url, CONVOY_STATE_DIR: '/var/lib/convoy-other' });
    await untilMachines(c, 1);
    const theirs = await until('it has a secret of its own', async () => secretOf(other).catch(() => null));
    const ours = await secretOf(hosts.etcd);
    expect(await shakesHands(c, b, theirs)).toBe(false);
    expect(await shakesHands(b, c, ours)).toBe(false);
    await until('its own do', () => shakesHands(b, c, theirs));
    await c.configure({ CONVOY_ETCD: hosts.etcd.url, CONVOY_STATE_DIR: null });
    // Its lease here may have to run out first.
    await until(
      'all is well again',
      async () => (await a.convoyctl('journal', 'there.service')).stdout.includes('hello from host3'),
      30_000,
    );
  }, 60_000);

  test('machines whose secrets differ say so; a new secret counts after a reload, which touches no unit', async () => {
    const units = await untilActive(a, ['here.service', 'there.service']);
    await kv(hosts.etcd, 'deleterange', { key: SECRET_KEY });
    const refused = await a.convoyctl('reload', 'here.service');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    const where = `machine ${b.machineId} at psk://${b.ip}:${PEER_PORT}`;
    expect(refused.stderr).toBe(
      `Error reloading units: ${where} does not know this one as a machine of the cluster: their secrets differ\n`,
    );
    for (const host of hosts.all) await host.ask('systemctl', 'reload', 'convoyd.service');
    for (const host of hosts.all)
      await until(
        `${host.name} is known`,
        async () => (await host.convoyctl('reload', 'here.service')).code === 0,
      );
    expect(await untilActive(a, ['here.service', 'there.service'])).toEqual(units);
  }, 60_000);
});

/** The etcd of the test, spoken to as by an operator. */
async function kv(etcd: WorldEtcd, what: string, body: object): Promise<{ kvs?: { value: string }[] }> {
  const url = `http://127.0.0.1:${etcd.outside.port}/v3/kv/${what}`;
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  return (await answer.json()) as { kvs?: { value: string }[] };
}

async function secretOf(etcd: WorldEtcd): Promise<Buffer> {
  const [entry] = (await kv(etcd, 'range', { key: SECRET_KEY })).kvs ?? [];
  if (entry === undefined) throw new Error('there is no secret');
  return Buffer.from(Buffer.from(entry.value, 'base64').toString(), 'base64');
}

/** Whether what shows this secret on one host comes through to the convoyd of another. */
async function shakesHands(from: Host, to: Host, secret: Buffer): Promise<boolean> {
  const key = ['-psk_identity', from.machineId, '-psk', secret.toString('hex')];
  const cipher = ['-tls1_2', '-cipher', 'ECDHE-PSK-CHACHA20-POLY1305'];
  const run = await from.exec(
    ...['timeout', '10', 'openssl', 's_client', '-connect', `${to.ip}:${PEER_PORT}`, ...cipher, ...key],
  );
  expect(run.stdout).toMatch(/^CONNECTED/);
  return run.code === 0;
}

describe('with TLS and tokens, for operators elsewhere', () => {
  beforeAll(async () => {
    const authority = makeAuthority(join(hosts.shared, 'pki'));
    authority.issue('alice', 'DNS:laptop', 'convoy-admin');
    authority.issue(a.name, `IP:${a.ip}`);
    const lines = [`reader read ${TOKENS.reader}\n`, `operator operate ${TOKENS.operator}\n`];
    writeFileSync(join(hosts.shared, 'tokens'), lines.join(''), { mode: 0o600 });
    await a.configure({
      CONVOY_LISTEN: `0.0.0.0:${PORT}`,
      CONVOY_TLS_CERT: `/shared/pki/${a.name}.crt`,
      CONVOY_TLS_KEY: `/shared/pki/${a.name}.key`,
      CONVOY_TLS_CA: '/shared/pki/authority.crt',
      CONVOY_API_TOKENS: '/shared/tokens',
    });
    await untilMachines(a, 3);
  }, 60_000);

  /** convoyctl on a host, with what shows who asks (`CONVOY_TOKEN=...`), against another one over the network. */
  function remotely(from: Host, to: Host, who: readonly string[], ...args: string[]): Promise<Run> {
    const endpoint = ['CONVOY_ENDPOINT', `https://${to.ip}:${PORT}`].join('=');
    const ca = 'CONVOY_CA_FILE=/shared/pki/authority.crt';
    return from.exec('env', endpoint, ca, ...who, 'convoyctl', ...args);
  }
  const by = (token: keyof typeof TOKENS): string[] => [`CONVOY_TOKEN=${TOKENS[token]}`];
  const ALICE = ['CONVOY_CERT_FILE=/shared/pki/alice.crt', 'CONVOY_KEY_FILE=/shared/pki/alice.key'];

  test('over the network, a token or certificate gives its role; whoever passes on keeps it', async () => {
    const log = await remotely(c, a, by('reader'), 'journal', '--lines=100', 'here.service');
    expect(log).toMatchObject({ code: 0, stdout: expect.stringContaining('hello from host2') });
    const refused = await remotely(c, a, by('reader'), 'reload', 'here.service');
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('reader has the role read: this needs the role operate'),
    });
    expect(await remotely(c, a, by('operator'), 'reload', 'here.service')).toMatchObject({ code: 0 });
    expect((await changes(b)).at(-1)).toMatchObject({
      who: 'operator',
      role: 'operate',
      through: a.machineId,
    });
    expect((await changes(a)).slice(-2)).toMatchObject([
      {
        who: 'reader',
        from: expect.stringMatching(/^10\.42\.0\.13 port \d+$/),
        status: 403,
        msg: 'refused a change',
      },
      {
        who: 'operator',
        from: expect.stringMatching(/^10\.42\.0\.13 port \d+$/),
        status: 200,
        msg: 'changed',
      },
    ]);
    expect(await remotely(c, a, by('operator'), 'cordon', b.machineId)).toMatchObject({ code: 1 });
    expect(await remotely(c, a, ALICE, 'cordon', b.machineId)).toMatchObject({ code: 0 });
    expect(await remotely(c, a, ALICE, 'uncordon', b.machineId)).toMatchObject({ code: 0 });
    for (const host of hosts.all)
      for (const token of Object.values(TOKENS)) expect(await host.log()).not.toContain(token);
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
