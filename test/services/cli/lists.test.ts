import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Terminal } from '../../../cli/command.js';
import { ListedMachine, ListedService, ListedUnit, ListedUnitFile } from '../../../cli/json-output.js';
import { aState } from '../../contracts/registry-contract.js';
import { commandRunner } from '../../support/commands.js';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

/** The lists beyond fleet's tables, which the replay of fleetctl's recordings covers. */

const A = '1'.repeat(32);
const B = '2'.repeat(32);
const GONE = '9'.repeat(32);
const ON_A = '11111111.../10.0.0.1';
const ON_B = '22222222.../10.0.0.2';
const PENDING = 'pending: 0 of 2 machines: 2 lack az=eu';

let fleet: FakeFleet;
let cwd: string;

const inProcess = commandRunner(() => `unix://${fleet.socket}`);
const run = (...args: string[]): Promise<CliResult> => inProcess(args);
async function out(...args: string[]): Promise<string> {
  const { stdout, stderr, exit } = await run(...args);
  expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
  return stdout;
}
async function column(...args: string[]): Promise<string[]> {
  return (await out('list-units', '--no-legend', '--fields=unit', ...args)).split('\n').filter(Boolean);
}

beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: { zone: '東京', host: '1' } },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
  cwd = mkdtempSync(join(fleet.dir, 'cwd-'));
  const unit = (name: string, about = '') =>
    writeFileSync(
      join(cwd, `${name}.service`),
      `[Unit]\nDescription=A test of ${name}\n[Service]\nExecStart=/bin/sleep 100\n${about}`,
    );
  for (const name of ['web@1', 'web@2', 'web@10', 'boom', 'lost']) unit(name);
  unit('every', '[X-Fleet]\nGlobal=true\n');
  fleet.behaviours.set('boom.service', { fails: 'no such file' });
  fleet.behaviours.set('lost.service', { refusal: PENDING });
  const units = ['boom', 'every', 'lost', 'web@1', 'web@2', 'web@10'];
  const env = { CONVOY_ENDPOINT: `unix://${fleet.socket}` };
  await convoyctl(['start', '--no-block', ...units], { cwd, env });
  await fleet.rest();
  const gone = await fleet.registry.join(
    { id: GONE, ip: '10.0.0.9', metadata: {}, apiAddress: '', version: 'test', bootId: '1' },
    60_000,
  );
  await gone.leave();
  const { registry } = fleet;
  await fleet.sessions[1]?.announce([
    { service: 'redis', unit: 'web@1.service', machine: B, host: '::1', port: 6379 },
    { service: 'web', unit: 'web@2.service', machine: B, host: '10.0.0.2', port: 80 },
  ]);
  expect((await registry.readServices()).services).toHaveLength(2);
});
afterAll(() => fleet.stop());

describe('-o json is what docs/json-output.md promises', () => {
  test.each([
    ['list-units', ListedUnit, 7],
    ['list-unit-files', ListedUnitFile, 6],
    ['list-machines', ListedMachine, 2],
    ['services', ListedService, 2],
  ] as const)('%s, and -o yaml the same', async (command, schema, count) => {
    const rows = JSON.parse(await out(command, '-o', 'json')) as unknown[];
    expect(v.parse(v.array(schema as v.GenericSchema), rows)).toHaveLength(count);
    expect(parse(await out(command, '--output=yaml'))).toEqual(rows);
  });

  test('units on machines, and those that are nowhere, with their reasons', async () => {
    const rows = JSON.parse(await out('list-units', '-o', 'json')) as ListedUnit[];
    expect(rows.map(({ unit }) => unit)).toEqual([
      ...['boom.service', 'every.service', 'every.service', 'lost.service'],
      ...['web@1.service', 'web@10.service', 'web@2.service'],
    ]);
    expect(rows[0]).toMatchObject({ active: 'failed', exit: '1', reason: 'no such file', restarts: 0 });
    expect(rows[0]?.since).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(rows[3]).toMatchObject({ machine: null, active: null, hash: null, reason: PENDING });
    expect([rows[1]?.machine, rows[2]?.machine]).toEqual([A, B]);
  });

  test('unit files: of a global no state and no machine', async () => {
    const rows = JSON.parse(await out('list-unit-files', '-o', 'json')) as ListedUnitFile[];
    const find = (name: string) => rows.find(({ unit }) => unit === name);
    expect(find('every.service')).toMatchObject({ global: true, state: null, machine: null });
    expect(find('web@1.service')).toMatchObject({
      ...{ global: false, state: 'launched', desiredState: 'launched', placed: 'fewest units' },
      ...{ description: 'A test of web@1', restarts: 0, reason: null },
    });
    expect(find('web@1.service')?.generation).toBeGreaterThan(0);
    expect(find('lost.service')).toMatchObject({ state: 'inactive', machine: null, reason: PENDING });
  });

  test('machines: those that are gone only with --all', async () => {
    const rows = JSON.parse(await out('list-machines', '-o', 'json', '--all')) as ListedMachine[];
    expect(rows.map(({ machine, state, leader }) => [machine, state, leader])).toEqual([
      [A, 'ready', true],
      [B, 'ready', false],
      [GONE, 'left', false],
    ]);
    expect(rows[0]?.metadata).toEqual({ zone: '東京', host: '1' });
    expect(rows[2]).toMatchObject({ ip: null, version: null, boot: null, api: null, alive: false });
  });

  test.each(['list-units', 'list-unit-files', 'list-machines', 'services'])(
    '%s: nothing is []',
    async (command) => {
      expect(await out(command, '-o', 'json', 'nosuch')).toBe('[]\n');
      expect(await out(command, '-o', 'yaml', 'nosuch')).toBe('[]\n');
    },
  );
});

