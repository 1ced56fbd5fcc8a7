import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type TestMachine, testMachine, writeUnit } from '../../support/fleet.js';
import { activeOn, untilMachines } from '../../support/fleet-view.js';
import { type TestServer, testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

/** What an operator does to machines and moves of units, on real convoyds with supervisors. */

const ground = useGround('operations');
let etcd: TestServer;
let a: TestMachine;
let b: TestMachine;
let c: TestMachine;

beforeAll(async () => {
  etcd = await testEtcd(ground);
  [a, b, c] = (await Promise.all(['a', 'b', 'c'].map((name) => testMachine(ground, name, etcd.url)))) as [
    TestMachine,
    TestMachine,
    TestMachine,
  ];
  await untilMachines(a, 3);
});

const SLEEP = '[Service]\nExecStart=/bin/sleep 1000\n';
const label = ({ id }: TestMachine): string => `${id.slice(0, 8)}.../127.0.0.1`;

/** Cells by unit (and machine, for those that run on several), of the columns asked for. */
async function listed(fields: string): Promise<string[][]> {
  const { stdout } = await a.ctl('list-units', '--no-legend', `--fields=${fields}`);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(/\t+/));
}

/** Where an instance of `web@` is active, by its number. */
async function websOn(): Promise<Record<string, string>> {
  const rows = [...(await activeOn(a))].filter(([unit]) => unit.startsWith('web@'));
  return Object.fromEntries(rows.map(([unit, [machine]]) => [unit.slice(4, 5), machine?.slice(0, 1) ?? '']));
}

async function machineStates(...args: string[]): Promise<string> {
  return (await a.ctl('list-machines', '--no-legend', '--fields=machine,state', ...args)).stdout;
}

