import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiClient, openClient } from '../../../cli/client.js';
import { encodeCluster, encodeKnown, encodeMachine } from '../../../registry/codec.js';
import { someUnits } from '../../support/carrying-fleet.js';
import { type TestMachine, testMachine, writeUnit } from '../../support/fleet.js';
import { freeze } from '../../support/freeze.js';
import { program } from '../../support/programs.js';
import { type TestServer, testEtcd, useGround } from '../../support/services.js';
import { readStyledScreen } from '../../support/styled-screen.js';
import { startTerminal, type Terminal } from '../../support/tmux.js';
import { until } from '../../support/until.js';
import { rawEtcd } from '../registry/raw-etcd.js';

/**
 * `convoyctl top` on a terminal, over machines with units, one of which fails and one of which fits nowhere. What is on
 * the screen is held against what etcd and convoyd say.
 */
const ground = useGround('fleet-page');
const PATIENCE_MS = 40_000;
const SLEEP = '[Service]\nExecStart=/bin/sleep infinity\n';
let etcd: TestServer;
/** The first leader; the one that `top` asks; one that stays. */
let a: TestMachine;
let b: TestMachine;
let c: TestMachine;
/** Of `c`. */
let api: ApiClient;
let screen: Terminal;

beforeAll(async () => {
  etcd = await testEtcd(ground);
  a = await testMachine(ground, 'a', etcd.url);
  await until('a leader', leaderKey, PATIENCE_MS);
  [b, c] = await Promise.all([testMachine(ground, 'b', etcd.url), testMachine(ground, 'c', etcd.url)]);
  api = openClient(c.endpoint);
  await untilTruth('machines', async () => (await api.machineReports()).length === 3);
  await someUnits({ machines: [c] });
  screen = await startTerminal(ground, {
    ...{ name: 'top', command: [process.execPath, program('cli/main.js'), 'top'], columns: 160, rows: 48 },
    env: { CONVOY_ENDPOINT: b.endpoint },
  });
}, 120_000);
afterAll(() => api?.close());

async function ctl(...args: string[]): Promise<void> {
  const { code, stderr } = await c.ctl(...args);
  if (code !== 0) throw new Error(`convoyctl ${args.join(' ')}: ${stderr}`);
}

/** Whose machine it names, and since which revision. */
async function leaderKey(): Promise<{ machine: string; term: number } | null> {
  const found = await rawEtcd(etcd.url).get('/convoy/leader');
  return found === null ? null : { machine: JSON.parse(found.value).machine, term: found.created };
}

/** As `until`, whatever the API fails with meanwhile. */
function untilTruth<T>(what: string, probe: () => Promise<T | false | null | undefined>): Promise<T> {
  return until(what, () => probe().catch(() => null), PATIENCE_MS);
}

const untilSeen = (what: string, wanted: (lines: string[]) => unknown): Promise<string[]> =>
  screen.untilScreen(what, wanted, PATIENCE_MS);

const short = (id: string): string => `${id.slice(0, 8)}...`;

const has =
  (...words: (string | RegExp)[]) =>
  (lines: string[]): boolean =>
    words.every((word) =>
      lines.some((line) => (typeof word === 'string' ? line.includes(word) : word.test(line))),
    );

/** The cells of the table that begins with these heads, row by row; none if it is not on the screen. */
function table(lines: string[], ...heads: [string, string]): string[][] {
  const at = lines.findIndex((line) => new RegExp(`│ *${heads.join(' +')}\\b`).test(line));
  const head = lines[at] ?? '';
  const left = head.lastIndexOf('│', head.indexOf(heads.join(' ').slice(0, heads[0].length))) + 1;
  const right = head.indexOf('│', left);
  const rows = lines.slice(at + 1).map((line) => line.slice(left, right));
  const end = rows.findIndex((row) => /^[>* ]?\s*$|─/.test(row));
  return at === -1 ? [] : rows.slice(0, end).map((row) => row.slice(1).trim().split(/ {2,}/));
}
const machinesOn = (lines: string[]) => table(lines, 'MACHINE', 'STATE');
const unitsOn = (lines: string[]) => table(lines, 'UNIT', 'STATE');
const unitOn = (lines: string[], name: string) => unitsOn(lines).find(([unit]) => unit === name);

/** What stands between the title and the blocks. */
const alarmOn = (lines: string[]): string =>
  lines
    .slice(
      1,
      lines.findIndex((line) => line.startsWith('┌')),
    )
    .join(' ');