describe('tables', () => {
  test('-o wide has more columns', async () => {
    const units = await out('list-units', '-o', 'wide', 'boom', 'lost');
    expect(units.split('\n')[0]?.split(/\t+/)).toEqual(
      ['unit', 'machine', 'load', 'active', 'sub', 'hash', 'age', 'restarts', 'reason'].map((name) =>
        name.toUpperCase(),
      ),
    );
    expect(units).toMatch(
      /^boom\.service\t+\S+\t+loaded\t+failed\t+failed\t+\w{7}\t+\d+s\t+0\t+no such file$/m,
    );
    expect(units).toMatch(new RegExp(`^lost\\.service\t+-\t+-\t+-\t+-\t+-\t+-\t+0\t+${PENDING}$`, 'm'));
    expect(await out('list-machines', '-o', 'wide')).toBe(
      'MACHINE\t\tIP\t\tSTATE\tLEADER\tVERSION\tAPI\tMETADATA\n' +
        '11111111...\t10.0.0.1\tready\tleader\ttest\t-\thost=1,zone=東京\n' +
        '22222222...\t10.0.0.2\tready\t-\ttest\t-\t-\n',
    );
    expect(
      (await out('list-unit-files', '-o', 'wide', 'lost')).split('\n')[1]?.split(/\t+/).slice(2),
    ).toEqual([...['launched', 'inactive', '-', '0', 'A test of lost', '-', PENDING]]);
  });

  test('-o wide tells of destroyed units what fleet tells', async () => {
    const { machineId, publish } = fleet.sessions[1]!;
    await publish(
      [{ ...aState(machineId, 'gone.service', 'deactivating'), reason: 'it takes its time' }],
      [],
    );
    expect((await out('list-units', '-o', 'wide', 'gone')).split('\n')[1]).toMatch(
      /^gone\.service\t+22222222\S+\t+loaded\t+deactivating\t+\S+\t+\w+\t+-\t+0\t+-$/,
    );
    await publish([], ['gone.service']);
  });

  test('columns after wide characters stand under each other', async () => {
    expect(await out('list-machines', '--fields=metadata,ip')).toBe(
      'METADATA\t\tIP\nhost=1,zone=東京\t10.0.0.1\n-\t\t\t10.0.0.2\n',
    );
  });

  test('services say where they answer; names and patterns choose some', async () => {
    expect(await out('services')).toBe(
      'SERVICE\tUNIT\t\tMACHINE\t\t\tADDRESS\n' +
        `redis\tweb@1.service\t${ON_B}\t[::1]:6379\nweb\tweb@2.service\t${ON_B}\t10.0.0.2:80\n`,
    );
    expect(await out('services', '--no-legend', 'w*')).toBe(`web\tweb@2.service\t${ON_B}\t10.0.0.2:80\n`);
  });

  test('names and patterns choose units; beginnings of ids choose machines', async () => {
    expect(await column('web@*')).toEqual(['web@1.service', 'web@10.service', 'web@2.service']);
    expect(await column('web@?', 'boom.service')).toEqual(['boom.service', 'web@1.service', 'web@2.service']);
    expect(await column('nosuch')).toEqual([]);
    expect(await out('list-unit-files', '--no-legend', '--fields=unit', 'web@1*')).toBe(
      'web@1.service\nweb@10.service\n',
    );
    expect(await out('list-machines', '--no-legend', '--fields=ip', '2222', ON_A)).toBe(
      '10.0.0.1\n10.0.0.2\n',
    );
  });

  test('--sort orders by any column, by the numbers in texts, one way or the other', async () => {
    expect(await column('web@*', '--sort=unit')).toEqual([
      'web@1.service',
      'web@2.service',
      'web@10.service',
    ]);
    expect(await column('web@*', '--sort', '-unit')).toEqual([
      'web@10.service',
      'web@2.service',
      'web@1.service',
    ]);
    expect(await column('--sort=active,-machine,unit', 'boom', 'every')).toEqual([
      ...['every.service', 'every.service', 'boom.service'],
    ]);
    const rows = JSON.parse(await out('list-units', '-o', 'json', '--sort=-unit', 'web@*')) as ListedUnit[];
    expect(rows.map(({ unit }) => unit)).toEqual(['web@10.service', 'web@2.service', 'web@1.service']);
  });

  test.each([
    [['--sort=nosuch'], '--sort: there is no column "nosuch", only unit, load, '],
    [['-o', 'xml'], '-o: expected one of json, yaml, wide, got "xml"'],
    [
      ['-o', 'json', '--fields=unit'],
      '--fields chooses columns of the plain table: leave it out with -o json',
    ],
  ])('%j is wrong usage', async (args, sentence) => {
    const { stdout, stderr, exit } = await run('list-units', ...args);
    expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
    expect(stderr).toContain(sentence);
  });

  test('a list that cannot be had is told, and is no empty list', async () => {
    for (const args of [['list-units'], ['list-machines', '-o', 'json'], ['services']]) {
      const result = await commandRunner(() => `unix://${cwd}/nobody.sock`)(args);
      expect(result).toMatchObject({ stdout: '', exit: 1 });
      expect(result.stderr).toMatch(/^Error retrieving list of .*no convoyd answers at/);
    }
  });

  test('as fleetctl, with what it said then', async () => {
    const nobody = commandRunner(() => `unix://${cwd}/nobody.sock`);
    const machines = await nobody(['list-machines'], { fleet: true });
    expect(machines).toMatchObject({ stdout: '', exit: 1 });
    expect(machines.stderr).toMatch(
      /^Error retrieving list of active machines from fleet API \(.*\)\nPossible issues:\n {2}etcd is unhealthy and\/or lost quorum\n {2}connection cannot be established to any etcd servers\n$/,
    );
    for (const list of ['list-units', 'list-unit-files'])
      expect((await nobody([list], { fleet: true })).stderr).toMatch(
        /^Error retrieving list of units from repository: .*\n$/,
      );
  });
});

