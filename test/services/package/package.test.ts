import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { ROOT } from '../../support/programs.js';
import { useGround } from '../../support/services.js';
import { getOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

const ground = useGround('package');
const NEXT = '99.0.0';
const SETTINGS = '/etc/convoy/convoyd.env';
const PROGRAMS = Object.keys(readPackage(ROOT).bin);

const openHosts = useHosts();
let hosts: Hosts;
let a: Host;
let b: Host;

beforeAll(async () => {
  const tarball = pack();
  hosts = await openHosts({ count: 2, install: false });
  a = hosts.host(1);
  b = hosts.host(2);
  cpSync(tarball, join(hosts.shared, 'convoy.tgz'));
  cpSync(nextVersion(tarball), join(hosts.shared, 'next.tgz'));
}, 180_000);

test('the tarball is small and holds neither sharp nor what only development needs, and says whose the rest is', () => {
  expect(statSync(join(hosts.shared, 'convoy.tgz')).size).toBeLessThan(15_000_000);
  const modules = readdirSync(join(ground.dir, 'next/node_modules'));
  expect(modules).toContain('blessed');
  for (const name of ['sharp', '@img', 'typescript', 'vitest', 'etcd3']) expect(modules).not.toContain(name);
  expect(readFileSync(join(ground.dir, 'next/dist/THIRD-PARTY.txt'), 'utf8')).toMatch(
    /^etcd3 1\.\d+\.\d+ \(MIT\)\n-+\n\n.*?Copyright/ms,
  );
});

test('every part of the programs can be loaded, also those that few need', () => {
  const chunks = join(ground.dir, 'next/dist/chunks');
  const script = `for (const name of ${JSON.stringify(readdirSync(chunks).filter((name) => name.endsWith('.js')))})
    await import(${JSON.stringify(chunks)} + '/' + name);`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
});

test('no class of the programs extends String, by which V8 would look up the methods of all strings each time', () => {
  expect(chunksWith(/\bextends String\b/)).toEqual([]);
});

test('a Redis command holds no function that V8 allocates among the old objects', () => {
  expect(chunksWith(/\bthis\.reject=err=>\{this\._clearTimers\b/)).toEqual([]);
});

test('what a command does not use of Node is not loaded for it', () => {
  const tell = join(ground.dir, 'tell.cjs');
  writeFileSync(tell, "process.on('exit', () => console.log(JSON.stringify(process.moduleLoadList)));");
  const program = join(ground.dir, 'next/dist/cli/main.js');
  const loadedFor = (endpoint: string): string[] => {
    const args = ['--require', tell, program, '--endpoint', endpoint, 'list-machines'];
    const { stdout } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    return ['http', 'child_process', 'crypto', 'tls'].filter((name) =>
      (JSON.parse(stdout) as string[]).includes(`NativeModule ${name}`),
    );
  };
  expect(loadedFor('unix:///nobody')).toEqual(['http']);
  expect(loadedFor('https://127.0.0.1:1')).toEqual(['http', 'crypto', 'tls']);
});

test('V8 inlines less in the programs that carry tiles, also by a link to one, and takes their code cache all the same', () => {
  const watch = join(ground.dir, 'watch.cjs');
  writeFileSync(
    watch,
    `const [v8, vm] = [require('node:v8'), require('node:vm')];
    const { setFlagsFromString } = v8;
    const seen = { flag: null, refused: false, taken: false };
    v8.setFlagsFromString = (flag) => setFlagsFromString((seen.flag = flag));
    vm.Script = class extends vm.Script {
      constructor(code, options) {
        super(code, options);
        seen[this.cachedDataRejected ? 'refused' : 'taken'] = true;
      }
    };
    process.on('exit', () => console.log(JSON.stringify(seen)));`,
  );
  const seenOf = (program: string): unknown => {
    const said = execFileSync(process.execPath, ['--require', watch, program, '--help'], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    return JSON.parse(said.trim().split('\n').at(-1) ?? '');
  };
  const dist = join(ground.dir, 'next/dist');
  const link = join(ground.dir, 'zh-import-blobs');
  symlinkSync(join(dist, 'jobs/import-blobs-main.js'), link);
  const less = { flag: '--max-inlined-bytecode-size-cumulative=200', refused: false, taken: true };
  expect(seenOf(link)).toEqual(less);
  expect(seenOf(join(dist, 'jobs/upload-dzis-main.js'))).toEqual(less);
  expect(seenOf(join(dist, 'agent/daemon-main.js'))).toEqual({ flag: null, refused: false, taken: true });
});

test('the code cache of every part is taken by the Node that built it, and passed by where it is of no use', () => {
  const chunks = join(ground.dir, 'next/dist/chunks');
  const parts = readdirSync(chunks).filter((name) => name.endsWith('.js'));
  const node = (...args: readonly string[]): string =>
    execFileSync(process.execPath, args, { encoding: 'utf8', env: { PATH: process.env.PATH } });
  const refused = `const { readFileSync } = require('node:fs');
    const isRefused = (name) => new (require('node:vm').Script)(require('node:module').wrap(readFileSync(name, 'utf8')),
      { cachedData: readFileSync(name + '.cache') }).cachedDataRejected;
    console.log(JSON.stringify(process.argv.slice(1).filter(isRefused)));`;
  const files = parts.map((name) => join(chunks, name));
  expect(JSON.parse(node('--eval', refused, ...files))).toEqual([]);

  const list = join(ground.dir, 'next/dist/cli/main.js');
  const help = node(list, 'help', 'list-units');
  // Another flag is to V8 as another version.
  expect(JSON.parse(node('--no-opt', '--eval', refused, ...files))).toEqual(files);
  expect(node('--no-opt', list, 'help', 'list-units')).toBe(help);
  for (const file of files) writeFileSync(`${file}.cache`, 'damaged');
  expect(node(list, 'help', 'list-units')).toBe(help);
  for (const file of files) rmSync(`${file}.cache`);
  expect(node(list, 'help', 'list-units')).toBe(help);
});

test('without root nothing is done', async () => {
  await unpack(a, 'convoy.tgz');
  const asked = await a.exec('setpriv', '--reuid=65534', '--clear-groups', '/opt/convoy/package/install');
  expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining('install: needs root') });
  expect(await lines(a, 'ls', '/usr/local/bin')).not.toContain('convoyd');
});

describe('installed on machines that reach no registry of packages', () => {
  test('convoyd runs, its programs are on PATH, and the settings are there to be filled in', async () => {
    await b.ask(
      ...[
        'sh',
        '-c',
        'echo "#!/bin/sh\necho the real one" > /usr/local/bin/fleetctl; chmod +x /usr/local/bin/fleetctl',
      ],
    );
    await b.ask(
      'sh',
      '-c',
      'printf "[Socket]\nListenStream=/run/fleet.sock\n" > /etc/systemd/system/fleet.socket',
    );
    await Promise.all(
      [a, b].map(async (host) => {
        await unpack(host, 'convoy.tgz');
        await host.ask('/opt/convoy/package/install');
        expect(await lines(host, 'ls', '/usr/local/bin')).toEqual(expect.arrayContaining(PROGRAMS));
        expect(await host.ask('systemctl', 'is-enabled', 'convoyd.service', 'convoyd.socket')).toBe(
          'enabled\nenabled\n',
        );
        expect(await host.ask('stat', '-c', '%a', SETTINGS)).toBe('600\n');
        await host.configure({ CONVOY_ETCD: hosts.etcd.url, CONVOY_METADATA: `host=${host.name}` });
      }),
    );
    await until(
      'two machines',
      async () => (await lines(a, 'convoyctl', 'list-machines')).length === 3,
      20_000,
    );
    expect(await a.ask('convoyctl', '--version')).toContain(readPackage(ROOT).version);
  });

  test('it answers as fleet where there is none: by the name fleetctl, and on its socket', async () => {
    const asked = ['env', 'FLEETCTL_ENDPOINT=unix:///var/run/fleet.sock', 'fleetctl', 'list-machines'];
    expect(await lines(a, ...asked, '--no-legend')).toHaveLength(2);
    expect(await a.ask('stat', '-c', '%a', '/run/fleet.sock')).toBe('660\n');
    expect(await b.ask('fleetctl')).toBe('the real one\n');
    expect((await b.exec('test', '-e', '/run/fleet.sock')).code).toBe(1);
  });

  test('a setting that cannot work: convoyd says it once and waits for a correction', async () => {
    await b.configure({ CONVOY_TTL: 'soon' }).catch(() => undefined);
    await until('the complaint', async () => /CONVOY_TTL: expected a duration/.test(await b.log()));
    await until('convoyd to be down', async () =>
      /^failed/.test((await b.exec('systemctl', 'is-failed', 'convoyd')).stdout),
    );
    expect((await b.log()).match(/CONVOY_TTL/g)).toHaveLength(1);
    await b.ask('systemctl', 'reset-failed', 'convoyd.service');
    await b.configure({ CONVOY_TTL: null });
    await until(
      'two machines',
      async () => (await lines(a, 'convoyctl', 'list-machines')).length === 3,
      20_000,
    );
  });
});

describe('with a unit that runs', () => {
  let run: UnitRun;

  beforeAll(async () => {
    hosts.unit('steady.service', '[Service]\nExecStart=/bin/sleep infinity\n[X-Convoy]\nPrefer=host=host1\n');
    expect(await b.convoyctl('start', 'steady.service')).toMatchObject({ code: 0 });
    run = await unitRun(a);
    expect(run.pid).toBeGreaterThan(0);
  });

  test('an upgrade leaves it and the settings alone, and no client is turned away meanwhile', async () => {
    const settings = await a.ask('cat', SETTINGS);
    const before = await a.convoydPid();
    const upgrade = new AbortController();
    const client = askAllTheTime(a, upgrade.signal);
    await Promise.all(
      [a, b].map(async (host) => {
        await unpack(host, 'next.tgz');
        await host.ask('/opt/convoy/package/install');
      }),
    );
    await until(
      'the new version',
      async () => (await running(a)) === NEXT && (await running(b)) === NEXT,
      20_000,
    );
    upgrade.abort();
    expect(await client).toEqual([]);
    expect(await a.convoydPid()).not.toBe(before);
    expect(await a.ask('cat', SETTINGS)).toBe(settings);
    expect(await unitRun(a)).toEqual(run);
  });

  test('SIGKILL to convoyd: the next one adopts it', async () => {
    const before = await a.convoydPid();
    await a.killConvoyd();
    await until('another convoyd', async () => ![0, before].includes(await a.convoydPid()));
    expect((await a.convoyctl('list-units', '--no-legend')).stdout).toMatch(
      /steady\.service.*active\s+running/,
    );
    expect(await unitRun(a)).toEqual(run);
    expect(await b.convoyctl('stop', 'steady.service')).toMatchObject({ code: 0 });
    expect((await unitRun(a)).pid).toBe(0);
    expect(await b.convoyctl('start', 'steady.service')).toMatchObject({ code: 0 });
    expect((await unitRun(a)).pid).toBeGreaterThan(0);
  });

  test('removed: its units end and run elsewhere, settings and memory stay, all else of ours is gone', async () => {
    await a.ask('/opt/convoy/package/remove');
    expect(await a.ask('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).not.toMatch(
      /bin\/convoyd|sleep infinity/,
    );
    await until('the unit on host2', async () => (await unitRun(b)).pid > 0, 60_000);
    const left = await lines(
      a,
      ...[
        'sh',
        '-c',
        'find /etc /run /usr/local /var/lib -xdev -iname "*convoy*" -o -name fleet.sock; ls -A /run/convoy; ls /usr/local/bin',
      ],
    );
    expect(left.filter((line) => !line.startsWith('/run/credentials'))).toEqual(
      expect.not.arrayContaining([...PROGRAMS, 'api.sock', 'units']),
    );
    expect(left.filter((line) => line.includes('convoy')).sort()).toEqual(
      ['/etc/convoy', SETTINGS, '/run/convoy', '/var/lib/convoy'].sort(),
    );
    const units = await lines(
      a,
      'systemctl',
      'list-units',
      '--all',
      '--type=service,socket,timer,target',
      '--plain',
    );
    expect(units.filter((line) => /convoy|steady/.test(line))).toEqual([]);
  });

  test('installed again, it is the machine it was', async () => {
    await a.ask('/opt/convoy/package/install');
    await until(
      'two machines',
      async () => (await lines(b, 'convoyctl', 'list-machines')).length === 3,
      20_000,
    );
    expect(await a.ask('convoyctl', 'list-machines', '--full')).toContain(a.machineId);
  });
});

interface UnitRun {
  readonly pid: number;
  readonly invocation: string;
  readonly restarts: string;
}

async function unitRun(host: Host): Promise<UnitRun> {
  const show = [
    'systemctl',
    'show',
    '-P',
    'MainPID',
    '-P',
    'InvocationID',
    '-P',
    'NRestarts',
    'steady.service',
  ];
  const [pid, invocation = '', restarts = ''] = await lines(host, ...show);
  return { pid: Number(pid), invocation, restarts };
}

/** Asks for the list of units again and again; answers what went wrong. */
async function askAllTheTime(host: Host, signal: AbortSignal): Promise<string[]> {
  const failures: string[] = [];
  while (!signal.aborted) {
    const { code, stderr } = await host.convoyctl('list-units');
    if (code !== 0) failures.push(stderr);
  }
  return failures;
}

/** The version of the convoyd that answers. */
async function running(host: Host): Promise<string> {
  const answer = await getOver(host.endpoint.replace('unix://', ''), '/v1/machines');
  const { machines } = JSON.parse(answer) as { machines: { id: string; version: string }[] };
  return machines.find(({ id }) => id === host.machineId)?.version ?? '';
}

async function unpack(host: Host, tarball: string): Promise<void> {
  await host.ask('mkdir', '-p', '/opt/convoy');
  await host.ask('tar', '-xzf', `/shared/${tarball}`, '-C', '/opt/convoy', '--strip-components=1');
}

async function lines(host: Host, ...command: string[]): Promise<string[]> {
  return (await host.ask(...command)).split('\n').filter(Boolean);
}

/** `npm pack` of this tree, which is built already. */
function chunksWith(text: RegExp): string[] {
  const chunks = join(ground.dir, 'next/dist/chunks');
  return readdirSync(chunks).filter(
    (name) => name.endsWith('.js') && text.test(readFileSync(join(chunks, name), 'utf8')),
  );
}

function pack(): string {
  const args = ['pack', '--ignore-scripts', '--silent', '--pack-destination', ground.dir];
  const name = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  return join(ground.dir, name);
}

/** The same with another version number. */
function nextVersion(tarball: string): string {
  const folder = join(ground.dir, 'next');
  const next = join(ground.dir, 'next.tgz');
  mkdirSync(folder);
  execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...readPackage(folder), version: NEXT }));
  execFileSync('tar', ['-czf', next, '-C', ground.dir, 'next']);
  return next;
}

function readPackage(folder: string): { readonly version: string; readonly bin: Record<string, string> } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}