/** What is red on the screen, rows one after another. */
async function red(): Promise<string> {
  const rows = readStyledScreen(await screen.captureStyled());
  const text = (row: (typeof rows)[number]) =>
    row.flatMap(({ text, style }) => (RED.includes(style.foreground ?? -1) ? [text] : []));
  return rows
    .map((row) => text(row).join(''))
    .join(' ')
    .replaceAll(/ +/g, ' ');
}

/** The terminal's own, its bright one, and that of the palette which suits dark and light. */
const RED = [1, 9, 160];

/** The screen without trouble, with all machines, and leader and term as etcd has them; `c` is at work, too. */
async function untilWell(): Promise<void> {
  await untilTruth('what etcd says', async () => {
    const leader = await leaderKey();
    if ((await api.hold()).hold !== null || !(await api.machineReports()).every(({ alive }) => alive))
      return null;
    const lines = await screen.capture();
    const [title = '', alarm = ''] = lines;
    return (
      leader !== null &&
      /^ *fleet {2}3 machines {2}/.test(title) &&
      title.includes(`${short(leader.machine)} leads  term ${leader.term}`) &&
      alarm.includes('Machines') &&
      machinesOn(lines).every(([, state]) => /^ready/.test(state ?? ''))
    );
  }).catch(async (error: Error) => {
    throw new Error(
      `${error.message}: ${JSON.stringify(await leaderKey())}\n${(await screen.capture()).join('\n')}`,
    );
  });
}

test('machines with state, units and load; units by state; placements and why; what is pending; leader and term', async () => {
  await untilTruth('units that run', async () =>
    (await api.unitReports()).every(
      ({ pending, states }) => pending !== null || ['active', 'failed'].includes(states[0]?.active ?? ''),
    ),
  );
  const loads = new Set<string>();
  const lines = await untilSeen('machines with the load of this one', (rows) => {
    loads.add(readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '');
    const all = machinesOn(rows);
    return all.length === 3 && all.every(([, , , load]) => loads.has(load ?? ''));
  });
  await untilWell();
  const placements = await api.placements({});
  for (const { id } of [a, b, c]) {
    const units = placements.filter(({ machine }) => machine === id).length;
    expect(machinesOn(lines)).toContainEqual(
      expect.arrayContaining([short(id), id === a.id ? 'ready, leads' : 'ready', String(units), '127.0.0.1']),
    );
  }
  expect(placements).toHaveLength(4);
  for (const { unit, machine, why } of placements.filter(({ unit }) => unit !== 'mailer.service'))
    expect(unitOn(lines, unit)).toEqual([
      unit,
      'active (running)',
      expect.stringMatching(/^\d+\w+$/),
      short(machine),
      'launched',
      '-',
      why,
    ]);
  const mailer = placements.find(({ unit }) => unit === 'mailer.service');
  expect(unitOn(lines, 'mailer.service')).toEqual([
    'mailer.service',
    'failed',
    expect.anything(),
    short(mailer?.machine ?? ''),
    'launched',
    '-',
    expect.stringMatching(/code 7/),
  ]);
  const { refusals } = await api.leader();
  const why = refusals['gpu-index.service']?.replace('pending: ', '');
  expect(why).toContain('3 lack gpu=yes');
  expect(unitOn(lines, 'gpu-index.service')).toEqual([
    'gpu-index.service',
    'pending',
    '-',
    '-',
    'launched',
    '-',
    why,
  ]);
  expect(table(lines, 'UNIT', 'WHY')).toEqual([['gpu-index.service', why]]);
  for (const tally of ['5 units', '1 failed', '1 pending', '3 active'])
    expect(lines.join('\n')).toContain(tally);
});

test('events are shown as they come', async () => {
  writeUnit(c, 'late.service', SLEEP);
  await ctl('start', 'late.service');
  const lines = await untilSeen(
    'what happened',
    has(
      /late\.service active \(running\) on /,
      /late\.service placed on /,
      /late\.service is to be launched/,
    ),
  );
  const { machine, why } = (await api.placements({ unit: 'late.service' }))[0]!;
  expect(unitOn(lines, 'late.service')).toEqual(
    expect.arrayContaining(['active (running)', short(machine), why]),
  );
  const heard = table(lines, 'HEARD', 'EVENT').map(([, event]) => event ?? '');
  expect(heard.every((event) => event.startsWith('late.service '))).toBe(true);
  const order = ['active (running) on', 'placed on', 'is to be launched'].map((words) =>
    heard.findIndex((event) => event.startsWith(`late.service ${words}`)),
  );
  expect(order.includes(-1)).toBe(false);
  expect(order).toEqual(order.toSorted((one, other) => one - other));
});

