import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type EtcdRegistryOptions, openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { Registry } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { makeAuthority } from '../../support/certificates.js';
import { startEtcdCluster } from '../../support/etcd-cluster.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { etcdUsers } from './etcd-users.js';
import { liveADay } from './registry-lab.js';

const ground = useGround('secured-etcd');
const opened: Registry[] = [];
afterEach(() => Promise.all(opened.splice(0).map((registry) => registry.close())));

async function open(url: string, access: Pick<EtcdRegistryOptions, 'tls' | 'auth'>): Promise<Registry> {
  const registry = await openEtcdRegistry({
    ...{ endpoints: [url], prefix: '/convoy/', memory: memoryOfMachine() },
    ...{ clock: systemClock(), log: silentLog, ...access },
  });
  opened.push(registry);
  return registry;
}

const authority = makeAuthority(join(ground.dir, 'certificates'));
const pem = ({ cert, key }: { cert: string; key: string }) => ({
  cert: readFileSync(cert),
  key: readFileSync(key),
});
const ca = readFileSync(authority.cert);
const ours = pem(authority.issue('convoyd', 'DNS:convoyd'));

async function secureEtcd(name: string, addresses = 'IP:127.0.0.1') {
  const { cert, key } = authority.issue(name, addresses);
  const clients = ['--client-cert-auth', '--trusted-ca-file', authority.cert];
  const [member] = await startEtcdCluster(ground, {
    ...{ name, members: 1, scheme: 'https', flags: ['--cert-file', cert, '--key-file', key, ...clients] },
  });
  return member!;
}

describe('etcd with TLS', () => {
  it('is joined, led, written and watched, and again after a restart', async () => {
    const etcd = await secureEtcd('tls');
    const registry = await open(etcd.url, { tls: { ca, ...ours } });
    const day = await liveADay(registry, 'm1');
    await etcd.kill();
    await etcd.restart();
    await until('etcd answers', () => registry.readLeader().catch(() => undefined));
    await day.placeOne();
    expect([day.session.trusted(), day.term.trusted()]).toEqual([true, true]);
  });

  it('says in one sentence what is wrong with a certificate', async () => {
    const etcd = await secureEtcd('tls-right');
    const elsewhere = await secureEtcd('tls-elsewhere', 'DNS:elsewhere.example');
    const stranger = makeAuthority(join(ground.dir, 'stranger'));
    const cases: [string, Pick<EtcdRegistryOptions, 'tls'>, RegExp][] = [
      [etcd.url, {}, /not signed by an authority that is trusted here/],
      [etcd.url, { tls: { ca: readFileSync(stranger.cert), ...ours } }, /not signed by an authority/],
      [elsewhere.url, { tls: { ca, ...ours } }, /its certificate is not for this address/],
      [etcd.url, { tls: { ca } }, /does not accept the certificate of this machine/],
      [etcd.url, { tls: { ca, ...pem(stranger.issue('me', 'DNS:me')) } }, /does not accept the certificate/],
    ];
    for (const [url, access, message] of cases) {
      const registry = await open(url, access);
      const failure = registry.join(aMachine('m1'), 10_000);
      await expect(failure, String(message)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'tls', message: expect.stringMatching(message) },
      });
      await expect(failure).rejects.toThrow(url);
    }
    const plain = await testEtcd(ground, { name: 'plain' });
    const registry = await open(plain.url.replace('http:', 'https:'), { tls: { ca } });
    await expect(registry.readLeader()).rejects.toMatchObject({
      ...{ kind: 'transient', code: 'unreachable', message: expect.stringMatching(/does it speak TLS\?$/) },
    });
    await expect(open(plain.url, { tls: { ca } })).rejects.toMatchObject({
      kind: 'permanent',
      code: 'usage',
    });
  });
});

