import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { testMachine, writeUnit } from '../../support/fleet.js';
import { untilMachines } from '../../support/fleet-view.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

/** Whole convoyds on loopback, without a setting for each other. */
const ground = useGround('peers');

test('a convoyd asks the other where it is, also once that has come back elsewhere, or not at all', async () => {
  const etcd = await testEtcd(ground);
  const [a, b] = await Promise.all([testMachine(ground, 'a', etcd.url), testMachine(ground, 'b', etcd.url)]);
  await untilMachines(a, 2);
  const onB = '[X-Fleet]\nMachineMetadata=host=b\n';
  writeUnit(a, 'say.service', `[Service]\nExecStart=/bin/sh -c "echo hello; exec sleep 1000"\n${onB}`);
  expect(await a.ctl('start', 'say.service')).toMatchObject({ code: 0 });
  const heard = async (): Promise<boolean> =>
    (await a.ctl('journal', 'say.service')).stdout.includes('hello');
  await until('its log', heard);
  const before = await apiOf();
  expect(before).toMatch(/^psk:\/\/127\.0\.0\.1:\d+$/);

  await b.end('SIGKILL');
  await b.startAgain();
  await until('another address', async () => ![before, null].includes(await apiOf()));
  await until('its log again', heard);

  await b.end('SIGTERM');
  const deaf = await testMachine(ground, 'b', etcd.url, ['--peer-listen', 'none']);
  await until('no address', async () => (await apiOf()) === null);
  expect(await a.ctl('journal', 'say.service')).toMatchObject({
    code: 1,
    stderr: `convoyctl: machine ${b.id} answers no requests of other machines: give this command there\n`,
  });
  expect((await deaf.ctl('journal', 'say.service')).stdout).toContain('hello');

  /** Where B is, as A is told. */
  async function apiOf(): Promise<string | null> {
    const { stdout } = await a.ctl('list-machines', '--output', 'json');
    const rows = JSON.parse(stdout) as { machine: string; api: string | null }[];
    return rows.find(({ machine }) => machine === b.id)?.api ?? null;
  }
}, 60_000);

test('an address that was asked for and is taken ends convoyd in one sentence', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const d = await testMachine(ground, 'd', 'http://127.0.0.1:1', ['--peer-listen', `127.0.0.1:${port}`]);
  await until('it says so', () =>
    d.log().includes(`convoyd: cannot serve the API on 127.0.0.1:${port}: listen EADDRINUSE`),
  );
  taken.close();
}, 30_000);