/** In place of a question: no dialog, whatever is in the last line. */
const isUnasked = (lines: string[]): boolean => !has('sure?')(lines);

test('/ filters; s stops a unit only after y, and starts it without asking', async () => {
  await screen.sendKeys('Tab', '/', 'late', 'Enter');
  await untilSeen('that unit alone', (lines) => unitsOn(lines).length === 1 && unitOn(lines, 'late.service'));
  const late = async () => (await api.unit('late.service'))?.record;
  const before = await late();
  for (const no of ['n', 'Escape', 'x', 'Enter']) {
    await screen.sendKeys('s');
    await untilSeen('the question', has('sure?', 'Stop late.service?'));
    await screen.sendKeys(no);
    await untilSeen('no question', isUnasked);
  }
  expect(await late()).toEqual(before);
  await screen.sendKeys('s');
  await untilSeen('the question', has('Stop late.service?'));
  await screen.sendKeys('y');
  // Had one of the others stopped it, this would say that it was told already.
  await untilSeen('what came of it', (lines) => lines.at(-1)?.startsWith('stopping late.service'));
  await untilTruth('it to be told', async () => (await late())?.target === 'loaded');
  await untilSeen('it stopped', (lines) => unitOn(lines, 'late.service')?.[1] === 'loaded');
  expect((await api.unit('late.service'))?.states[0]?.active).toBe('inactive');
  await screen.sendKeys('s');
  await untilSeen('it started', (lines) => unitOn(lines, 'late.service')?.[1] === 'active (running)');
  expect(await late()).toMatchObject({ target: 'launched' });
  await screen.sendKeys('/', 'C-u', 'Enter');
  await untilSeen('all units', (lines) => unitsOn(lines).length === 6);
});

test('d drains a machine only after y, and ends that without asking', async () => {
  await screen.sendKeys('BTab', 'End', 'Up');
  const report = async () => (await api.machineReports()).find(({ id }) => id === b.id);
  const units = async () => (await api.placements({ machine: b.id })).map(({ unit }) => unit);
  const before = await units();
  expect(before.length).toBeGreaterThan(0);
  const question = `Drain machine ${short(b.id)}/127.0.0.1? It takes no new units, ${before.length} unit`;
  for (const no of ['n', 'Escape', 'q']) {
    await screen.sendKeys('d');
    await untilSeen('the question', has('sure?', question));
    await screen.sendKeys(no);
    await untilSeen('no question', isUnasked);
  }
  expect(await report()).toMatchObject({ cordoned: false, draining: false });
  expect(await units()).toEqual(before);
  await screen.sendKeys('d');
  await untilSeen('the question', has(question));
  await screen.sendKeys('y');
  await untilTruth(
    'its units elsewhere',
    async () => (await report())?.draining && (await units()).length === 0,
  );
  await untilSeen('it drained', (lines) => {
    const row = machinesOn(lines).find(([machine]) => machine === short(b.id));
    return row?.[1] === 'draining' && row[2] === '0';
  });
  const placements = await api.placements({});
  expect(placements).toHaveLength(5);
  const lines = await untilSeen('where they are now', (rows) =>
    placements.every(({ unit, machine }) => unitOn(rows, unit)?.[3] === short(machine)),
  );
  // Rows move by what is wrong with them; the choice stays with its machine.
  expect(lines.find((line) => line.includes('│>'))).toContain(short(b.id));
  await screen.sendKeys('d');
  await untilSeen('it ready', (rows) => machinesOn(rows).every(([, state]) => /^ready/.test(state ?? '')));
  expect(await report()).toMatchObject({ cordoned: false, draining: false });
});

