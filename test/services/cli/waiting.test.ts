import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type Behaviour, type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { program } from '../../support/programs.js';
import { until } from '../../support/until.js';

const A = '1'.repeat(32);
const B = '2'.repeat(32);
const UNIT = '[Unit]\nDescription=A test\n\n[Service]\nExecStart=/bin/sleep 100\n';

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: {} },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
});
afterAll(() => fleet.stop());

/** A folder with one unit file per name, each unit behaving as told. */
function folderWith(units: Readonly<Record<string, Behaviour | string>>): string {
  const folder = mkdtempSync(join(fleet.dir, 'cwd-'));
  for (const [name, unit] of Object.entries(units)) {
    if (typeof unit !== 'string') fleet.behaviours.set(name, unit);
    writeFileSync(join(folder, name), typeof unit === 'string' ? unit : UNIT);
  }
  return folder;
}

async function run(args: string, cwd: string): Promise<CliResult> {
  return convoyctl(args.split(' '), { cwd, env: { CONVOY_ENDPOINT: `unix://${fleet.socket}` } });
}

describe('start', () => {
  test('waits as long as the unit takes to become active, and says what for', async () => {
    const cwd = folderWith({ 'slow.service': { startMs: 3_500 } });
    const { stdout, stderr, exit } = await run('start slow.service', cwd);
    expect(stdout).toMatch(
      /^Unit slow.service inactive\nUnit slow.service launched on (1|2){8}\.\.\.\/10\.0\.0\.\d\n$/,
    );
    expect(stderr).toBe('Waiting for unit slow.service to report state launched: activating (start)\n');
    expect(exit).toBe(0);
  });

  test('takes a unit that ended well for started', async () => {
    const cwd = folderWith({ 'once.service': { ends: true } });
    expect(await run('start once.service', cwd)).toMatchObject({ exit: 0, stderr: '' });
  });

  test('tells why a unit failed, and starts it again the next time', async () => {
    const cwd = folderWith({ 'boom.service': { fails: 'no such file /opt/boom' } });
    const failed = await run('start boom.service', cwd);
    expect(failed).toEqual({
      stdout: 'Unit boom.service inactive\n',
      stderr:
        'Error waiting for units: unit boom.service failed: failed (failed), exit 1: no such file /opt/boom\n',
      exit: 1,
    });
    expect(await run('start boom.service', cwd)).toMatchObject({ stdout: '', exit: 1 });
    expect(fleet.starts.get('boom.service')).toBe(2);
    fleet.behaviours.set('boom.service', {});
    expect(await run('start boom.service', cwd)).toMatchObject({
      stdout: expect.stringMatching(/^Unit boom.service launched on /),
      exit: 0,
    });
    expect(fleet.starts.get('boom.service')).toBe(3);
  });

  test('of a unit that fits nowhere says so and can be taken back by stop', async () => {
    const refusal = 'pending: 0 of 2 machines: 2 lack az=eu-west';
    const cwd = folderWith({ 'lost.service': { refusal } });
    const { stderr, exit } = await run('start --block-attempts=2 lost.service', cwd);
    expect(stderr).toBe(
      `Waiting for unit lost.service to report state launched: ${refusal}\n` +
        `Error waiting for units: timed out waiting for unit lost.service to report state launched (${refusal})\n`,
    );
    expect(exit).toBe(1);
    expect(await run('stop lost.service', cwd)).toEqual({
      stdout: 'Unit lost.service inactive\n',
      stderr: 'Successfully stopped units [lost.service].\n',
      exit: 0,
    });
    expect(await run('unload lost.service', cwd)).toMatchObject({ exit: 0 });
  });

  test('goes on waiting while convoyd is restarted', async () => {
    const cwd = folderWith({ 'patient.service': { startMs: 2_500 } });
    const socket = join(fleet.dir, 'restarted.sock');
    const first = await fleet.serve({ sockets: [{ path: socket, role: 'admin' }] });
    const running = convoyctl(['start', 'patient.service'], {
      cwd,
      env: { CONVOY_ENDPOINT: `unix://${socket}` },
    });
    await until('it is being started', () => fleet.starts.has('patient.service'));
    await first.stop();
    const second = await fleet.serve({ sockets: [{ path: socket, role: 'admin' }] });
    expect(await running).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('patient.service launched on'),
    });
    await second.stop();
  });

  test('waits for several units at once; one that fails does not hide the others', async () => {
    const cwd = folderWith({ 'good.service': {}, 'bad.service': { fails: 'broken' } });
    const { stdout, stderr, exit } = await run('start bad.service good.service', cwd);
    expect(stdout).toContain('Unit good.service launched on ');
    expect(stderr).toContain('unit bad.service failed: failed (failed), exit 1: broken');
    expect(exit).toBe(1);
  });
});

