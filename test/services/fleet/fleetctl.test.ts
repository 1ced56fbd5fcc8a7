import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { openGround } from '../../../agent/ground.js';
import type { Run } from '../../support/fleet.js';
import {
  activeOn,
  ctl,
  destroyAll,
  mainPid,
  readStates,
  untilActive,
  untilMachines,
} from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { ROOT } from '../../support/programs.js';
import { HOME, type Ssh, serveSsh } from '../../support/ssh.js';
import { startTerminal } from '../../support/tmux.js';
import { until } from '../../support/until.js';

/** What fleet's own functional suite showed of fleetctl (tests 1 to 5, 28 to 32 and 38), by that name, on machines. */
const openHosts = useHosts();
let hosts: Hosts;
let ssh: Ssh;
beforeAll(async () => {
  hosts = await openHosts({ count: 3 });
  ssh = await serveSsh(hosts);
  await untilMachines(first(), 3);
}, 120_000);
afterEach(() => destroyAll(first()));

const first = () => hosts.host(1);
const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
const UNITS = '/shared/units';
const AS_ROOT = ['--ssh-username=root'];
/** Says its own name and the time once a second, as the units of fleet's suite do. */
const SAYS =
  '[Service]\nExecStart=/bin/bash -c "while true; do echo Hello, World!; read -rt 1 <> <(:); done"\n';

/** fleetctl on a host, with the unit files of the shared folder. */
const fleetctl = (host: Host, ...args: string[]): Promise<Run> =>
  ssh.as(host, 'env', '-C', UNITS, 'fleetctl', ...args);

async function done(host: Host, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await fleetctl(host, ...args);
  if (code !== 0) throw new Error(`fleetctl ${args.join(' ')} exits with ${code}: ${stderr}${stdout}`);
  return stdout;
}

function write(name: string, text = SAYS): string {
  writeFileSync(join(hosts.shared, 'units', name), text);
  return name;
}

const hostOf = (machine: string | undefined): Host =>
  hosts.all.find(({ machineId }) => machineId === machine) as Host;

it('asks before it knows a host, and refuses one whose key has changed (1)', async () => {
  const second = hosts.host(2);
  const target = ['ssh', '--machine', second.machineId, 'hostname'];
  const answering = (answer: string): Promise<Run> => {
    const command = `fleetctl ${[...AS_ROOT, ...target].join(' ')}`;
    // ssh throws away what was typed before it asked.
    const typing = `until grep -qs continue /run/typescript; do sleep 0.05; done; echo ${answer}`;
    return ssh.as(
      first(),
      ...['sh', '-c', `rm -f /run/typescript; { ${typing}; } | script -qefc '${command}' /run/typescript`],
    );
  };
  expect((await fleetctl(first(), ...AS_ROOT, ...target)).code).toBe(255);
  const asked = await answering('yes');
  expect(asked.stdout).toContain('host2');
  expect(await done(first(), ...AS_ROOT, ...target)).toBe('host2\n');
  await ssh.replaceKey(second);
  const refused = await fleetctl(first(), ...AS_ROOT, ...target);
  expect(refused.code).toBe(255);
  expect(refused.stderr).toMatch(/REMOTE HOST IDENTIFICATION HAS CHANGED/);
  await first().ask('rm', `${HOME}/.fleetctl/known_hosts`);
  expect((await answering('yes')).stdout).toContain('host2');
  expect(await done(first(), ...AS_ROOT, ...target)).toBe('host2\n');
}, 60_000);

it('takes the endpoint from FLEETCTL_ENDPOINT (2)', async () => {
  const asked = await ssh.as(
    first(),
    ...['env', 'FLEETCTL_ENDPOINT=unix:///run/convoy/api.sock', 'fleetctl', 'list-machines', '--no-legend'],
  );
  expect(asked.code).toBe(0);
  expect(asked.stdout.trim().split('\n')).toHaveLength(3);
  const wrong = await ssh.as(
    first(),
    ...['env', 'FLEETCTL_ENDPOINT=unix:///nowhere.sock', 'fleetctl', 'list-machines'],
  );
  expect(wrong.code).toBe(1);
}, 60_000);