test('Enter shows a unit with why and its log, and a machine with its condition and its units', async () => {
  await screen.sendKeys('Tab', 'Home', 'Enter');
  const lines = await untilSeen(
    'a unit, its log, and each machine',
    (rows) =>
      has('no route to smtp.example.com', 'ExecStart=/bin/sh')(rows) &&
      table(rows, 'MACHINE', 'STATE').length === 3,
  );
  expect(lines[0]).toMatch(/^ *unit {2}mailer\.service {2}failed/);
  expect(lines.join('\n')).toMatch(/Exit +7/);
  const why = await api.why('mailer.service');
  for (const { machine, placed } of why?.machines ?? [])
    expect(
      table(lines, 'MACHINE', 'STATE').find(([label]) => label === `${short(machine)}/127.0.0.1`),
    ).toMatchObject({ 1: placed === null ? '-' : 'failed' });
  await screen.sendKeys('Escape', 'Down', 'Enter');
  const pending = await untilSeen(
    'the other unit',
    has(/unit {2}gpu-index\.service {2}pending/, /lacks gpu=yes/),
  );
  expect(pending.filter((line) => /lacks gpu=yes/.test(line))).toHaveLength(3);
  expect(pending.join('\n')).toContain('no machine has it: there is no output');
  await screen.sendKeys('Escape', 'BTab', 'Home', 'Enter');
  const { cpus, memory } = await api.machineCondition(a.id);
  const machine = await untilSeen('a machine', has(a.id, /Up +\d/));
  expect(machine[0]).toContain(`machine  ${short(a.id)}/127.0.0.1  ready, leads`);
  expect(machine.join('\n')).toContain(`${cpus} processors`);
  expect(machine.join('\n')).toMatch(/Load +\d+\.\d\d in one minute/);
  expect(memory.total).toBeGreaterThan(0);
  expect(
    unitsOn(machine)
      .map(([unit]) => unit)
      .toSorted(),
  ).toEqual((await api.placements({ machine: a.id })).map(({ unit }) => unit));
  await screen.sendKeys('Escape');
  await untilWell();
});

test('without Redis page 1 says how to get one, and page 2 goes on', async () => {
  await screen.sendKeys('1');
  await untilSeen('how to get it', (lines) =>
    /^Redis away since \d\d:\d\d:\d\dZ, .*start zh-redis, or set REDIS_URL/.test(alarmOn(lines)),
  );
  await screen.sendKeys('p');
  await untilSeen('why nothing is done', (lines) => lines.at(-1)?.includes('there is no migration to pause'));
  await screen.sendKeys('2');
  await untilWell();
  writeUnit(c, 'later.service', SLEEP);
  await ctl('start', '--no-block', 'later.service');
  await untilSeen(
    'what goes on there',
    (lines) => unitOn(lines, 'later.service')?.[1] === 'active (running)',
  );
});

test('the leader killed: its machine is gone, and another leads in a later term', async () => {
  const before = (await leaderKey())!;
  expect(before.machine).toBe(a.id);
  await a.end('SIGKILL');
  await untilSeen('it gone', (lines) =>
    machinesOn(lines).some(([machine, state]) => machine === short(a.id) && state === 'gone'),
  );
  const after = await untilTruth('another leader', async () => {
    const now = await leaderKey();
    return now !== null && now.term > before.term && now;
  });
  const lines = await untilSeen('it', (rows) =>
    rows[0]?.includes(`${short(after.machine)} leads  term ${after.term}`),
  );
  expect(lines[0]).toContain('2 of 3 machines');
  await untilSeen(
    'what happened',
    has(`machine ${short(a.id)} is gone`, `machine ${short(after.machine)} leads`),
  );
  await a.startAgain();
  await untilWell();
});

/** What was done to convoyd or etcd is said in place, with the numbers that were there; keys go on. */
async function expectAway(words: RegExp): Promise<void> {
  const away = /^fleet away since (\d\d:\d\d:\d\d)Z, numbers of (\d\d:\d\d:\d\d)Z: (.*)/;
  const lines = await untilSeen('that', (rows) => words.test(away.exec(alarmOn(rows))?.[3] ?? ''));
  const [, since, read] = away.exec(alarmOn(lines)) as unknown as [string, string, string];
  expect(read <= since || since < '00:01').toBe(true);
  expect(await red()).toContain('fleet away since');
  expect(machinesOn(lines)).toHaveLength(3);
  expect(unitsOn(lines)).toHaveLength(7);
  await screen.sendKeys('?');
  await untilSeen('help', has('start or stop the chosen unit'));
  await screen.sendKeys('Escape', 'Tab', '/', 'late', 'Enter');
  await untilSeen('two units', (rows) => unitsOn(rows).length === 2);
  await screen.sendKeys('/', 'C-u', 'Enter', 'BTab');
  await untilSeen('all units', (rows) => unitsOn(rows).length === 7);
}