describe('stop and destroy', () => {
  test('wait until the process has really ended', async () => {
    const cwd = folderWith({ 'linger.service': { stopMs: 1_500 } });
    await run('start linger.service', cwd);
    const stopped = await run('stop linger.service', cwd);
    expect(stopped).toMatchObject({ stderr: 'Successfully stopped units [linger.service].\n', exit: 0 });
    const [state] = (await fleet.registry.readUnit('linger.service'))?.states ?? [];
    expect(state).toMatchObject({ active: 'inactive', reached: 'loaded' });

    await run('start linger.service', cwd);
    expect(await run('destroy linger.service', cwd)).toEqual({
      stdout: 'Destroyed linger.service\n',
      stderr: '',
      exit: 0,
    });
    const { states } = await fleet.registry.readAll();
    expect([...states.values()].some((rows) => rows.has('linger.service'))).toBe(false);
  });

  test('restart ends with a newer process', async () => {
    const cwd = folderWith({ 'again.service': {} });
    await run('start again.service', cwd);
    expect(await run('restart again.service', cwd)).toMatchObject({
      stdout: expect.stringMatching(/^Unit again.service launched on [^\n]*\n$/),
      exit: 0,
    });
    expect(fleet.starts.get('again.service')).toBe(2);
    await run('unload again.service', cwd);
    expect(await run('restart again.service', cwd)).toEqual({
      stdout: '',
      stderr: 'Error restarting units: Unable to restart unit again.service in state inactive\n',
      exit: 1,
    });
  });
});

describe('--replace', () => {
  const changed = UNIT.replace('sleep 100', 'sleep 200');

  test('is asked for when the file differs', async () => {
    const cwd = folderWith({ 'swap.service': UNIT });
    await run('submit swap.service', cwd);
    writeFileSync(join(cwd, 'swap.service'), changed);
    expect(await run('submit swap.service', cwd)).toEqual({
      stdout: '',
      stderr:
        'WARNING: Unit swap.service in registry differs from local unit file swap.service. Add --replace to override.\n',
      exit: 0,
    });
    expect(await run('submit --replace swap.service', cwd)).toMatchObject({
      stdout: 'Unit swap.service inactive\n',
      exit: 0,
    });
    expect((await run('cat swap.service', cwd)).stdout).toBe(changed);
    expect(await run('submit --replace swap.service', cwd)).toMatchObject({
      stdout: 'Found same Unit(swap.service) in Registry, nothing to do\n',
      exit: 0,
    });
  });

  test('of load never takes a running unit down', async () => {
    const cwd = folderWith({ 'kept.service': UNIT });
    await run('start kept.service', cwd);
    writeFileSync(join(cwd, 'kept.service'), changed);
    expect(await run('load --replace kept.service', cwd)).toEqual({
      stdout: '',
      stderr:
        "Error creating units: can not replace Unit(kept.service) in state 'launched', use the appropriate command: start --replace\n",
      exit: 1,
    });
    expect((await fleet.registry.readUnit('kept.service'))?.record.target).toBe('launched');
    const { stdout } = await run('start --replace kept.service', cwd);
    expect(stdout).toMatch(/^Unit kept.service launched on [^\n]*\n$/);
  });
});