it('says its version, and helps when asked or not told anything (3, 4, 5)', async () => {
  expect(await done(first(), 'version')).toBe(`fleetctl version 1.0.0+convoy-${VERSION}\n`);
  expect(await done(first(), '--version')).toBe(`fleetctl version 1.0.0+convoy-${VERSION}\n`);
  expect(await done(first(), 'help')).toContain(VERSION);
  for (const args of [['--help'], ['-h'], ['help'], []])
    expect(await done(first(), ...args)).toContain('list-machines');
}, 60_000);

it.each<[string, number, number]>([
  ['submit', 9, 28],
  ['load', 6, 29],
  ['start', 3, 30],
])(
  '%s --replace changes what is stored of %d units (%d)',
  async (command, count) => {
    const units = Array.from({ length: count }, (_, n) => write(`replace.${n}.service`));
    await done(first(), command, ...units);
    const text = SAYS.replace('World', 'Replaced');
    for (const unit of units) write(unit, text);
    const warned = await fleetctl(first(), command, ...units);
    expect(warned.code).toBe(0);
    expect(warned.stderr).toContain('Add --replace to override.');
    expect(await done(first(), 'cat', 'replace.0.service')).toBe(SAYS);
    await done(first(), command, '--replace', ...units);
    for (const unit of units) expect(await done(first(), 'cat', unit)).toBe(text);
    if (command === 'start') {
      const at = await untilActive(first(), units);
      for (const [unit, machine] of at)
        expect(await hostOf(machine).ask('systemctl', 'show', '-P', 'ExecStart', unit)).toContain('Replaced');
    }
  },
  120_000,
);

it('restart restarts, one after the other, and leaves what is not named (31)', async () => {
  const units = [write('restart.1.service'), write('restart.2.service'), write('other.service')];
  await done(first(), 'start', ...units);
  const at = await untilActive(first(), units);
  const pids = () => Promise.all([...at].map(([unit, machine]) => mainPid(hostOf(machine), unit)));
  const before = await pids();
  await done(first(), 'restart', 'restart.1.service', 'restart.2.service');
  expect(await untilActive(first(), units)).toEqual(at);
  const after = await pids();
  expect(after.map((pid, index) => pid === before[index])).toEqual([false, false, true]);
}, 60_000);

it('runs commands over ssh, shows the status and the journal of units anywhere, of globals too (21, 32)', async () => {
  await done(first(), 'start', write('hello.service'));
  const at = await untilActive(first(), ['hello.service']);
  for (const host of hosts.all) await ssh.knows(first(), host);
  const where = hostOf(at.get('hello.service'));
  expect(await done(first(), ...AS_ROOT, 'ssh', 'hello.service', 'hostname')).toBe(`${where.name}\n`);
  expect(
    await fleetctl(first(), ...AS_ROOT, 'ssh', '-A', where.machineId.slice(0, 8), '--', 'exit 7'),
  ).toMatchObject({ code: 7 });
  for (const host of hosts.all) {
    expect(await done(host, 'status', 'hello.service')).toContain('Active: active');
    expect(await done(host, 'journal', '--lines=3', 'hello.service')).toContain('Hello, World!');
  }
  await done(first(), 'start', write('every.service', `${SAYS}\n[X-Fleet]\nGlobal=true\n`));
  await until('it runs everywhere', async () => (await activeOn(first())).get('every.service')?.length === 3);
  const shown = await done(first(), 'status', 'every.service');
  expect(shown.match(/Active: active/g)).toHaveLength(3);
  expect(await done(first(), 'journal', 'every.service')).toContain('Hello, World!');
}, 90_000);

