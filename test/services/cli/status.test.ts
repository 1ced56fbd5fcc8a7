import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiOptions } from '../../../api/server.js';
import { permanent } from '../../../runtime/errors.js';
import { commandRunner } from '../../support/commands.js';
import { type FakeFleet, FOR_PEERS, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

/** Status and logs of units on any machine, asked of any: B's convoyd answers the first one. */

const A = '1'.repeat(32);
const B = '2'.repeat(32);
const C = '3'.repeat(32);
const ON_A = '11111111.../10.0.0.1';
const ON_B = '22222222.../10.0.0.2';
const ON_C = '33333333.../10.0.0.3';
const PENDING = 'pending: 0 of 3 machines: 3 lack az=eu';
const SINCE = String.raw`since \w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; \d+s ago`;

let fleet: FakeFleet;
let endpoint: string;
const stops: (() => Promise<void>)[] = [];
/** What the logs were asked for, on A and B. */
const asked: unknown[] = [];
/** When lines were written, two on A and two on B; null: lines have no times. */
let times: readonly string[] | null = null;

const log = (machine: string): ApiOptions['localLog'] =>
  async function* (unit, options, signal) {
    asked.push({ machine, ...options });
    if (options.since === 'nonsense')
      throw permanent('Failed to parse timestamp: nonsense', { code: 'refused' });
    if (times !== null) {
      for (const time of times.slice(machine === 'A' ? 0 : 2).slice(0, 2)) yield `${time} host sh[1]: tick`;
      return;
    }
    yield `${unit} one on ${machine}`;
    if (options.lines !== 1) yield `${unit} two on ${machine}`;
    if (!options.follow) return;
    yield `${unit} more on ${machine}`;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  };

beforeAll(async () => {
  fleet = await startFakeFleet([A, B, C].map((id, at) => ({ id, ip: `10.0.0.${at + 1}`, metadata: {} })));
  const tcp = [{ host: '127.0.0.1', port: 0, role: 'admin' as const }];
  const other = await fleet.serve({ machineId: B, localLog: log('B'), peerListen: FOR_PEERS });
  const { registry } = fleet;
  const first = await fleet.serve({
    tcp,
    localLog: log('A'),
    registry: {
      ...registry,
      async readMachines(signal) {
        const read = await registry.readMachines(signal);
        const apiAddress = other.peerAddress;
        return {
          ...read,
          machines: read.machines.map((one) => (one.id === B ? { ...one, apiAddress } : one)),
        };
      },
    },
  });
  stops.push(
    () => first.stop(),
    () => other.stop(),
  );
  endpoint = first.addresses[0] ?? '';

  const sleep = { section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' };
  const description = { section: 'Unit', name: 'Description', value: 'A test of %n' };
  fleet.behaviours.set('boom.service', { fails: 'no such file\nopen: /x' });
  fleet.behaviours.set('lost.service', { refusal: PENDING });
  for (const name of ['web@1', 'web@2', 'boom', 'lost'])
    await registry.submitUnit(`${name}.service`, { options: [description, sleep] }, 'launched');
  await fleet.rest();
  const everywhere = { section: 'X-Fleet', name: 'Global', value: 'true' };
  await registry.submitUnit('every.service', { options: [sleep, everywhere] }, 'launched');
  await until('the global unit everywhere', async () => {
    const states = (await registry.readUnit('every.service'))?.states ?? [];
    return states.filter(({ active }) => active === 'active').length === 3;
  });
});
afterAll(async () => {
  for (const stop of stops) await stop();
  await fleet.stop();
});

const run = commandRunner(() => endpoint);

/** A unit that runs on A, and one on B, among those that do. */
async function unitOn(machine: string): Promise<string> {
  for (const name of ['web@1.service', 'web@2.service'])
    if ((await fleet.registry.readUnit(name))?.machine === machine) return name;
  throw new Error(`no unit on ${machine}`);
}

describe('status', () => {
  test('tells what scripts look for, and ends with the log of the unit, wherever it is', async () => {
    const unit = await unitOn(B);
    asked.length = 0;
    const { stdout, stderr, exit } = await run(['status', unit]);
    expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
    expect(stdout).toMatch(
      new RegExp(
        `^● ${unit} - A test of ${unit}\n {3}Loaded: loaded \\(hash \\w{7}\\)\n {2}Machine: ${ON_B}\n {3}Placed: fewest units\n` +
          ` {3}Active: active \\(running\\) ${SINCE}\n\n${unit} one on B\n${unit} two on B\n$`,
      ),
    );
    expect(asked).toEqual([{ machine: 'B', lines: 10, follow: false, output: null, since: null }]);
  });

  test('of a failed unit is 3, with the whole reason', async () => {
    const { stdout, exit } = await run(['status', 'boom']);
    expect(exit).toBe(3);
    expect(stdout).toMatch(
      new RegExp(
        `^× boom\\.service - A test of boom\\.service\n[\\s\\S]* {3}Active: failed \\(failed\\) ${SINCE}\n {5}Exit: 1\n {3}Reason: no such file\n {11}open: /x\n`,
      ),
    );
  });

  test('of a global unit shows each machine, in order; what cannot be had of one is said', async () => {
    const { stdout, stderr, exit } = await run(['status', 'every']);
    expect([...stdout.matchAll(/Machine: (.*)/g)].map(([, machine]) => machine)).toEqual([ON_A, ON_B, ON_C]);
    expect(stdout).toMatch(/every\.service one on A\n(.*\n)+every\.service one on B\n/);
    expect(stderr).toMatch(/^No output: machine 3{32} answers no requests of other machines/);
    expect(exit).toBe(0);
    const one = await run(['status', 'every', '--machine=2222', '--ssh-port=22']);
    expect([...one.stdout.matchAll(/Machine: (.*)/g)].map(([, machine]) => machine)).toEqual([ON_B]);
    expect(one).toMatchObject({ stderr: '', exit: 0 });
  });

  test('of several units has a blank line between them; patterns mean all that match', async () => {
    const { stdout, exit } = await run(['status', 'web@*']);
    expect(stdout).toMatch(/^● web@1\.service[\s\S]*web@1\.service two on .\n\n● web@2\.service/);
    expect(exit).toBe(0);
  });

  test.each([
    ['nosuch', 4, 'Unit nosuch.service does not exist.\n'],
    ['lost', 3, `Unit lost.service does not appear to be loaded.\n${PENDING}\n`],
  ])(
    'of %s is %i as with systemctl; 1, and no more words than fleet had, as with fleetctl',
    async (unit, code, stderr) => {
      expect(await run(['status', unit])).toEqual({ stdout: '', stderr, exit: code });
      const fleets = stderr.split('\n')[0];
      expect(await run(['status', unit], { fleet: true })).toEqual({
        stdout: '',
        stderr: `${fleets}\n`,
        exit: 1,
      });
    },
  );

  test('goes on after a unit that is not active, as systemctl; fleetctl did not', async () => {
    const units = ['status', 'nosuch', 'web@1'];
    const whole = await run(units);
    expect(whole.exit).toBe(4);
    expect(whole.stdout).toContain('● web@1.service');
    expect(await run(units, { fleet: true })).toMatchObject({ stdout: '', exit: 1 });
    expect(await run(['status'])).toEqual({ stdout: '', stderr: '', exit: 0 });
  });
});

describe('journal', () => {
  test('prints the log from wherever the unit is, as it was asked for', async () => {
    const unit = await unitOn(B);
    asked.length = 0;
    expect(await run(['journal', unit])).toEqual({
      stdout: `${unit} one on B\n${unit} two on B\n`,
      stderr: '',
      exit: 0,
    });
    await run([
      'journal',
      unit,
      '--lines=1',
      '--output=short-iso',
      '--since',
      '-1h',
      '--sudo',
      '--ssh-port',
      '2222',
    ]);
    await run(['journal', unit, '--since', 'yesterday']);
    expect(asked).toEqual([
      { machine: 'B', lines: 10, follow: false, output: null, since: null },
      { machine: 'B', lines: 1, follow: false, output: 'short-iso', since: '-1h' },
      { machine: 'B', lines: null, follow: false, output: null, since: 'yesterday' },
    ]);
  });

  test('of a global unit has all machines, each line with its own; one that cannot be asked is told', async () => {
    const { stdout, stderr, exit } = await run(['journal', 'every']);
    expect(stdout).toBe(
      [ON_A, ON_B]
        .flatMap((label, at) =>
          ['one', 'two'].map((word) => `${label}: every.service ${word} on ${'AB'[at]}\n`),
        )
        .join(''),
    );
    expect(stderr).toMatch(/^33333333\.\.\.\/10\.0\.0\.3: machine 3{32} answers no requests .*\n$/);
    expect(exit).toBe(1);
    expect(await run(['journal', 'every', '--machine', ON_B])).toEqual({
      ...{ stdout: 'every.service one on B\nevery.service two on B\n', stderr: '', exit: 0 },
    });
  });

  test('of several machines is by time, where lines have times', async () => {
    times = ['Nov 21 09:00:01', 'Nov 21 09:00:03', 'Nov 21 09:00:02', 'Nov 21 09:00:04'];
    const { stdout } = await run(['journal', 'every', '--output=short']);
    times = null;
    expect(stdout.match(/^\S+: \S+ \d+ \S+/gm)).toEqual([
      `${ON_A}: Nov 21 09:00:01`,
      `${ON_B}: Nov 21 09:00:02`,
      `${ON_A}: Nov 21 09:00:03`,
      `${ON_B}: Nov 21 09:00:04`,
    ]);
  });

  test('-f goes on with what comes, of all machines of a global unit', async () => {
    let soFar = '';
    const onStdout = (text: string): void => {
      soFar = text;
    };
    void run(['journal', '-f', 'every'], { onStdout });
    await until('lines that come later', () => ['A', 'B'].every((on) => soFar.includes(`more on ${on}\n`)));
    expect(soFar.split('\n').sort().filter(Boolean)).toEqual(
      [ON_A, ON_B].flatMap((label, at) =>
        ['more', 'one', 'two'].map((word) => `${label}: every.service ${word} on ${'AB'[at]}`),
      ),
    );
  });

  test.each([
    [[], 1, 'One unit file must be provided.\n'],
    [['a', 'b'], 1, 'One unit file must be provided.\n'],
    [['nosuch'], 1, 'Unit nosuch.service does not exist.\n'],
    [['lost'], 1, 'Unit lost.service does not appear to be running.\n'],
    [['every', '--machine=9'], 1, 'Unit every.service is not on a machine 9.\n'],
    [['web@1', '--output=xml'], 2, 'convoyctl: --output: expected one of cat, json, json-pretty, short, '],
    [['web@1', '--since=$(reboot)'], 2, 'convoyctl: --since: expected a time as journalctl reads it, '],
    [['web@1', '--since', 'nonsense'], 1, 'convoyctl: Failed to parse timestamp: nonsense\n'],
  ])('%j is told in a sentence, with %i', async (args, exit, sentence) => {
    const result = await run(['journal', ...args]);
    expect(result).toMatchObject({ stdout: '', exit });
    expect(result.stderr).toContain(sentence);
  });
});