describe('bad input', () => {
  test('a syntax error has file and line', async () => {
    const cwd = folderWith({ 'bad.service': '[Service]\nExecStart=/bin/true\nnonsense\n' });
    const { stderr, exit } = await run('start bad.service', cwd);
    expect(stderr).toContain('bad.service:3: ');
    expect(exit).toBe(1);
  });

  test('an unknown option of [X-Fleet] is warned about with the near one, of [X-Convoy] refused', async () => {
    const cwd = folderWith({
      'fleet.service': `${UNIT}\n[X-Fleet]\nMachineOff=x.service\n`,
      'convoy.service': `${UNIT}\n[X-Convoy]\nServce=web\n`,
    });
    expect(await run('submit fleet.service', cwd)).toEqual({
      stdout: 'Unit fleet.service inactive\n',
      stderr:
        'WARNING: Unit fleet.service: fleet.service:8: unrecognized requirement in [X-Fleet] section: "MachineOff" (did you mean MachineOf=?)\n',
      exit: 0,
    });
    const refused = await run('submit convoy.service', cwd);
    expect(refused.stderr).toContain(
      'convoy.service:8: unknown option "Servce" in [X-Convoy]: did you mean Service=?',
    );
    expect(refused.exit).toBe(1);
    expect(await fleet.registry.readUnit('convoy.service')).toBeNull();
  });

  test.each([
    ['nosuch', "unknown command 'nosuch'"],
    ['start --nosuch x', "unknown option '--nosuch'"],
    ['start --block-attempts=x y', '--block-attempts'],
    ['migration', 'which command?'],
    ['migration create a b', 'too many arguments'],
  ])('%s is wrong usage: one sentence and 2', async (args, message) => {
    const { stdout, stderr, exit } = await run(args, fleet.dir);
    expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('a convoyd that does not answer is named', async () => {
    const endpoint = `unix://${fleet.dir}/nobody.sock`;
    for (const args of ['start x.service', 'list-units', 'services', 'migration list']) {
      const { stderr, exit } = await run(`--endpoint=${endpoint} ${args}`, fleet.dir);
      expect(stderr).toContain(`no convoyd answers at ${endpoint}`);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(exit).toBe(1);
    }
  });
});

test('the beginning of a command is enough if no other begins so', async () => {
  expect((await run('list-m --no-legend', fleet.dir)).stdout).toBe(
    '11111111...\t10.0.0.1\t-\n22222222...\t10.0.0.2\t-\n',
  );
  expect((await run('list', fleet.dir)).exit).toBe(2);
});

test('FLEETCTL_ENDPOINT is honoured, CONVOY_ENDPOINT and --endpoint go before it', async () => {
  const here = `unix://${fleet.socket}`;
  const machines = async (env: Record<string, string>, ...args: string[]) =>
    (await convoyctl([...args, 'list-machines'], { cwd: fleet.dir, env })).exit;
  expect(await machines({ FLEETCTL_ENDPOINT: here })).toBe(0);
  expect(await machines({ FLEETCTL_ENDPOINT: 'unix:///nobody', CONVOY_ENDPOINT: here })).toBe(0);
  expect(await machines({ CONVOY_ENDPOINT: 'unix:///nobody' }, `--endpoint=${here}`)).toBe(0);
  expect(await machines({ FLEETCTL_ENDPOINT: here, CONVOY_ENDPOINT: 'unix:///nobody' })).toBe(1);
});

test('a reader that has gone away is no error', async () => {
  const child = spawn(
    'sh',
    ['-c', `"$0" "$1" list-machines | true`, process.execPath, program('cli/main.js')],
    {
      env: { PATH: process.env.PATH, CONVOY_ENDPOINT: `unix://${fleet.socket}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(stderr).toBe('');
});