it('starts one unit, then ten, through a tunnel, from a machine without convoyd (38)', async () => {
  const outside = hosts.host(3);
  const units = Array.from({ length: 10 }, (_, n) => write(`tunnel.${n}.service`));
  await outside.ask('systemctl', 'stop', 'convoyd.socket', 'convoyd.service');
  try {
    await ssh.knows(outside, first());
    const tunnel = [...AS_ROOT, `--tunnel=${first().ip}`];
    expect((await fleetctl(outside, 'list-machines')).code).toBe(1);
    await done(outside, ...tunnel, 'start', units[0] as string);
    await done(outside, ...tunnel, 'start', ...units);
    const listed = await done(outside, ...tunnel, 'list-units', '--no-legend', '--fields=unit,active');
    expect(listed.trim().split('\n')).toEqual(units.map((unit) => `${unit}\tactive`));
    expect(await done(outside, ...tunnel, 'status', 'tunnel.3.service')).toContain('Active: active');
    expect(await done(outside, ...tunnel, 'journal', 'tunnel.3.service')).toContain('Hello, World!');
    const at = await untilActive(first(), ['tunnel.3.service']);
    const [, machine = ''] = [...at][0] ?? [];
    await ssh.knows(outside, hostOf(machine));
    expect(await done(outside, ...tunnel, 'ssh', 'tunnel.3.service', 'hostname')).toBe(
      `${hostOf(machine).name}\n`,
    );
  } finally {
    await outside.ask('systemctl', 'start', 'convoyd.socket', 'convoyd.service');
  }
  await untilMachines(first(), 3);
}, 120_000);

it('what scripts written for fleetctl do works unchanged', async () => {
  writeFileSync(
    join(hosts.shared, 'units', 'deploy.sh'),
    `set -eu
for unit in "$@"; do
  fleetctl destroy "$unit" 2>/dev/null || true
  fleetctl submit "$unit"
  fleetctl load "$unit"
  fleetctl start "$unit"
done
until [ "$(fleetctl list-units -l --no-legend --fields=unit,sub | awk '$2 == "running"' | wc -l)" = "$#" ]; do
  read -rt 0.2 <> <(:) || true
done
fleetctl list-unit-files --no-legend --fields=unit,dstate,state
fleetctl stop "$@"
fleetctl unload "$@"
fleetctl destroy "$@"
`,
  );
  const units = [write('script.1.service'), write('script.2.service')];
  const { code, stdout, stderr } = await ssh.as(
    first(),
    ...['env', '-C', UNITS, 'bash', 'deploy.sh', ...units],
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  for (const unit of units) expect(stdout).toContain(`${unit}\tlaunched\tlaunched\n`);
  expect(await readStates(first())).toEqual([]);
  await ctl(first(), 'list-units');
}, 120_000);

it('the dashboard of another machine, by ssh', async () => {
  const ground = openGround('convoy-test-dashboard-ssh');
  try {
    const terminal = await startTerminal(ground, {
      name: 'ssh',
      command: ssh.onTerminal(first(), hosts.host(2), 'convoyctl', 'top'),
    });
    await terminal.untilScreen(
      'three machines',
      (lines) => /^fleet {2}3 machines/.test(lines[0] ?? ''),
      30_000,
    );
    await done(first(), 'start', write('seen.service'));
    await terminal.untilScreen('a unit', (lines) =>
      lines.some((line) => /seen\.service +active \(running\)/.test(line)),
    );
    await terminal.resize(80, 24);
    await terminal.untilScreen(
      'a smaller page',
      (lines) => lines.length === 24 && /\? help {2}q quit$/.test(lines[23] ?? ''),
    );
    await terminal.sendKeys('q');
    expect(await terminal.exit()).toBe(0);
    const { line, ...modes } = await terminal.modes();
    expect(modes).toEqual({ alternateScreen: false, cursor: true, keypad: false, mouse: false });
    expect(line.after).toBe(line.before);
  } finally {
    await ground.close();
  }
}, 60_000);