describe('etcd with users', () => {
  const auth = { username: 'convoy', password: 'secret' };

  /** An etcd with a user who has the prefix and nothing else. */
  async function etcdWithUsers(name: string, flags: readonly string[] = []) {
    const etcd = await testEtcd(ground, { name, flags: ['--bcrypt-cost', '4', ...flags] });
    const users = etcdUsers(etcd.url);
    await users.addUser(auth.username, auth.password, '/convoy/');
    return { etcd, users };
  }

  it('goes on when it has forgotten all tokens in a restart', async () => {
    const { etcd, users } = await etcdWithUsers('users');
    await users.enable();
    const registry = await open(etcd.url, { auth });
    const day = await liveADay(registry, 'm1');
    const lasting = await registry.openClusterView(new AbortController().signal);
    for (let i = 0; i < 2; i += 1) {
      await etcd.kill();
      await etcd.restart();
      await until('etcd answers', () => registry.readLeader().catch(() => undefined));
      await day.placeOne();
    }
    const { revision } = await registry.readAll();
    await until('the other view is up to date', () => {
      const now = lasting.snapshot();
      return now.kind === 'cluster' && now.revision >= revision;
    });
    expect([day.session.lost.aborted, day.term.lost.aborted]).toEqual([false, false]);
    await day.session.leave();
  });

  it('goes on when tokens run out, again and again, and when users are changed', async () => {
    const [key, publicKey] = [join(ground.dir, 'jwt.key'), join(ground.dir, 'jwt.pub')];
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'pipe' });
    execFileSync('openssl', ['rsa', '-in', key, '-pubout', '-out', publicKey], { stdio: 'pipe' });
    const jwt = `jwt,pub-key=${publicKey},priv-key=${key},sign-method=RS256,ttl=2s`;
    const { etcd, users } = await etcdWithUsers('users-jwt', ['--auth-token', jwt]);
    await users.enable();
    const registry = await open(etcd.url, { auth });
    const day = await liveADay(registry, 'm1', 3000);
    const other = await open(etcd.url, { auth });
    const campaign = other.campaign('m2', 3000, AbortSignal.timeout(60_000)).catch((error) => error);
    const deadline = performance.now() + 8000;
    while (performance.now() < deadline) await day.placeOne();
    await users.addUser('another', 'secret', '/elsewhere/');
    await day.placeOne();
    expect([day.session.trusted(), day.term.trusted()]).toEqual([true, true]);
    await day.term.resign();
    expect(await campaign).toMatchObject({ fence: expect.any(Number) });
  });

  it('goes on when etcd begins to ask who one is', async () => {
    const { etcd, users } = await etcdWithUsers('users-late');
    const registry = await open(etcd.url, { auth });
    const day = await liveADay(registry, 'm1');
    await users.enable();
    await day.placeOne();
    await etcd.kill();
    await etcd.restart();
    await until('etcd answers', () => registry.readLeader().catch(() => undefined));
    await day.placeOne();
    expect(day.session.lost.aborted).toBe(false);
  });

  it('says in one sentence whom it does not know, and what a user may not', async () => {
    const { etcd, users } = await etcdWithUsers('users-errors');
    await users.addUser('narrow', 'secret', '/elsewhere/');
    await users.enable();
    const cases: [Pick<EtcdRegistryOptions, 'auth'>, RegExp][] = [
      [{ auth: { ...auth, password: 'wrong' } }, /does not know the user, or the password is wrong/],
      [{ auth: { ...auth, username: 'nobody' } }, /does not know the user, or the password is wrong/],
      [{}, /asks for a user and a password/],
      [{ auth: { username: 'narrow', password: 'secret' } }, /may not read and write .* the prefix/],
    ];
    for (const [access, message] of cases) {
      const registry = await open(etcd.url, access);
      await expect(registry.join(aMachine('m1'), 10_000), String(message)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'wrong-credentials', message: expect.stringMatching(message) },
      });
      const view = registry.openPlacementView('m1');
      await expect(registry.readAll()).rejects.toThrow(message);
      expect(view.snapshot().kind).toBe('hold');
    }
  });
});
