import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as v from 'valibot';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ShownEvent } from '../../../cli/json-output.js';
import { commandRunner } from '../../support/commands.js';
import type { CliResult } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

const A = '1'.repeat(32);
const B = '2'.repeat(32);
const ON_A = '11111111.../10.0.0.1';
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: {} },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
});
afterAll(() => fleet.stop());

const run = commandRunner(() => `unix://${fleet.socket}`);
const present = async (): Promise<number> => (await fleet.registry.readAll()).revision;

/** A run that goes on, and what it has said so far. */
function following(args: readonly string[], runner = run) {
  const enough = new AbortController();
  let soFar = '';
  const ended = runner(args, {
    interrupted: enough.signal,
    onStdout: (text) => {
      soFar = text;
    },
  });
  return {
    said: (text: string | RegExp) => until(`${text}`, () => soFar.search(text) >= 0),
    end(): Promise<CliResult> {
      enough.abort();
      return ended;
    },
  };
}
/** Its lines, without time and revision. */
const words = ({ stdout }: CliResult): string[] =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.replace(/^\S+ +\d+ {2}/, '')]));

test('the life of a unit, as it happens, until Ctrl-C', async () => {
  const watched = following(['events', '--follow', '--since', String(await present())]);
  await fleet.registry.submitUnit('web@1.service', SLEEP, 'launched');
  await watched.said(/active \(running\)/);
  await fleet.rest();
  await fleet.registry.destroyUnit('web@1.service');
  await watched.said('unloaded from');
  const result = await watched.end();
  expect(result).toMatchObject({ stderr: '', exit: 0 });
  expect(result.stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}\d+ {2}web@1\.service destroyed$/m);
  const told = words(result).filter((line) => !line.startsWith('machine'));
  expect(told.slice(0, 2)).toEqual([
    expect.stringMatching(/^web@1\.service is to be launched \(hash \w{7}\)$/),
    `web@1.service placed on ${ON_A}: fewest units`,
  ]);
  expect(told).toEqual(
    expect.arrayContaining([
      `web@1.service active (running) on ${ON_A}`,
      'web@1.service destroyed',
      `web@1.service taken off ${ON_A}`,
      `web@1.service unloaded from ${ON_A}`,
    ]),
  );
});

test('since a revision: what has happened, in order and without times, and no more', async () => {
  const before = await present();
  for (const name of ['old@1.service', 'old@2.service'])
    await fleet.registry.submitUnit(name, SLEEP, 'inactive');
  const result = await run(['events', '--since', String(before)]);
  expect(result).toMatchObject({ stderr: '', exit: 0 });
  expect(result.stdout).toMatch(
    /^- {19} {2}\d+ {2}old@1\.service is to be inactive.*\n- {19} {2}\d+ {2}old@2\.service is to be inactive.*\n$/,
  );
  expect(await run(['events', '--since', String(await present())])).toEqual({
    stdout: '',
    stderr: '',
    exit: 0,
  });
});

test('about some units, or one machine, only; as JSON it is what docs/json-output.md promises', async () => {
  const before = String(await present());
  for (const name of ['db.service', 'web@2.service', 'web@3.service'])
    await fleet.registry.submitUnit(name, SLEEP, 'launched');
  await fleet.rest();
  const read = async (...args: string[]) =>
    v.parse(
      v.array(ShownEvent),
      (await run(['events', '--since', before, '-o', 'json', ...args])).stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
    );
  const all = await read();
  const webs = await read('--unit', 'web@*');
  expect(webs).toEqual(all.filter(({ unit }) => unit?.startsWith('web@')));
  expect(webs.length).toBeGreaterThan(0);
  expect(webs.length).toBeLessThan(all.length);
  expect(await read('--unit=db')).toEqual(all.filter(({ unit }) => unit === 'db.service'));
  const ofB = await read('--machine', '2222');
  expect(ofB).toEqual(all.filter(({ machine }) => machine === B));
  expect(ofB.length).toBeGreaterThan(0);
  expect(all.every(({ seen }) => seen === null)).toBe(true);

  const watched = following(['events', '--follow', '--since', before, '--unit', 'web@?', '-o', 'json']);
  await watched.said('web@3.service');
  const live = await fleet.registry.setTargetState('web@3.service', 'inactive').then(() => watched);
  await live.said('"what":"web@3.service is to be inactive');
  const rows = (await live.end()).stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ShownEvent);
  expect(rows.every(({ unit }) => unit?.startsWith('web@') === true)).toBe(true);
  expect(rows.filter(({ seen }) => seen !== null).length).toBeGreaterThan(0);
});

test('since a revision ends, also where the last change of the registry was no event', async () => {
  const known = { id: A, firstSeen: 1, cordoned: true, draining: false, away: null, metadata: {} };
  const event = { kind: 'known', revision: 7, machine: A, value: known };
  const server = createServer((asked, answer) => {
    if (asked.url?.startsWith('/v1/machines')) return void answer.end('{"machines":[]}');
    const after = new URL(asked.url ?? '', 'http://x').searchParams.get('after');
    if (after === null) return void answer.write(': now\nid: 10\n\n');
    answer.write(': then\nid: 5\n\n');
    answer.write(`id: 7\nevent: known\ndata: ${JSON.stringify(event)}\n\n`);
    answer.write(': nothing else\nid: 7\n\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const result = await commandRunner(() => `http://127.0.0.1:${port}`)(['events', '--since=5']);
  expect(result).toMatchObject({ stderr: '', exit: 0 });
  expect(words(result)).toEqual(['machine 11111111... as the operator wants it: cordoned']);
  server.closeAllConnections();
  server.close();
});

test('a lost connection is taken up again, and nothing is missed', async () => {
  const serve = (port: number) => fleet.serve({ tcp: [{ host: '127.0.0.1', port, role: 'admin' }] });
  const first = await serve(0);
  const url = first.addresses[0] ?? '';
  const watched = following(
    ['events', '-f', '--unit=lost@*', '--since', String(await present())],
    commandRunner(() => url),
  );
  const submit = (number: number) => fleet.registry.submitUnit(`lost@${number}.service`, SLEEP, 'inactive');
  await submit(0);
  await watched.said('lost@0');
  await first.stop();
  await submit(1);
  await submit(2);
  const again = await serve(Number(new URL(url).port));
  await submit(3);
  await watched.said('lost@3');
  const result = await watched.end();
  await again.stop();
  expect(words(result).map((line) => line.split(' ')[0])).toEqual([
    'lost@0.service',
    'lost@1.service',
    'lost@2.service',
    'lost@3.service',
  ]);
  expect(result.exit).toBe(0);
  expect(result.stderr).toMatch(/; trying again\nConnected again: nothing since revision \d+ was missed\n$/);
});

test.each([
  [['--since=-1'], 2, '--since: expected a whole number'],
  [['--since=999999999'], 2, '--since: the cluster is at revision '],
  [['-o', 'yaml'], 2, '-o: expected one of json, got "yaml"'],
  [['--machine=77'], 1, 'there is no machine 77'],
])('%j is told in a sentence', async (args, exit, sentence) => {
  const result = await run(['events', ...args]);
  expect(result).toMatchObject({ stdout: '', exit });
  expect(result.stderr).toContain(sentence);
});