describe('a machine is emptied by hand', () => {
  test('cordon keeps new units away; what is there stays', async () => {
    writeUnit(a, 'web@.service', SLEEP);
    expect((await a.ctl('start', 'web@1.service', 'web@2.service', 'web@3.service')).code).toBe(0);
    expect(await a.ctl('cordon', 'a', 'bbbbbbbb.../127.0.0.1')).toEqual({
      code: 0,
      stdout: `Machine ${label(a)} takes no new units\nMachine ${label(b)} takes no new units\n`,
      stderr: '',
    });
    expect(await machineStates()).toBe('aaaaaaaa...\tcordoned\nbbbbbbbb...\tcordoned\ncccccccc...\tready\n');
    expect((await a.ctl('start', 'web@4.service')).code).toBe(0);
    expect(await websOn()).toEqual({ 1: 'a', 2: 'b', 3: 'c', 4: 'c' });
    expect(await a.ctl('uncordon', 'b', 'a')).toEqual({
      code: 0,
      stdout: `Machine ${label(b)} takes units again\nMachine ${label(a)} takes units again\n`,
      stderr: '',
    });
  });

  test('drain ends when the machine is empty; what stays, or runs nowhere, is named with what to do', async () => {
    writeUnit(a, 'sticky.service', `${SLEEP}[X-Convoy]\nSticky=yes\n[X-Fleet]\nMachineMetadata=host=c\n`);
    writeUnit(a, 'pinned.service', `${SLEEP}[X-Fleet]\nMachineID=${c.id}\n`);
    writeUnit(a, 'every.service', `${SLEEP}[X-Fleet]\nGlobal=yes\n`);
    await a.ctl('start', 'sticky.service', 'pinned.service', 'every.service');
    await until('the global everywhere', async () => (await activeOn(a)).get('every.service')?.length === 3);

    const shown = await a.ctl('drain', '--dry-run', 'cccc');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    const fates = shown.stdout.split('\n').map((line) => line.split(/\t+/).slice(1).join(' '));
    expect(fates.sort()).toEqual([
      '',
      'UNIT WHAT',
      'every.service ends here: it is global',
      expect.stringMatching(/^pinned\.service would run nowhere: 2 machines: /),
      'sticky.service stays: it is moved only by hand (Sticky=yes): convoyctl move sticky.service',
      'web@3.service would be moved to the best of 2 machines',
      'web@4.service would be moved to the best of 2 machines',
    ]);
    expect(await machineStates()).toContain('cccccccc...\tready\n');

    const drained = await a.ctl('drain', '--timeout=60s', 'cccc');
    const pending = 'pending: 0 of 3 machines: 2 are not c{32}, 1 is draining';
    expect(drained.stdout).toMatch(
      new RegExp(
        `^Machine ${label(c)} takes no new units, and its units leave it\n` +
          `Unit sticky.service stays on ${label(c)}: it is moved only by hand \\(Sticky=yes\\): convoyctl move sticky.service\n` +
          `Unit pinned.service left ${label(c)} and runs nowhere now: ${pending} \\(convoyctl uncordon cccccccc takes it back\\)\n` +
          `Unit every.service left ${label(c)}: it is global \\(convoyctl uncordon cccccccc brings it back\\)\n` +
          `Machine ${label(c)} is drained\n$`,
      ),
    );
    expect(drained.code).toBe(0);
    expect(Object.values(await websOn()).sort()).toEqual(['a', 'a', 'b', 'b']);
    expect(await machineStates()).toContain('cccccccc...\tdraining\n');
    // What is unscheduled, and what stays against the drain, has its reason in lists and in status.
    const reasons = new Map((await listed('unit,reason')).map(([unit, reason]) => [unit, reason]));
    expect(reasons.get('sticky.service')).toContain('moved only by hand (Sticky=yes)');
    expect(reasons.get('pinned.service')).toMatch(new RegExp(`^${pending}$`));
    expect(reasons.get('every.service')).toBe('runs on 2 of 3 machines: 1 is draining');
    expect((await b.ctl('status', 'pinned.service')).stderr).toMatch(new RegExp(`\n${pending}\n$`));
    expect((await b.ctl('status', 'sticky.service')).stdout).toMatch(
      /\n {2}Pending: stays, since it is moved only by hand/,
    );

    await a.ctl('uncordon', 'c');
    await until('all to be back', async () => (await activeOn(a)).has('pinned.service'));
    expect((await a.ctl('destroy', 'pinned.service', 'every.service', 'sticky.service')).code).toBe(0);
  });

  test('a drain that takes longer than it may says what it waits for, with exit code 3', async () => {
    const released = join(ground.dir, 'slow-may-stop');
    const held = `ExecStop=/bin/sh -c 'until test -e ${released}; do sleep 0.1; done'`;
    writeUnit(a, 'slow.service', `[Service]\nExecStart=/bin/sleep 1000\n${held}\n`);
    await a.ctl('start', 'slow.service');
    const [, on = ''] = (await listed('unit,machine')).find(([unit]) => unit === 'slow.service') ?? [];
    const late = await a.ctl('drain', '--timeout=3s', on);
    writeFileSync(released, '');
    expect(late.code).toBe(3);
    expect(late.stderr).toMatch(
      /^Waiting for machine .* to be empty: .*slow\.service \(deactivating \(stop\)\)[\s\S]*timed out waiting for machine .* to be empty \(.*slow\.service \(deactivating/,
    );
    // It goes on without being waited for.
    await until('slow.service elsewhere', async () => {
      const [machine] = (await activeOn(a)).get('slow.service') ?? [];
      return machine !== undefined && machine.slice(0, 8) !== on.slice(0, 8);
    });
    await a.ctl('uncordon', on);
    expect((await a.ctl('destroy', 'slow.service')).code).toBe(0);
  });
});

describe('units are moved by hand', () => {
  test('to a machine that is named, or to the best other one', async () => {
    await a.ctl('destroy', 'web@2.service', 'web@3.service', 'web@4.service');
    await a.ctl('move', '--to', 'a', 'web@1.service');
    expect(await websOn()).toEqual({ 1: 'a' });
    expect(await a.ctl('move', '--to', b.id, 'web@1.service')).toEqual({
      code: 0,
      stdout: `Unit web@1.service moved from ${label(a)} to ${label(b)}\n`,
      stderr: '',
    });
    expect(await websOn()).toEqual({ 1: 'b' });
    expect((await a.ctl('status', 'web@1.service')).stdout).toMatch(
      /\n {3}Placed: moved by hand from b*a+\n/,
    );
    expect((await a.ctl('move', 'web@1')).stdout).toMatch(
      /^Unit web@1.service moved from bbbbbbbb\.\.\.\/127\.0\.0\.1 to [ac]{8}/,
    );
  });

  test('a move that cannot be made shows why, and is taken up once it can be', async () => {
    writeUnit(a, 'eu.service', `${SLEEP}[X-Fleet]\nMachineMetadata=host=a\nMachineMetadata=host=c\n`);
    await a.ctl('cordon', 'c');
    expect((await a.ctl('start', 'eu.service')).code).toBe(0);
    const why = 'move to cccccccc: machine is cordoned';
    expect(await a.ctl('move', '--to=c', '--dry-run', 'eu.service')).toEqual({
      code: 1,
      stdout: `UNIT\t\tFROM\t\t\tTO\t\t\tWHAT\neu.service\t${label(a)}\t${label(c)}\tcould not be moved: machine is cordoned\n`,
      stderr: '',
    });
    const late = await a.ctl('move', '--to=c', '--timeout=3s', 'eu.service');
    expect(late).toEqual({
      code: 3,
      stdout: '',
      stderr:
        `Waiting for unit eu.service to be launched on ${label(c)}: ${why}\n` +
        `Error waiting for units: timed out waiting for unit eu.service to be launched on ${label(c)} (${why})\n`,
    });
    expect((await a.ctl('status', 'eu.service')).stdout).toContain(`  Pending: ${why}\n`);
    expect(await a.ctl('move', '--to=a', 'eu.service')).toMatchObject({
      code: 0,
      stdout: `Unit eu.service is on ${label(a)} already\n`,
    });
    expect((await a.ctl('status', 'eu.service')).stdout).not.toContain(why);
    expect((await a.ctl('move', '--to=c', '--no-wait', 'eu.service')).stdout).toBe(
      `Unit eu.service is to leave ${label(a)}\n`,
    );
    await a.ctl('uncordon', 'c');
    expect((await a.ctl('move', '--dry-run', 'web@1.service')).stdout).toMatch(
      /\nweb@1\.service\t\S+\t-\twould be moved to the best of 2 machines\n$/,
    );
    await until('the move', async () => (await activeOn(a)).get('eu.service')?.join() === c.id);
    expect((await a.ctl('destroy', 'eu.service')).code).toBe(0);
  });

  test.each([
    [['move'], 2, 'which unit?'],
    [['move', 'nosuch.service'], 1, 'unit nosuch.service does not exist'],
    [
      ['move', '--to', 'zz', 'web@1.service'],
      1,
      'there is no machine zz (see convoyctl list-machines --all)',
    ],
    [['drain'], 2, 'which machine?'],
    [['cordon', 'f'], 1, 'there is no machine f'],
    [['evict', 'a'], 1, 'machine aaaaaaaa.../127.0.0.1 is alive: drain it instead'],
  ])('%j is told in a sentence', async (args, code, sentence) => {
    const answer = await a.ctl(...args);
    expect(answer).toMatchObject({ code, stdout: '' });
    expect(answer.stderr).toContain(sentence);
    expect(answer.stderr.trim().split('\n')).toHaveLength(1);
  });

  test('rebalance shows its plan, wants a yes, and moves one unit after another', async () => {
    await a.ctl('cordon', 'b', 'c');
    await a.ctl('move', '--to=a', 'web@1.service');
    expect((await a.ctl('start', ...[2, 3, 4, 5, 6].map((at) => `web@${at}.service`))).code).toBe(0);
    expect(new Set(Object.values(await websOn()))).toEqual(new Set(['a']));
    await a.ctl('uncordon', 'b', 'c');

    const plan = await a.ctl('rebalance', '--dry-run');
    expect(plan).toMatchObject({ code: 0, stderr: '' });
    expect(plan.stdout.split('\n')[0]).toBe('UNIT\t\tFROM\t\t\tTO\t\t\tWHY');
    const moves = plan.stdout.trim().split('\n').slice(1);
    expect(moves).toHaveLength(4);
    expect(moves[0]).toBe(`web@1.service\t${label(a)}\t${label(b)}\t6 units on aaaaaaaa, 0 on bbbbbbbb`);

    const asked = await a.ctl('rebalance');
    expect(asked).toMatchObject({ code: 2, stdout: plan.stdout });
    expect(asked.stderr).toContain(
      'Move 4 units, 1 at a time? Nobody can be asked here: give --yes to go ahead',
    );
    expect(new Set(Object.values(await websOn()))).toEqual(new Set(['a']));

    const done = await a.ctl('rebalance', '--yes');
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout.replace(plan.stdout, '').split('\n')).toEqual([
      ...moves.map((line) => {
        const [unit, from, to] = line.split(/\t+/);
        return `Unit ${unit} moved from ${from} to ${to}`;
      }),
      'Moved 4 units',
      '',
    ]);
    expect(Object.values(await websOn()).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    expect(await a.ctl('rebalance')).toEqual({
      code: 0,
      stdout: 'Nothing to move: the machines are even\n',
      stderr: '',
    });
  });

  test('rebalance stops at the first unit that fails where it comes', async () => {
    await a.ctl('cordon', 'b', 'c');
    for (const at of [1, 2, 3, 4, 5, 6]) await a.ctl('move', '--to=a', `web@${at}.service`);
    const picky = `[Service]\nExecStartPre=/bin/sh -c 'echo "$CONVOY_MACHINE" | grep -q ^a'\nExecStart=/bin/sleep 1000\n`;
    writeUnit(a, 'aa.service', picky);
    expect((await a.ctl('start', 'aa.service')).code).toBe(0);
    await a.ctl('uncordon', 'b', 'c');
    const stopped = await a.ctl('rebalance', '--yes');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(
      /unit aa\.service failed: failed .*\n(.*\n)*Stopped: 0 of \d units moved, \d not begun\n$/,
    );
    expect((await a.ctl('destroy', 'aa.service')).code).toBe(0);
  });
});

describe('units', () => {
  test('are reloaded wherever they run; one without ExecReload says so', async () => {
    const text = `[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/sh -c 'echo reloaded on $CONVOY_MACHINE'\n`;
    writeUnit(a, 'conf.service', `${text}[X-Fleet]\nMachineID=${b.id}\n`);
    writeUnit(a, 'deaf.service', SLEEP);
    await a.ctl('start', 'conf.service', 'deaf.service');
    expect(await a.ctl('reload', 'conf.service')).toEqual({
      code: 0,
      stdout: `Unit conf.service reloaded on ${label(b)}\n`,
      stderr: '',
    });
    await until('its words', async () =>
      (await a.ctl('journal', 'conf.service')).stdout.includes(`reloaded on ${b.id}`),
    );
    const deaf = await c.ctl('reload', 'deaf.service', 'nosuch.service');
    expect(deaf).toMatchObject({ code: 1, stdout: '' });
    expect(deaf.stderr).toMatch(
      /^Error reloading units: .*deaf\.service.*ExecReload.*\nError reloading units: unit nosuch.service does not exist\n$/,
    );
    await a.ctl('stop', 'conf.service');
    expect((await a.ctl('reload', 'conf.service')).stderr).toBe(
      'Error reloading units: unit conf.service does not run anywhere\n',
    );
    await a.ctl('destroy', 'conf.service', 'deaf.service');
  });

  test('get a new text, restart one after another, and are scaled, with a process each', async () => {
    const pid = (out: string): string =>
      `[Service]\nExecStart=/bin/sh -c 'echo ${out} of %i; exec sleep 1000'\n`;
    writeUnit(a, 'roll@.service', pid('first'));
    expect(await a.ctl('submit', 'roll@.service')).toMatchObject({ code: 0 });
    const up = await a.ctl('scale', 'roll@', '2');
    expect(up).toMatchObject({ code: 0, stderr: '' });
    expect(up.stdout).toContain('Scaled roll@.service to 2: 2 started\n');
    const places = async () =>
      (await listed('unit,machine,active'))
        .filter(([unit]) => unit?.startsWith('roll@'))
        .map((row) => row.join());
    const before = await places();

    writeUnit(a, 'roll@.service', pid('second'));
    const replaced = await a.ctl('start', '--replace', 'roll@1.service', 'roll@2.service');
    expect(replaced).toMatchObject({ code: 0, stderr: '' });
    expect(replaced.stdout.trim().split('\n').sort()).toEqual([
      expect.stringMatching(/^Unit roll@1\.service launched on /),
      expect.stringMatching(/^Unit roll@2\.service launched on /),
    ]);
    expect(await places()).toEqual(before);
    const said = async (at: number) => (await a.ctl('journal', '--lines=1', `roll@${at}.service`)).stdout;
    await until(
      'the words of both',
      async () => /second of 1/.test(await said(1)) && /second of 2/.test(await said(2)),
    );

    expect((await a.ctl('restart', '--yes', 'roll@*')).stdout).toMatch(
      /^Unit roll@1\.service launched on .*\nUnit roll@2\.service launched on .*\n$/,
    );
    expect(await places()).toEqual(before);
    expect((await a.ctl('scale', 'roll@', '1')).stdout).toContain('Unit roll@2.service inactive\n');
    expect(await places()).toEqual(before.slice(0, 1));
    expect((await a.ctl('destroy', '--yes', 'roll@*')).code).toBe(0);
  });

  test('that failed are told with the end of their log, and start starts them again', async () => {
    const flag = `${ground.dir}/fixed`;
    writeUnit(
      a,
      'boom.service',
      // Before it is active, or a look that comes early enough would find it so.
      `[Service]\nExecStartPre=/bin/sh -c 'test -e ${flag} || { echo cannot find the flag; exit 7; }'\nExecStart=/bin/sleep 1000\n`,
    );
    const first = await a.ctl('start', 'boom.service');
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(
      /^Error waiting for units: unit boom\.service failed: failed \(failed\): ExecStartPre= exited with code 7\n {4}cannot find the flag\n$/,
    );
    expect((await listed('unit,active,reason')).find(([unit]) => unit === 'boom.service')?.[1]).toBe(
      'failed',
    );
    expect((await a.ctl('start', 'boom.service')).code).toBe(1);
    writeUnit(a, '../fixed', '');
    expect(await a.ctl('start', 'boom.service')).toMatchObject({ code: 0, stderr: '' });
    expect((await a.ctl('destroy', 'boom.service')).code).toBe(0);
  });
});

describe('machines are lost', () => {
  test('too many at once: nothing moves, lists say so, and evict gives one up', async () => {
    const more = await Promise.all(['d', 'e', 'f'].map((name) => testMachine(ground, name, etcd.url)));
    await untilMachines(a, 6);
    for (const [at, { id }] of more.entries()) {
      const { code } = await a.ctl('start', '--no-block', `web@${at + 7}.service`);
      expect(code).toBe(0);
      await until('it runs', async () => `${at + 7}` in (await websOn()));
      await a.ctl('move', '--to', id, `web@${at + 7}.service`);
    }
    await Promise.all(more.map((machine) => machine.end('SIGKILL')));
    await until(
      'the freeze',
      async () =>
        (await a.ctl('list-machines', '--all')).stderr.includes('WARNING: 3 of 6 machines are missing'),
      30_000,
    );
    expect(await machineStates('--all')).toMatch(/dddddddd\.\.\.\tgone\n.*\tgone\n.*\tgone\n$/);
    expect(await machineStates()).not.toContain('dddddddd');
    // The first whose grace is over freezes evictions; the grace of the others, seen gone a moment later, may still run.
    await until('its reason', async () =>
      /web@7\.service\t.*machine dddddddd is gone, but 3 of 6 machines are missing/.test(
        (await a.ctl('list-unit-files', '--fields=unit,reason')).stdout,
      ),
    );

    const shown = await a.ctl('evict', '--dry-run', 'd');
    expect(shown).toMatchObject({ code: 0, stdout: '' });
    expect(shown.stderr).toContain('placed on it: 1 unit.');
    expect((await a.ctl('list-machines', '--all', '--no-legend', '--fields=state')).stdout).not.toContain(
      'evicted',
    );
    const given = await a.ctl('evict', 'd');
    expect(given).toMatchObject({ code: 0, stdout: 'Machine dddddddd... is given up\n' });
    expect(given.stderr).toMatch(
      /^Machine dddddddd\.\.\. is gone; placed on it: 1 unit\.\nEvicting gives a machine up/,
    );
    await until('its unit elsewhere', async () => '7' in (await websOn()), 30_000);
    expect(await machineStates('--all')).toContain('dddddddd...\tevicted\n');
  });
});

test('rejoin tells why a machine holds; with --accept it follows the registry that is there', async () => {
  const store = await testEtcd(ground, { name: 'wiped-etcd' });
  const machine = await testMachine(ground, '9', store.url);
  await untilMachines(machine, 1);
  const active = async (): Promise<boolean> =>
    (await machine.ctl('list-units', '--no-legend', '--fields=active')).stdout === 'active\n';
  expect(await machine.ctl('rejoin')).toEqual({
    code: 0,
    stdout: 'Machine 99999999... does not hold: there is nothing to accept\n',
    stderr: '',
  });
  const proof = join(ground.dir, 'beats');
  writeUnit(
    machine,
    'beat.service',
    `[Service]\nExecStart=/bin/sleep 1000\nExecStopPost=/bin/touch ${proof}\n`,
  );
  expect((await machine.ctl('start', 'beat.service')).code).toBe(0);
  expect(await active()).toBe(true);

  await store.kill();
  rmSync(join(ground.dir, 'wiped-etcd'), { recursive: true });
  await store.restart();
  await until('the hold', async () => (await machine.ctl('rejoin')).code === 1, 30_000);
  const held = await machine.ctl('rejoin');
  expect(held).toMatchObject({ code: 1, stdout: '' });
  expect(held.stderr).toMatch(
    /^Machine 99999999\.\.\. holds: etcd has no cluster record, but this machine belongs to/,
  );
  expect(held.stderr).toContain('"convoyctl rejoin --accept"');
  expect(existsSync(proof)).toBe(false);

  const accepted = await machine.ctl('rejoin', '--accept');
  expect(accepted).toMatchObject({ code: 0, stderr: '' });
  expect(accepted.stdout).toMatch(
    /^Machine 99999999\.\.\. now belongs to cluster [0-9a-f-]{36}, accepted at revision \d+\n$/,
  );
  await until('it does as that registry says', () => existsSync(proof), 30_000);
  expect((await machine.ctl('rejoin')).code).toBe(0);
  expect((await machine.ctl('start', 'beat.service')).code).toBe(0);
  await machine.end('SIGTERM');
});