describe('--watch', () => {
  const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };
  const ARGS = ['list-units', '--watch', '--no-legend', '--fields=unit,active', 'seen@*', 'boom'];

  /** Watches, lets a unit be started, and says enough when that is shown. */
  async function watched(unit: string, shown: RegExp, terminal?: Terminal): Promise<CliResult> {
    const enough = new AbortController();
    let soFar = '';
    const ended = inProcess(ARGS, {
      interrupted: enough.signal,
      ...(terminal === undefined ? {} : { terminal }),
      onStdout: (text) => {
        soFar = text;
      },
    });
    await until('the list', () => soFar.includes('boom.service'));
    await fleet.registry.submitUnit(unit, SLEEP, 'launched');
    await until('the list with the unit', () => shown.test(soFar));
    await fleet.rest();
    enough.abort();
    return ended;
  }

  test('prints the list again after every change, in a pipe', async () => {
    const { stdout, stderr, exit } = await watched('seen@1.service', /^seen@1.service\t.*active/m);
    expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
    const texts = stdout.split(/^(?=boom)/m);
    expect(texts[0]).toBe('boom.service\tfailed\n');
    expect(texts.at(-1)).toMatch(/^boom\.service\tfailed\nseen@1\.service\t(in)?active\n$/);
    expect(new Set(texts.map((text, at) => text !== texts[at - 1]))).toEqual(new Set([true]));
  });

  test('draws over the last one on a terminal, in colour, and no more than fits', async () => {
    const terminal = { columns: 80, rows: 3, colours: true, write: () => undefined };
    const { stdout, exit } = await watched('seen@2.service', /2 more/, terminal);
    expect(exit).toBe(0);
    const frames = stdout.split('\u001b[H');
    expect(frames[0]).toBe('\u001b[2J\u001b[?7l');
    expect(frames[1]).toContain('\u001b[2Kboom.service\t\u001b[31mfailed\u001b[0m\n');
    expect(frames.at(-1)).toMatch(/^.{4}boom.*\n.{4}\.\.\. 2 more\n.*$/);
    expect(stdout.endsWith('\u001b[?7h')).toBe(true);
  });

  test('of a cluster that does not answer is told', async () => {
    const result = await commandRunner(() => `unix://${cwd}/nobody.sock`)(ARGS);
    expect(result).toMatchObject({ stdout: '', exit: 1 });
    expect(result.stderr).toMatch(/^convoyctl: no convoyd answers at/);
  });
});
