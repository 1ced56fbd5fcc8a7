import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { makeAuthority } from '../../support/certificates.js';
import { untilActive, untilMachines } from '../../support/fleet-view.js';
import { type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { startSubjects } from '../faults/kit.js';
import { etcdUsers } from '../registry/etcd-users.js';

/** Three hosts whose etcd shows a certificate, wants one, and a user with a password. */
const openHosts = useHosts();
let hosts: Hosts;
beforeAll(async () => {
  hosts = await openHosts({ count: 3 });
  const authority = makeAuthority(join(hosts.shared, 'certificates'));
  const server = authority.issue('etcd', 'IP:10.42.0.1');
  authority.issue('convoyd', 'DNS:convoyd');
  const clients = ['--client-cert-auth', '--trusted-ca-file', authority.cert];
  const [etcd] = await hosts.startEtcd({
    ...{ name: 'secured', port: 3379, scheme: 'https' },
    flags: ['--cert-file', server.cert, '--key-file', server.key, ...clients],
  });
  const users = etcdUsers(`http://127.0.0.1:${etcd?.outside.port}`);
  await users.addUser('convoy', 'sesame', '/convoy/');
  await users.enable();
  for (const host of hosts.all)
    await host.configure({
      CONVOY_ETCD: etcd?.url ?? '',
      CONVOY_ETCD_CAFILE: '/shared/certificates/authority.crt',
      CONVOY_ETCD_CERTFILE: '/shared/certificates/convoyd.crt',
      CONVOY_ETCD_KEYFILE: '/shared/certificates/convoyd.key',
      CONVOY_ETCD_USERNAME: 'convoy',
      CONVOY_ETCD_PASSWORD: host === hosts.host(3) ? 'wrong' : 'sesame',
      // Or they would hold: this is not the cluster they were in.
      CONVOY_STATE_DIR: '/var/lib/convoy-secured',
    });
}, 120_000);

it('machines join, units run; a wrong password is told in one sentence, and corrected without touching anything', async () => {
  await untilMachines(hosts.host(1), 2);
  const subjects = await startSubjects(hosts);
  const units = ['once.service', 'keep.service'];
  const before = await untilActive(hosts.host(2), units);
  const third = hosts.host(3);
  const said = await until('it says why', async () =>
    (await third.log()).split('\n').find((line) => line.includes('"wrong-credentials"')),
  );
  expect((JSON.parse(said) as { msg: string }).msg).toContain(
    'etcd does not know the user, or the password is wrong',
  );
  expect(await third.log()).not.toContain('"wrong"');
  await third.configure({ CONVOY_ETCD_PASSWORD: 'sesame' });
  await untilMachines(hosts.host(1), 3);
  expect(await untilActive(hosts.host(1), units)).toEqual(before);
  subjects.expectNeverTwo();
}, 90_000);