test('the convoyd it asks killed: said in place, and it goes on by itself when that is back', async () => {
  await b.end('SIGKILL');
  await expectAway(/no convoyd answers|does not answer|connect/);
  const target = async () => (await api.unit('web@3.service'))?.record.target;
  await screen.sendKeys('Tab', 'End', 's', 'y');
  await untilSeen('what came of it', (lines) => lines.at(-1)?.startsWith('no convoyd answers at '));
  await screen.sendKeys('BTab');
  expect(await target()).toBe('launched');
  await b.startAgain();
  await untilWell();
});

test('the convoyd it asks frozen: said in place', async () => {
  await freeze(b.pid());
  await expectAway(/convoyd/);
  process.kill(b.pid(), 'SIGCONT');
  await untilWell();
});

test('nobody leads, and convoyd holds: said in red', async () => {
  const raw = rawEtcd(etcd.url);
  const own = (await raw.get('/convoy/cluster'))!.value;
  await raw.put('/convoy/cluster', encodeCluster({ id: 'somebody-else', format: 1 }));
  await raw.remove('/convoy/leader');
  const lines = await untilSeen(
    'both',
    (rows) =>
      /^nobody leads: .*the convoyd that answers holds: etcd holds cluster somebody-else/.test(
        alarmOn(rows),
      ) && machinesOn(rows).some(([machine, state]) => machine === short(b.id) && state === 'ready, holds'),
  );
  expect(await leaderKey()).toBe(null);
  expect(lines[0]).toContain('nobody leads');
  expect(await red()).toMatch(/nobody leads.*nobody leads: .*the convoyd that answers holds: .*, holds/);
  await raw.put('/convoy/cluster', own);
  const leader = await untilTruth('a leader', leaderKey);
  await untilSeen('it', (rows) => rows[0]?.includes(`${short(leader.machine)} leads  term ${leader.term}`));
});

test('etcd killed, then emptied: said in place, and it goes on by itself when that is as it was', async () => {
  await etcd.kill();
  await expectAway(/^(?!.*cluster record).*etcd/);
  const emptied = await testEtcd(ground, { name: 'emptied', port: etcd.port });
  await expectAway(/^etcd has no cluster record, .*: was etcd emptied, or is the address wrong\?/);
  await emptied.kill();
  await etcd.restart();
  await untilWell();
  await ctl('destroy', 'later.service');
  await untilSeen(
    'what goes on',
    (lines) => unitsOn(lines).length === 6 && has('later.service destroyed')(lines),
  );
});

test('evictions frozen: half of the machines are gone', async () => {
  const raw = rawEtcd(etcd.url);
  const ghosts = [...'xyz'].map((name) => name.repeat(32));
  for (const id of ghosts) {
    const machine = { id, ip: '127.0.0.9', metadata: {}, apiAddress: '', version: '1.0.0', bootId: id };
    const known = { id, firstSeen: 0, cordoned: false, draining: false, away: null, metadata: {} };
    await raw.putAll([
      [`/convoy/known/${id}`, encodeKnown(known)],
      [`/convoy/machines/${id}`, encodeMachine(machine)],
    ]);
  }
  const bound = ghosts.map((id): [string, string] => [`on-${id[0]}.service`, id]);
  for (const [unit, id] of bound) writeUnit(c, unit, `${SLEEP}[X-Fleet]\nMachineID=${id}\n`);
  await ctl('start', '--no-block', ...bound.map(([unit]) => unit));
  await untilSeen('where they are to be', (lines) =>
    bound.every(([unit, id]) => unitOn(lines, unit)?.[3] === short(id)),
  );
  expect(await red()).not.toContain('frozen');
  await raw.removeRange('/convoy/machines/x', '/convoy/machines/{');
  // Those that were given up before count, too, if the same machine has led all the time.
  const frozen = await untilTruth('the leader to say so', async () => (await api.leader()).frozen);
  expect(frozen).toMatch(/^[345] of 6 machines are missing .*convoyctl evict MACHINE/);
  await untilSeen('it', (lines) => alarmOn(lines).startsWith(`evictions frozen: ${frozen}`));
  expect(await red()).toContain(`evictions frozen: ${frozen}`);
});

test('q ends it', async () => {
  await screen.sendKeys('q');
  expect(await screen.exit()).toBe(0);
});
