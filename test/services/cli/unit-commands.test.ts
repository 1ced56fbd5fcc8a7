import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { commandRunner } from '../../support/commands.js';
import type { CliResult } from '../../support/convoyctl.js';
import { type Behaviour, type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

/** Commands about units: patterns, --replace, waiting, rolling, scaling, asking. */

const [A, B] = ['1'.repeat(32), '2'.repeat(32)] as const;
const UNIT = '[Service]\nExecStart=/bin/sleep 100\n';
const CHANGED = UNIT.replace('100', '200');

let fleet: FakeFleet;
let cwd: string;
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: {} },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
  cwd = folder();
});
afterAll(() => fleet.stop());
afterEach(async () => {
  for (const name of await known()) await fleet.registry.destroyUnit(name);
  fleet.behaviours.clear();
  await fleet.rest();
});

function folder(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(fleet.dir, 'cwd-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}

interface Ran extends CliResult {
  /** What was asked. */
  readonly questions: readonly string[];
  /** What was drawn over on the terminal of stderr. */
  readonly drawn: string;
}
interface Surroundings {
  readonly cwd?: string;
  readonly fleet?: boolean;
  /** Who sits at a terminal says this to everything; absent: nobody does. */
  readonly answer?: boolean;
}

const command = commandRunner(() => `unix://${fleet.socket}`);

async function run(
  line: string,
  { cwd: dir = cwd, fleet: fleetctl = false, answer }: Surroundings = {},
): Promise<Ran> {
  const questions: string[] = [];
  let drawn = '';
  const sitting =
    answer === undefined
      ? {}
      : {
          ask: async (question: string) => {
            questions.push(question);
            return answer;
          },
          errTerminal: {
            ...{ columns: 60, rows: 24, colours: false },
            write: (text: string) => {
              drawn += text;
            },
          },
        };
  const result = await command(line.split(' '), { cwd: dir, fleet: fleetctl, ...sitting });
  return { ...result, questions, drawn };
}

async function known(): Promise<string[]> {
  return [...(await fleet.registry.readAll()).units.keys()].sort();
}

async function targets(): Promise<Record<string, string>> {
  const { units } = await fleet.registry.readAll();
  return Object.fromEntries([...units.values()].map(({ name, target }) => [name, target]).sort());
}

/** Starts units, each behaving as told. */
async function running(units: Readonly<Record<string, Behaviour>>): Promise<void> {
  for (const [name, behaviour] of Object.entries(units)) {
    fleet.behaviours.set(name, behaviour);
    writeFileSync(join(cwd, name), UNIT);
  }
  expect((await run(`start ${Object.keys(units).join(' ')}`)).exit).toBe(0);
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean).sort();

describe('patterns', () => {
  test('of start mean unit files of the folder and units of the registry, with a slash files only', async () => {
    await fleet.registry.submitUnit(
      'far@1.service',
      { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/a' }] },
      'inactive',
    );
    const dir = folder({ 'fa.service': UNIT, 'fa@.service': UNIT, 'fa.md': '', 'b.service': UNIT });
    expect(await run('start ./fa*', { cwd: dir })).toMatchObject({ exit: 0 });
    expect(await targets()).toEqual({ 'fa.service': 'launched', 'far@1.service': 'inactive' });
    expect(await run('start fa*', { cwd: dir })).toMatchObject({ exit: 0 });
    expect(await targets()).toEqual({ 'fa.service': 'launched', 'far@1.service': 'launched' });
  });

  test('of submit mean templates too', async () => {
    const dir = folder({ 'a@.service': UNIT, 'a.service': UNIT, 'a.timer': '[Timer]\nOnCalendar=daily\n' });
    expect((await run('submit a*', { cwd: dir })).exit).toBe(0);
    expect(await known()).toEqual(['a.service', 'a@.service']);
    expect((await run('submit a.*', { cwd: dir })).exit).toBe(0);
    expect(await known()).toEqual(['a.service', 'a.timer', 'a@.service']);
  });

  test.each(['stop', 'unload', 'destroy', 'restart'])(
    'of %s ask on a terminal, and need --yes without one',
    async (command) => {
      await running({ 'web@1.service': {}, 'web@2.service': {}, 'wob.service': {} });
      const before = await targets();
      const alone = await run(`${command} web@*`);
      expect(alone).toMatchObject({ exit: 2, stdout: '' });
      expect(alone.stderr).toMatch(
        /^convoyctl: \w+ 2 units.*\? Nobody can be asked here: give --yes to go ahead\n$/,
      );
      const refused = await run(`${command} web@*`, { answer: false });
      expect(refused).toMatchObject({ exit: 1, stdout: '' });
      expect(refused.stderr).toMatch(/^web@1\.service.*\nweb@2\.service.*\nNothing was changed\n$/);
      expect(refused.questions).toHaveLength(1);
      expect(await targets()).toEqual(before);

      const done = await run(`${command} --yes web@*`);
      expect(done.exit).toBe(0);
      expect(lines(done.stdout)).toHaveLength(2);
      const after = await targets();
      expect(after['wob.service']).toBe('launched');
      const left = { stop: 'loaded', unload: 'inactive', destroy: undefined, restart: 'launched' }[command];
      expect([after['web@1.service'], after['web@2.service']]).toEqual([left, left]);
    },
  );

  test.each(['stop', 'unload', 'destroy', 'restart', 'cat', 'why'])(
    'of %s that match nothing are told in a sentence',
    async (command) => {
      for (const fleetctl of [false, true])
        expect(await run(`${command} nosuch@*`, { fleet: fleetctl })).toMatchObject({
          ...{
            exit: 1,
            stdout: '',
            stderr: 'convoyctl: no unit in the registry matches "nosuch@*.service"\n',
          },
        });
    },
  );

  test.each(['submit', 'load', 'start'])(
    'of %s that match nothing are told in a sentence',
    async (command) => {
      const dir = folder();
      expect((await run(`${command} nosuch*`, { cwd: dir })).stderr).toBe(
        `Error creating units: no unit in the registry and no unit file in ${dir} matches "nosuch*.service"\n`,
      );
      expect((await run(`${command} ./nosuch*`, { cwd: dir })).stderr).toBe(
        `Error creating units: no unit file in ${dir} matches "nosuch*.service"\n`,
      );
    },
  );

  test('of cat print what matches, each under its name', async () => {
    await running({ 'web@1.service': {}, 'web@2.service': {} });
    expect((await run('cat web@?')).stdout).toBe(`# web@1.service\n${UNIT}\n# web@2.service\n${UNIT}`);
    expect((await run('cat web@1')).stdout).toBe(UNIT);
  });

  test('a name with a backslash is a name', async () => {
    await running({ 'a\\x2db.service': {}, 'axx2db.service': {} });
    expect(await run('stop a\\x2db')).toMatchObject({
      exit: 0,
      stderr: 'Successfully stopped units [a\\x2db.service].\n',
    });
    expect(await run('stop --yes a\\x2d*')).toMatchObject({
      exit: 0,
      stderr: 'Successfully stopped units [].\n',
    });
  });
});

describe('destroy', () => {
  test('asks on a terminal; fleetctl never did; a script that names its units goes ahead', async () => {
    await running({ 'a.service': {}, 'b.service': {}, 'c.service': {} });
    expect(await run('destroy a.service', { answer: false })).toMatchObject({
      exit: 1,
      questions: ['Destroy 1 unit?'],
    });
    expect(await run('destroy a.service', { answer: true })).toMatchObject({
      exit: 0,
      stdout: 'Destroyed a.service\n',
    });
    expect(await run('destroy b.service', { answer: false, fleet: true })).toMatchObject({
      exit: 0,
      questions: [],
    });
    expect(await run('destroy c.service nosuch.service')).toMatchObject({
      ...{ exit: 0, stdout: 'Destroyed c.service\n', stderr: 'Unit nosuch.service not found in registry\n' },
    });
  });

  test('of a unit that is destroyed by somebody else meanwhile is done', async () => {
    await running({ 'a.service': {}, 'b.service': {} });
    const ask = async () => {
      await fleet.registry.destroyUnit('a.service');
      return true;
    };
    expect(await command(['destroy', 'a.service', 'b.service'], { cwd, ask })).toMatchObject({
      ...{ exit: 0, stdout: 'Destroyed b.service\n' },
    });
  });

  test('--dry-run shows what would be lost', async () => {
    await running({ 'a.service': {} });
    expect((await run('destroy --dry-run a.service')).stdout).toMatch(
      /^UNIT\t\tWHAT\na\.service\twould be destroyed: launched, active \(running\) on (1|2){8}\n$/,
    );
    expect(await known()).toEqual(['a.service']);
  });

  test('waits until the unit is gone from every machine', async () => {
    fleet.behaviours.set('every.service', { stopMs: 700 });
    writeFileSync(join(cwd, 'every.service'), `${UNIT}[X-Fleet]\nGlobal=true\n`);
    await run('start every.service');
    await fleet.rest();
    expect(await run('destroy every.service')).toMatchObject({
      exit: 0,
      stdout: 'Destroyed every.service\n',
    });
    const { states } = await fleet.registry.readAll();
    expect([...states.values()].some((rows) => rows.has('every.service'))).toBe(false);
  });
});

describe('--replace', () => {
  test('puts the new text in the place of the old one where it runs, and waits for it', async () => {
    await running({ 'swap.service': {} });
    const on = (await fleet.registry.readUnit('swap.service'))?.machine;
    const started = fleet.starts.get('swap.service') ?? 0;
    fleet.behaviours.set('swap.service', { startMs: 600 });
    const dir = folder({ 'swap.service': CHANGED });
    const { stdout, exit } = await run('start --replace swap.service', { cwd: dir });
    expect(stdout).toBe(
      `Unit swap.service launched on ${on === A ? '11111111.../10.0.0.1' : '22222222.../10.0.0.2'}\n`,
    );
    expect(exit).toBe(0);
    const unit = await fleet.registry.readUnit('swap.service');
    expect(unit?.machine).toBe(on);
    expect(unit?.states[0]).toMatchObject({ hash: unit?.record.hash, active: 'active' });
    expect(fleet.starts.get('swap.service')).toBe(started + 1);
  });

  test.each([
    ['submit', 'inactive', true],
    ['submit', 'loaded', false],
    ['submit', 'launched', false],
    ['load', 'inactive', true],
    ['load', 'loaded', true],
    ['load', 'launched', false],
    ['start', 'inactive', true],
    ['start', 'loaded', true],
    ['start', 'launched', true],
  ] as const)('of %s on what is %s: %s', async (command, target, within) => {
    const dir = folder({ 'x.service': UNIT });
    const submitted = { inactive: 'submit', loaded: 'load', launched: 'start' }[target];
    await run(`${submitted} x.service`, { cwd: dir });
    writeFileSync(join(dir, 'x.service'), CHANGED);
    const said = await run(`${command} --replace x.service`, { cwd: dir });
    const stored = (await run('cat x.service')).stdout;
    expect({ exit: said.exit, stored }).toEqual({ exit: within ? 0 : 1, stored: within ? CHANGED : UNIT });
    const words = `can not replace Unit(x.service) in state '${target}', use the appropriate command`;
    const enough = target === 'loaded' ? 'load' : 'start';
    if (!within) expect(said.stderr).toBe(`Error creating units: ${words}: ${enough} --replace\n`);
    const wanted = { submit: 'inactive', load: 'loaded', start: 'launched' }[command];
    expect(await targets()).toEqual({ 'x.service': within ? wanted : target });
    if (within) return;
    expect(await run(`${command} --replace x.service`, { cwd: dir, fleet: true })).toMatchObject({
      ...{ exit: 0, stdout: '', stderr: `Warning: ${words}\n` },
    });
    expect(await targets()).toEqual({ 'x.service': target });
  });

  test('of the same text has nothing to do', async () => {
    await running({ 'same.service': {} });
    expect(await run('start --replace same.service')).toMatchObject({
      ...{ exit: 0, stdout: 'Found same Unit(same.service) in Registry, nothing to do\n', stderr: '' },
    });
  });

  test('of a template tells of its instances, which keep their copies until they are renewed', async () => {
    const dir = folder({ 'web@.service': UNIT });
    await run('submit web@.service', { cwd: dir });
    await run('start web@1 web@2');
    const changed = folder({ 'web@.service': CHANGED });
    expect((await run('submit --replace web@.service', { cwd: changed })).stdout).toBe(
      'Unit web@.service inactive\nTemplate web@.service is replaced; its 2 instances (web@1.service, web@2.service) keep their copies of the former one: renew with "convoyctl start --replace web@1.service"\n',
    );
    expect((await run('cat web@1')).stdout).toBe(UNIT);
    const renewed = await run('start --replace web@1.service', { cwd: folder() });
    expect(renewed.stdout).toMatch(/^Unit web@1\.service launched on /);
    expect((await run('cat web@1')).stdout).toBe(CHANGED);
    expect((await run('cat web@2')).stdout).toBe(UNIT);
  });

  test('a template of the registry goes before one on disk, which is told', async () => {
    await run('submit web@.service', { cwd: folder({ 'web@.service': UNIT }) });
    const other = folder({ 'web@.service': CHANGED });
    expect(await run('submit web@1.service', { cwd: other })).toMatchObject({
      exit: 0,
      stderr:
        'WARNING: Unit web@.service in registry differs from local template unit file web@.service. Add --replace to override.\n',
    });
    expect((await run('cat web@1')).stdout).toBe(UNIT);
  });

  test("an instance without a template anywhere is told in fleet's words", async () => {
    expect(await run('start nosuch@1', { fleet: true })).toMatchObject({
      exit: 1,
      stderr:
        'Error creating units: failed getting Unit(nosuch@1.service) from template: unable to find template Unit(nosuch@.service) in Registry or on filesystem\n',
    });
  });

  test('--dry-run shows what would be done, and does nothing', async () => {
    await running({ 'same.service': {}, 'new.service': {} });
    const dir = folder({ 'same.service': UNIT, 'new.service': CHANGED, 'more.service': UNIT });
    const { stdout, exit } = await run('start --replace --dry-run same new more', { cwd: dir });
    expect(stdout).toBe(
      'UNIT\t\tWHAT\nsame.service\tis the same in the registry (launched)\nnew.service\twould be replaced (launched), stopped and started where it is\nmore.service\twould be submitted, then launched\n',
    );
    expect(exit).toBe(0);
    expect(await known()).toEqual(['new.service', 'same.service']);
    expect((await run('cat new')).stdout).toBe(UNIT);
  });

  test('of a pattern asks before it stops and starts what runs', async () => {
    await running({ 'w1.service': {}, 'w2.service': {} });
    const dir = folder({ 'w1.service': CHANGED, 'w2.service': UNIT });
    expect(await run('start --replace ./w*', { cwd: dir })).toMatchObject({ exit: 2 });
    expect(await run('start --replace ./w*', { cwd: dir, answer: false })).toMatchObject({
      ...{ exit: 1, questions: ['Replace 1 running unit, which stops and starts them?'] },
    });
    expect((await run('cat w1')).stdout).toBe(UNIT);
    expect(await run('start --replace --yes ./w*', { cwd: dir })).toMatchObject({ exit: 0 });
    expect((await run('cat w1')).stdout).toBe(CHANGED);
  });
});

describe('many at once', () => {
  test('all files are read and checked before anything is submitted', async () => {
    const dir = folder({ 'a.service': UNIT, 'b.service': '[Service]\nnonsense\n', 'c.service': UNIT });
    expect(await run('start a.service b.service', { cwd: dir })).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('failed getting Unit(b.service) from file: b.service:2: '),
    });
    expect(await run('start a.service nosuch.service c.service', { cwd: dir })).toMatchObject({ exit: 1 });
    expect(await known()).toEqual([]);
  });

  test('300 instances are submitted and started in lots of 50', async () => {
    const dir = folder({ 'web@.service': UNIT });
    const names = Array.from({ length: 300 }, (_, at) => `web@${at + 1}.service`);
    const { stdout, exit } = await run(`start ${names.join(' ')}`, { cwd: dir });
    expect(exit).toBe(0);
    const told = stdout.trim().split('\n');
    expect(told.filter((line) => / inactive$/.test(line))).toHaveLength(300);
    expect(told.filter((line) => / launched on /.test(line))).toHaveLength(300);
  });
});

describe('load', () => {
  test('of a running unit says that it stops it, and asks on a terminal', async () => {
    await running({ 'up.service': {} });
    expect(await run('load up.service', { answer: false })).toMatchObject({
      ...{ exit: 1, questions: ['Load stops what is launched: up.service. Go on?'] },
    });
    expect(await targets()).toEqual({ 'up.service': 'launched' });
    expect(await run('load up.service')).toMatchObject({
      ...{ exit: 0, stderr: 'Unit up.service was launched: load stops it\n' },
    });
    expect(await targets()).toEqual({ 'up.service': 'loaded' });
    await run('start up.service');
    expect(await run('load up.service', { fleet: true, answer: false })).toMatchObject({
      exit: 0,
      stderr: '',
      questions: [],
    });
  });
});

describe('waiting', () => {
  const refusal = 'pending: 0 of 2 machines: 2 lack az=eu-west';

  test("--timeout ends with 3, --block-attempts with 1, as fleet in fleet's words", async () => {
    fleet.behaviours.set('lost.service', { refusal });
    const dir = folder({ 'lost.service': UNIT });
    const late = 'Error waiting for units: timed out waiting for unit lost.service to report state launched';
    expect(await run('start --no-block lost.service', { cwd: dir })).toMatchObject({ exit: 0 });
    await fleet.rest();
    expect(await run('start --timeout=300ms lost.service', { cwd: dir })).toMatchObject({
      ...{ exit: 3, stderr: `${late} (${refusal})\n` },
    });
    expect(await run('start --block-attempts=1 --timeout=1h lost.service', { cwd: dir })).toMatchObject({
      exit: 1,
    });
    expect(await run('start --timeout=300ms lost.service', { cwd: dir, fleet: true })).toMatchObject({
      exit: 3,
      stderr: `${late}\n${late.replace('units:', 'unit states, exit status:')}\n`,
    });
  });

  test('is shown on one line of a terminal that is drawn over, and is gone in the end', async () => {
    fleet.behaviours.set('slow.service', { startMs: 1_500 });
    const { drawn, stderr, exit } = await run('start slow.service', {
      cwd: folder({ 'slow.service': UNIT }),
      answer: true,
    });
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(drawn).toContain('\rWaiting 0s for slow.service: activating (start)\x1b[K');
    expect(drawn).toMatch(/\r\x1b\[K$/);
    expect(drawn).not.toContain('\n');
    for (const line of drawn.split('\r')) expect(line.replace('\x1b[K', '').length).toBeLessThan(60);
  });

  test('fleetctl says nothing while it waits', async () => {
    fleet.behaviours.set('slow.service', { startMs: 2_500 });
    const dir = folder({ 'slow.service': UNIT });
    expect(await run('start slow.service', { cwd: dir, fleet: true, answer: true })).toMatchObject({
      ...{ exit: 0, stderr: '', drawn: '' },
    });
  });

  test("a stop that takes too long is told in fleet's words", async () => {
    await running({ 'slow.service': { stopMs: 1_500 } });
    const { exit, stderr } = await run('stop --timeout=300ms slow.service', { fleet: true });
    expect(exit).toBe(3);
    expect(stderr).toMatch(/\nFailed to stop units \[slow\.service\]\. exit == 3\.\n$/);
  });

  test('--no-block says what was triggered, once; --sign of old scripts is taken and does nothing', async () => {
    const dir = folder({ 'a.service': UNIT });
    expect((await run('start --sign --no-block a.service', { cwd: dir })).stdout).toBe(
      'Unit a.service inactive\nTriggered unit a.service start\n',
    );
  });
});

describe('restart', () => {
  test('goes from one unit to the next once that is active', async () => {
    await running({ 'r1.service': {}, 'r2.service': {}, 'r3.service': {} });
    const before = new Map(fleet.starts);
    fleet.behaviours.set('r1.service', { startMs: 700 });
    const half = run('restart r1 r2 r3');
    const begun = () => fleet.starts.get('r1.service') !== before.get('r1.service');
    await until('r1 is being started', begun);
    expect(fleet.starts.get('r2.service')).toBe(before.get('r2.service'));
    const { stdout, exit } = await half;
    expect(stdout.split('\n').map((line) => line.slice(5, 15))).toEqual([
      'r1.service',
      'r2.service',
      'r3.service',
      '',
    ]);
    expect(exit).toBe(0);
    for (const name of ['r1', 'r2', 'r3'])
      expect(fleet.starts.get(`${name}.service`)).toBe((before.get(`${name}.service`) ?? 0) + 1);
  });

  test('stops at the first that fails, and says what was not touched', async () => {
    await running({ 's1.service': {}, 's2.service': {}, 's3.service': {}, 's4.service': {} });
    const before = new Map(fleet.starts);
    fleet.behaviours.set('s2.service', { fails: 'no such file' });
    const { stderr, exit } = await run('restart s1 s2 s3 s4');
    expect(exit).toBe(1);
    expect(stderr).toBe(
      'Error waiting for units: unit s2.service failed: failed (failed), exit 1: no such file\n' +
        'Stopped: 1 of 4 units restarted; not touched: s3.service, s4.service\n',
    );
    expect(fleet.starts.get('s3.service')).toBe(before.get('s3.service'));
  });

  test('touches nothing if one that is named cannot be restarted', async () => {
    await running({ 't1.service': {}, 't2.service': {} });
    await run('unload t2.service');
    const before = new Map(fleet.starts);
    expect(await run('restart t1 t2')).toMatchObject({
      exit: 1,
      stderr: 'Error restarting units: Unable to restart unit t2.service in state inactive\n',
    });
    expect(await run('restart t1 nosuch')).toMatchObject({ exit: 1 });
    expect(await run('restart t1 nosuch', { fleet: true })).toMatchObject({
      stderr: 'Error creating units: unable to find Unit(nosuch.service) in Registry or on filesystem\n',
    });
    expect(fleet.starts).toEqual(before);
  });

  test('of a global says that all its machines do it, and waits for them', async () => {
    writeFileSync(join(cwd, 'every.service'), `${UNIT}[X-Fleet]\nGlobal=true\n`);
    await run('start every.service');
    await fleet.rest();
    fleet.behaviours.set('every.service', { startMs: 400 });
    const before = fleet.starts.get('every.service') ?? 0;
    expect(await run('restart every.service')).toMatchObject({
      exit: 0,
      stdout: 'Unit every.service launched on 2 machines\n',
      stderr: 'Unit every.service is global: its 2 machines restart it at the same time\n',
    });
    expect(fleet.starts.get('every.service')).toBe(before + 2);
    const { states } = await fleet.registry.readAll();
    expect([...states.values()].map((rows) => rows.get('every.service')?.active)).toEqual([
      'active',
      'active',
    ]);
  });
});

describe('scale', () => {
  test('starts and unloads numbered instances, and leaves others alone', async () => {
    const dir = folder({ 'web@.service': UNIT });
    await run('submit web@.service', { cwd: dir });
    await run('start web@blue web@01');
    const up = await run('scale web@ 3');
    expect(up.exit).toBe(0);
    expect(lines(up.stdout)).toEqual([
      'Scaled web@.service to 3: 3 started',
      expect.stringMatching(/^Unit web@1\.service launched on /),
      expect.stringMatching(/^Unit web@2\.service launched on /),
      expect.stringMatching(/^Unit web@3\.service launched on /),
    ]);
    expect((await run('scale web@ 3')).stdout).toBe('Scaled web@.service to 3: nothing to do\n');
    await run('destroy web@1.service');
    expect((await run('scale --dry-run web@ 2')).stdout).toBe(
      'UNIT\t\tWHAT\nweb@1.service\twould be created and started\nweb@3.service\twould be unloaded (active (running) now)\n',
    );
    expect(await run('scale web@ 2', { answer: false })).toMatchObject({
      ...{ exit: 1, questions: ['Unload 1 unit (web@3.service)?'] },
    });
    const down = await run('scale web@ 2');
    expect(lines(down.stdout)).toEqual([
      'Scaled web@.service to 2: 1 started, 1 unloaded (still known: convoyctl destroy takes them out)',
      expect.stringMatching(/^Unit web@1\.service launched on /),
      'Unit web@3.service inactive',
    ]);
    expect(await targets()).toEqual({
      ...{ 'web@.service': 'inactive', 'web@01.service': 'launched', 'web@blue.service': 'launched' },
      ...{ 'web@1.service': 'launched', 'web@2.service': 'launched', 'web@3.service': 'inactive' },
    });
  });

  test('renews what is off with the template, and names what runs with a former one', async () => {
    await run('submit web@.service', { cwd: folder({ 'web@.service': UNIT }) });
    await run('scale web@ 3');
    await run('scale web@ 1');
    await run('submit --replace web@.service', { cwd: folder({ 'web@.service': CHANGED }) });
    const { stderr, exit } = await run('scale web@ 2');
    expect(exit).toBe(0);
    expect(stderr).toBe(
      'Unit web@1.service keeps its copy of a former web@.service: renew with "convoyctl start --replace web@1.service"\n',
    );
    expect((await run('cat web@1')).stdout).toBe(UNIT);
    expect((await run('cat web@2')).stdout).toBe(CHANGED);
  });

  test.each([
    ['scale', 2, 'scale what, and to how many?'],
    ['scale web 3', 2, 'web is no template'],
    ['scale web@ many', 2, 'Expected a whole number from 0 to 10000, got "many"'],
    ['scale web@ -1', 2, 'Expected a whole number'],
    [
      'scale nosuch@ 1',
      1,
      'Error scaling units: unable to find Unit(nosuch@.service) in Registry or on filesystem',
    ],
  ])('%s is told in a sentence', async (line, exit, sentence) => {
    const said = await run(line.replace(' -1', ' -- -1'));
    expect(said).toMatchObject({ exit, stdout: '' });
    expect(said.stderr).toContain(sentence);
  });
});

describe('why', () => {
  test('tells of every machine, and of how the unit ended', async () => {
    fleet.behaviours.set('lost.service', { refusal: 'pending: 0 of 2 machines: 2 lack az=eu-west' });
    fleet.behaviours.set('boom.service', { fails: 'exited with code 1' });
    const dir = folder({ 'lost.service': UNIT, 'boom.service': UNIT });
    await run('start --no-block lost.service boom.service', { cwd: dir });
    await fleet.rest();
    const lost = await run('why lost.service');
    expect(lost.stdout).toContain(
      'lost.service: launched is wanted\npending: 0 of 2 machines: 2 lack az=eu-west\n',
    );
    expect(lost.stdout).toMatch(/MACHINE\t+HERE\tWHY\n11111111\.\.\.\/10\.0\.0\.1\tno\t/);
    const boom = await run('why boom.service');
    expect(boom.stdout).toMatch(/\tyes\tfewest units\n/);
    expect(boom.stdout).toMatch(
      /On (1|2){8}\.\.\.\/10\.0\.0\.\d: failed \(failed\), exit 1: exited with code 1\n {4}boom\.service line 1\n/,
    );
    expect(await run('why nosuch.service')).toMatchObject({
      exit: 1,
      stderr: 'Unit nosuch.service does not exist.\n',
    });
  });
});
