import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { run, type TestMachine, testMachine, writeUnit } from '../../support/fleet.js';
import { readStates, untilMachines } from '../../support/fleet-view.js';
import { type TestServer, testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

const ground = useGround('daemon');
let etcd: TestServer;
let a: TestMachine;
let b: TestMachine;
let c: TestMachine;

beforeAll(async () => {
  etcd = await testEtcd(ground);
  [a, b, c] = await Promise.all([
    testMachine(ground, 'a', etcd.url),
    testMachine(ground, 'b', etcd.url),
    testMachine(ground, 'c', etcd.url),
  ]);
  await untilMachines(a, 3);
});

/** Where each unit is whose name starts so, and how. */
async function unitsOf(
  machine: TestMachine,
  prefix: string,
): Promise<Map<string, { machine: string; active: string }>> {
  const rows = (await readStates(machine)).filter(({ unit }) => unit.startsWith(prefix));
  return new Map(rows.map(({ unit, ...where }) => [unit, where]));
}

const SLEEPER = '[Service]\nExecStart=/bin/sh -c \'echo $$$$ >> "%S/%N.pids"; exec sleep 1000\'\n';

/** Every pid a sleeper has ever had on a machine. */
function pidsOf(machine: TestMachine, unit: string): string[] {
  const file = join(machine.dir, 'root/var/lib', `${unit}.pids`);
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

describe('one fleet of three machines', () => {
  test('the life of a unit, from start to destroy, as fleetctl told it', async () => {
    writeUnit(a, 'hello.service', '[Service]\nExecStart=/bin/sh -c "echo hello; exec sleep 1000"\n');
    const started = await a.ctl('start', 'hello.service');
    expect(started).toMatchObject({ code: 0, stderr: '' });
    expect(started.stdout).toMatch(
      /^Unit hello\.service inactive\nUnit hello\.service launched on [abc]{8}\.\.\.\/127\.0\.0\.1\n$/,
    );
    expect((await unitsOf(b, 'hello')).get('hello.service')?.active).toBe('active');
    // Any convoyd passes the question on to the machine that runs the unit.
    for (const machine of [a, b, c])
      await until('the log', async () =>
        (await machine.ctl('journal', 'hello.service')).stdout.includes('hello'),
      );
    expect((await a.ctl('stop', 'hello.service')).code).toBe(0);
    expect((await unitsOf(a, 'hello')).get('hello.service')?.active).toBe('inactive');
    expect(await a.ctl('destroy', 'hello.service')).toMatchObject({
      code: 0,
      stdout: 'Destroyed hello.service\n',
    });
    expect((await unitsOf(a, 'hello')).size).toBe(0);
  });

  test('destroy waits until ExecStop and ExecStopPost have run to their end', async () => {
    const proof = join(ground.dir, 'stopped');
    writeUnit(
      a,
      'slow.service',
      `[Service]\nExecStart=/bin/sleep 1000\nExecStop=/bin/sh -c 'sleep 0.7; echo stop >> ${proof}'\nExecStopPost=/bin/sh -c 'sleep 0.3; echo post >> ${proof}'\n`,
    );
    await a.ctl('start', 'slow.service');
    expect((await a.ctl('destroy', 'slow.service')).code).toBe(0);
    expect(readFileSync(proof, 'utf8')).toBe('stop\npost\n');
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'convoyd ended by %s: its units go on and the next one adopts them',
    async (signal) => {
      const unit = `stay-${signal.toLowerCase()}`;
      writeUnit(a, `${unit}.service`, `${SLEEPER}[X-Fleet]\nMachineID=${a.id}\n`);
      expect((await b.ctl('start', join(a.dir, `${unit}.service`))).code).toBe(0);
      const [pid] = pidsOf(a, unit);
      await a.end(signal);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      await a.startAgain();
      await untilMachines(a, 3);
      await until(
        'the unit to be listed',
        async () => (await unitsOf(a, unit)).get(`${unit}.service`)?.active === 'active',
      );
      expect(pidsOf(a, unit)).toEqual([pid]);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      expect((await a.ctl('destroy', `${unit}.service`)).code).toBe(0);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
    },
  );

  test('etcd restarted: nothing else does', async () => {
    writeUnit(a, 'calm@.service', SLEEPER);
    expect((await a.ctl('start', 'calm@1.service', 'calm@2.service', 'calm@3.service')).code).toBe(0);
    const before = [a, b, c].flatMap((machine) => [1, 2, 3].flatMap((at) => pidsOf(machine, `calm@${at}`)));
    expect(before.length).toBe(3);
    await etcd.kill();
    await until('convoyd to notice', async () => (await a.ctl('list-units')).code === 1);
    await etcd.restart();
    await untilMachines(a, 3);
    await until(
      'all three active',
      async () => [...(await unitsOf(a, 'calm@')).values()].filter((u) => u.active === 'active').length === 3,
    );
    expect([a, b, c].flatMap((machine) => [1, 2, 3].flatMap((at) => pidsOf(machine, `calm@${at}`)))).toEqual(
      before,
    );
    await a.ctl('destroy', 'calm@1.service', 'calm@2.service', 'calm@3.service');
  });

  test('a unit that fits nowhere says why, and stop calls it off', async () => {
    writeUnit(a, 'nowhere.service', `${SLEEPER}[X-Fleet]\nMachineMetadata=host=z\n`);
    const start = await a.ctl('start', '--block-attempts=2', 'nowhere.service');
    expect(start.code).not.toBe(0);
    expect(start.stderr).toContain('pending: 0 of 3 machines: 3 lack host=z');
    expect((await a.ctl('stop', 'nowhere.service')).code).toBe(0);
    expect((await a.ctl('destroy', 'nowhere.service')).code).toBe(0);
  });

  test('a second convoyd with the same machine id is refused by name', async () => {
    const twin = await testMachine(ground, 'd', etcd.url, ['--machine-id', a.id]);
    await until(
      'the refusal',
      () =>
        existsSync(join(ground.dir, 'convoyd-d.log')) &&
        /machine id a{32}.*(held|duplicate|already)/i.test(twin.log()),
      20_000,
    );
    await twin.end('SIGKILL');
    expect((await a.ctl('list-machines', '--no-legend')).stdout.trim().split('\n').length).toBe(3);
  });
});

/** When this convoyd was last elected, in its log's own time stamps; '' = never. */
function electedAt(machine: TestMachine): string {
  const elected = machine
    .log()
    .split('\n')
    .filter((line) => line.includes('"elected leader"'));
  return elected.length === 0 ? '' : (JSON.parse(elected.at(-1) ?? '') as { time: string }).time;
}

test('the leader killed: another is elected and places what comes', async () => {
  const [leader, ...others] = [a, b, c].sort((one, two) => (electedAt(one) < electedAt(two) ? 1 : -1)) as [
    TestMachine,
    TestMachine,
    TestMachine,
  ];
  const before = Math.max(...others.map((machine) => Date.parse(electedAt(machine)) || 0));
  await leader.end('SIGKILL');
  writeUnit(others[0], 'after.service', SLEEPER);
  expect(await others[0].ctl('start', 'after.service')).toMatchObject({ code: 0 });
  expect(Math.max(...others.map((machine) => Date.parse(electedAt(machine)) || 0))).toBeGreaterThan(before);
  expect((await unitsOf(others[0], 'after')).get('after.service')?.machine).not.toBe(leader.id);
  await leader.startAgain();
  await untilMachines(a, 3);
  expect((await a.ctl('destroy', 'after.service')).code).toBe(0);
});

describe('a machine lost for good', () => {
  test('its units come up on the others after lease and grace', async () => {
    writeUnit(a, 'move@.service', SLEEPER);
    const names = [1, 2, 3, 4, 5, 6].map((at) => `move@${at}.service`);
    expect((await a.ctl('start', ...names)).code).toBe(0);
    const onC = [...(await unitsOf(a, 'move@'))]
      .filter(([, { machine }]) => machine === c.id)
      .map(([unit]) => unit);
    expect(onC.length).toBe(2);
    await c.end('SIGKILL');
    await until(
      'all to be active on a and b',
      async () => {
        const units = [...(await unitsOf(a, 'move@')).values()];
        return (
          units.length === 6 && units.every(({ machine, active }) => machine !== c.id && active === 'active')
        );
      },
      40_000,
    );
    await c.startAgain();
    await untilMachines(a, 3);
    // The machine that came back stops what is no longer its own.
    await until(
      'the old copies to end',
      async () =>
        onC.every((unit) =>
          pidsOf(c, unit.replace('.service', '')).every(
            (pid) => !existsSync(`/proc/${pid}`) || isZombie(pid),
          ),
        ),
      20_000,
    );
  });
});

function isZombie(pid: string): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

describe('wrong from the start', () => {
  test('etcd unreachable: convoyd says which and keeps trying; convoyctl fails with a sentence', async () => {
    const late = await testEtcd(ground, { name: 'late-etcd' });
    await late.kill();
    const machine = await testMachine(ground, 'f', late.url);
    await until(
      'the complaint',
      () =>
        existsSync(join(ground.dir, 'convoyd-f.log')) &&
        machine.log().includes(late.url.replace('http://', '')),
      20_000,
    );
    const listed = await machine.ctl('list-units');
    expect(listed.code).toBe(1);
    await late.restart();
    await untilMachines(machine, 1);
    await machine.end('SIGTERM');
  });

  test('no convoyd: the endpoint is named', async () => {
    const result = await run('cli/main.js', ['list-units'], { CONVOY_ENDPOINT: 'unix:///nowhere/api.sock' });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('unix:///nowhere/api.sock');
  });
});
