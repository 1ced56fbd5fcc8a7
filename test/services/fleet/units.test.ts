import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import {
  activeOn,
  ctl,
  destroyAll,
  mainPid,
  readStates,
  readUnits,
  untilActive,
  untilMachines,
} from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';

/** What fleet's own functional suite showed of units (tests 24 to 37, but those of ssh and --replace). */
const openHosts = useHosts();
let hosts: Hosts;
beforeAll(async () => {
  hosts = await openHosts({ count: 3 });
  await untilMachines(first(), 3);
}, 120_000);
afterEach(() => destroyAll(first()));

const first = () => hosts.host(1);
const SLEEP = '[Service]\nExecStart=/bin/sleep infinity\n';
const write = (name: string, text = SLEEP): string => {
  hosts.unit(name, text);
  return name;
};
const batch = (size: number) => Array.from({ length: size }, (_, n) => write(`hello${n + 1}.service`));
const hostOf = (machine: string | undefined): Host =>
  hosts.all.find(({ machineId }) => machineId === machine) as Host;
const untilStates = (active: string, units: readonly string[]) =>
  until(`${units.length} units ${active}`, async () => {
    const rows = (await readStates(first())).filter(({ unit }) => units.includes(unit));
    return rows.length === units.length && rows.every((row) => row.active === active) ? rows : undefined;
  });

it('one unit started on one machine is active (24)', async () => {
  await ctl(first(), 'start', write('hello.service'));
  const at = (await untilActive(first(), ['hello.service'])).get('hello.service');
  expect(await hostOf(at).ask('systemctl', 'is-active', 'hello.service')).toBe('active\n');
  const path = (await hostOf(at).ask('systemctl', 'show', '-P', 'FragmentPath', 'hello.service')).trim();
  expect(await hostOf(at).ask('readlink', '-f', path)).toBe('/run/convoy/units/hello.service\n');
  await ctl(first(), 'destroy', 'hello.service');
  expect((await hostOf(at).exec('systemctl', 'cat', 'hello.service')).code).not.toBe(0);
}, 60_000);

it('a batch is submitted, destroyed and submitted again (25)', async () => {
  const units = batch(9);
  for (const _ of [1, 2]) {
    await ctl(first(), 'submit', ...units);
    expect(await readUnits(first())).toEqual(units);
    expect(await readStates(first())).toEqual([]);
    await ctl(first(), 'destroy', ...units);
    expect(await readUnits(first())).toEqual([]);
  }
}, 60_000);

it('a batch is loaded, unloaded and loaded again (26)', async () => {
  const units = batch(6);
  for (const _ of [1, 2]) {
    await ctl(first(), 'load', ...units);
    const rows = await untilStates('inactive', units);
    expect(rows.every(({ load }) => load === 'loaded')).toBe(true);
    await ctl(first(), 'unload', ...units);
    expect(await readStates(first())).toEqual([]);
  }
}, 60_000);

it('a batch is started, stopped and started again (27)', async () => {
  const units = batch(3);
  for (const _ of [1, 2]) {
    await ctl(first(), 'start', ...units);
    await untilActive(first(), units);
    await ctl(first(), 'stop', ...units);
    await untilStates('inactive', units);
  }
}, 60_000);

it('restart starts another process; a loaded unit is started by it (31)', async () => {
  const [one, two] = batch(2) as [string, string];
  await ctl(first(), 'start', one);
  await ctl(first(), 'load', two);
  const host = hostOf((await untilActive(first(), [one])).get(one));
  const before = await mainPid(host, one);
  await ctl(first(), 'restart', one, two);
  await untilActive(first(), [one, two]);
  expect(await mainPid(host, one)).not.toBe(before);
}, 60_000);

it('cat prints the submitted file, list-unit-files is sorted (33, 35)', async () => {
  const text = '[Unit]\nDescription=Test\n\n[Service]\nExecStart=/bin/sleep infinity\n';
  const units = Array.from({ length: 20 }, (_, n) => write(`order@${n + 1}.service`, text));
  await ctl(first(), 'submit', ...units);
  expect((await ctl(first(), 'cat', 'order@7.service')).stdout).toBe(text);
  const listed = (await ctl(first(), 'list-unit-files', '--no-legend', '--fields=unit')).stdout;
  expect(listed.trim().split('\n')).toEqual([...units].sort());
}, 60_000);

it('status tells of a loaded unit, and of a running one what systemd says (34)', async () => {
  await ctl(first(), 'load', write('hello.service'));
  // As systemctl does: 3 for a unit that is not active.
  expect(await first().convoyctl('status', 'hello.service')).toMatchObject({
    code: 3,
    stdout: expect.stringMatching(/loaded/),
  });
  await ctl(first(), 'start', 'hello.service');
  expect((await ctl(first(), 'status', 'hello.service')).stdout).toMatch(/active/);
}, 60_000);

it('a sidekick with [Install] comes and goes with its main unit (36)', async () => {
  write('hello.service');
  write(
    'discovery.service',
    `[Unit]\nBindsTo=hello.service\nAfter=hello.service\n\n${SLEEP}\n[Install]\nWantedBy=hello.service\n\n[X-Fleet]\nMachineOf=hello.service\n`,
  );
  await ctl(first(), 'load', 'hello.service', 'discovery.service');
  await untilStates('inactive', ['hello.service', 'discovery.service']);
  await ctl(first(), 'start', 'hello.service');
  const at = await untilActive(first(), ['hello.service', 'discovery.service']);
  expect(at.get('discovery.service')).toBe(at.get('hello.service'));
  await ctl(first(), 'stop', 'hello.service');
  await untilStates('inactive', ['hello.service', 'discovery.service']);
}, 60_000);

it('load, start, stop, unload: each shows in the tables with the same hash (37)', async () => {
  write('hello.service');
  const row = async () =>
    (await ctl(first(), 'list-unit-files', '--no-legend', '--full', '--fields=unit,dstate,state,hash')).stdout
      .trim()
      .split(/\s+/);
  const hashes = new Set<string>();
  for (const [command, state] of [
    ['submit', 'inactive'],
    ['load', 'loaded'],
    ['start', 'launched'],
    ['stop', 'loaded'],
    ['unload', 'inactive'],
  ] as const) {
    await ctl(first(), command, 'hello.service');
    const [unit, wanted, reached, hash] = await row();
    expect([unit, wanted, reached]).toEqual(['hello.service', state, state]);
    hashes.add(hash ?? '');
  }
  expect(hashes.size).toBe(1);
}, 60_000);

it('every process that was replaced had ended first: ExecStopPost runs before the next ExecStartPre', async () => {
  const journal = '/shared/order.log';
  write(
    'sync.service',
    `[Service]\nExecStartPre=/bin/sh -c "echo pre >> ${journal}"\nExecStart=/bin/sleep infinity\nExecStopPost=/bin/sh -c "sleep 1; echo post >> ${journal}"\n`,
  );
  await ctl(first(), 'start', 'sync.service');
  await untilActive(first(), ['sync.service']);
  await ctl(first(), 'restart', 'sync.service');
  await ctl(first(), 'destroy', 'sync.service');
  expect(readFileSync(join(hosts.shared, 'order.log'), 'utf8')).toBe('pre\npost\npre\npost\n');
  expect((await activeOn(first())).size).toBe(0);
}, 60_000);
