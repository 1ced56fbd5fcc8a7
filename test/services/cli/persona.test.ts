import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { program, ROOT } from '../../support/programs.js';

/** The frame around commands, by both names: global options, environment, version, wrong usage, completion. */

const ID = '472d6cb2f262ea34e2385ef99b9555fd';
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };
type Name = 'convoyctl' | 'fleetctl';

let fleet: FakeFleet;
let endpoint: string;
let work: string;
beforeAll(async () => {
  fleet = await startFakeFleet([{ id: ID, ip: '10.42.0.13', metadata: {} }]);
  endpoint = `unix://${fleet.socket}`;
  for (const name of ['convoyctl', 'fleetctl']) symlinkSync(program('cli/main.js'), join(fleet.dir, name));
  work = join(fleet.dir, 'work');
  mkdirSync(join(work, 'units'), { recursive: true });
  writeFileSync(join(work, 'local.service'), '');
  writeFileSync(join(work, 'notes.txt'), '');
  writeFileSync(join(work, 'units/deep.timer'), '');
  await fleet.registry.submitUnit('web@1.service', SLEEP, 'launched');
  await fleet.registry.submitUnit('worker.service', SLEEP, 'launched');
  await fleet.rest();
});
afterAll(() => fleet.stop());

const run = (name: Name, args: readonly string[], env = {}): Promise<CliResult> =>
  convoyctl(args, { program: join(fleet.dir, name), cwd: work, env });
const MACHINES = { exit: 0, stdout: '472d6cb2...\t10.42.0.13\t-\n', stderr: '' };
const LIST = ['list-machines', '--no-legend'];
const NOWHERE = 'unix:///nosuch';

test.each<[Name, readonly string[], (e: string) => Record<string, string>]>([
  ['convoyctl', [], (e) => ({ CONVOY_ENDPOINT: e })],
  ['convoyctl', [], (e) => ({ FLEETCTL_ENDPOINT: e })],
  ['convoyctl', [], (e) => ({ CONVOY_ENDPOINT: e, FLEETCTL_ENDPOINT: NOWHERE })],
  ['convoyctl', [], (e) => ({ CONVOY_ENDPOINT: '', FLEETCTL_ENDPOINT: e })],
  ['fleetctl', [], (e) => ({ FLEETCTL_ENDPOINT: e, CONVOY_ENDPOINT: NOWHERE })],
  ['fleetctl', [], (e) => ({ FLEETCTL_ENDPOINT: '', CONVOY_ENDPOINT: e })],
  [
    'fleetctl',
    [],
    (e) => ({ FLEETCTL_ENDPOINT: e, FLEETCTL_DRIVER: 'API', FLEETCTL_EXPERIMENTAL_API: 'true' }),
  ],
  ['fleetctl', ['--experimental-api=false', '--etcd-key-prefix=/x'], (e) => ({ FLEETCTL_ENDPOINT: e })],
])('%s %j: its own environment first, an empty variable is none', async (name, args, env) => {
  expect(await run(name, [...args, ...LIST], env(endpoint))).toEqual(MACHINES);
});

test('a flag wins over the environment, before the command and after it', async () => {
  const env = { CONVOY_ENDPOINT: NOWHERE };
  expect(await run('convoyctl', ['--endpoint', endpoint, ...LIST], env)).toEqual(MACHINES);
  expect(await run('convoyctl', [...LIST, `--endpoint=${endpoint}`], env)).toEqual(MACHINES);
  expect(await run('convoyctl', ['list-m', '--no-legend=true', `--endpoint=${endpoint}`])).toEqual(MACHINES);
});

test('of several endpoints the first is used, and said so', async () => {
  expect(await run('fleetctl', ['--endpoint', `${endpoint},http://127.0.0.1:1`, ...LIST])).toEqual({
    ...MACHINES,
    stderr: expect.stringMatching(
      /^\S+ \S+ WARN convoyctl: of the endpoints only the first is used: unix:\S+\n$/,
    ),
  });
});

test('--debug, by flag and by environment, tells each call on stderr', async () => {
  const calls = expect.stringMatching(
    /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d DEBUG convoyctl: GET \/\S+ -> 200 \(\d+ ms\)\n/,
  );
  const env = { CONVOY_ENDPOINT: endpoint };
  expect(await run('convoyctl', ['--debug', ...LIST], env)).toEqual({ ...MACHINES, stderr: calls });
  expect(await run('fleetctl', LIST, { ...env, FLEETCTL_DEBUG: 'true' })).toEqual({
    ...MACHINES,
    stderr: calls,
  });
  expect(await run('fleetctl', ['--debug=false', ...LIST], { ...env, FLEETCTL_DEBUG: 'true' })).toEqual(
    MACHINES,
  );
});

test.each([
  ['127.0.0.1:49153', 'URL scheme undefined'],
  ['unix://var/run/fleet.sock', 'unable to connect to host "var" with scheme "unix"'],
])('endpoint %s: fleetctl refuses it in its words, whatever the command', async (wrong, problem) => {
  for (const command of ['version', 'list-units', 'verify'])
    expect(await run('fleetctl', ['--endpoint', wrong, command])).toEqual({
      ...{ exit: 1, stdout: '' },
      stderr: `Unable to initialize client: ${problem}\n`,
    });
  expect(await run('convoyctl', ['--endpoint', wrong, 'list-units'])).toEqual({
    ...{ exit: 2, stdout: '' },
    stderr: `convoyctl: endpoint "${wrong}": ${problem}: expected unix:///path/of/socket, http://host:port or https://host:port\n`,
  });
});

test('drivers other than API are refused', async () => {
  expect(await run('fleetctl', ['--driver=x', 'version'])).toEqual({
    ...{ exit: 1, stdout: '', stderr: 'Unable to initialize client: unrecognized driver "x"\n' },
  });
  expect(await run('convoyctl', ['--driver=etcd', 'version'])).toMatchObject({
    ...{ exit: 2, stdout: '', stderr: expect.stringContaining('driver "etcd" is no more') },
  });
});

const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
};
test.each<[Name, string]>([
  ['convoyctl', `convoyctl ${VERSION}\n`],
  ['fleetctl', `fleetctl version 1.0.0+convoy-${VERSION}\n`],
])('%s tells its version', async (name, stdout) => {
  for (const args of [['version'], ['--version'], ['-v'], ['vers']])
    expect(await run(name, args)).toEqual({ exit: 0, stdout, stderr: '' });
});

test.each<[Name, readonly string[], string]>([
  ['convoyctl', ['bogus'], "convoyctl: unknown command 'bogus' (see convoyctl --help)\n"],
  ['fleetctl', ['strat'], "fleetctl: unknown command 'strat' (Did you mean start?) (see fleetctl --help)\n"],
  [
    'fleetctl',
    ['list-units', '--ful'],
    "fleetctl: unknown option '--ful' (Did you mean --full?) (see fleetctl --help)\n",
  ],
  ['fleetctl', ['list-units', '-x'], "fleetctl: unknown option '-x' (see fleetctl --help)\n"],
  ['convoyctl', ['list'], 'convoyctl: "list" could be list-machines, list-units or list-unit-files\n'],
  ['convoyctl', ['help', 'bogus'], 'convoyctl: there is no command "bogus" to tell about\n'],
  ['fleetctl', ['--debug=perhaps', 'version'], 'fleetctl: --debug: expected yes or no, got "perhaps"\n'],
  [
    'fleetctl',
    ['start', '--block-attempts=x', 'a'],
    'fleetctl: --block-attempts: expected a whole number from -1000000 to 1000000, got "x"\n',
  ],
  [
    'convoyctl',
    ['version', 'extra'],
    "convoyctl: too many arguments for 'version'. Expected 0 arguments but got 1. (see convoyctl --help)\n",
  ],
  ['convoyctl', ['completion', 'tcsh'], 'convoyctl: completion is for bash, zsh, fish, not for "tcsh"\n'],
])('%s %j is wrong usage: one sentence and 2', async (name, args, stderr) => {
  expect(await run(name, args)).toEqual({ exit: 2, stdout: '', stderr });
});

test('without arguments: help, and 0', async () => {
  for (const name of ['convoyctl', 'fleetctl'] as const)
    expect(await run(name, [])).toEqual({
      ...{ exit: 0, stderr: '', stdout: expect.stringMatching(new RegExp(`^Usage: ${name} `)) },
    });
});

const sh = promisify(execFile);
/** What a shell offers, with its own completion, after `line`. */
const SHELLS: Record<string, (line: string) => [string, string[]]> = {
  bash: (line) => [
    'bash',
    [
      '--norc',
      '-c',
      `source <(convoyctl completion bash); COMP_LINE=$1 COMP_POINT=\${#1}; _convoyctl; printf '%s\\n' "\${COMPREPLY[@]}"`,
      '-',
      line,
    ],
  ],
  fish: (line) => [
    'fish',
    ['--no-config', '-c', 'convoyctl completion fish | source; complete -C $argv[1]', line],
  ],
};

async function offered(shell: string, line: string, env = {}): Promise<string[]> {
  const [file, args] = SHELLS[shell]?.(line) ?? ['', []];
  const { stdout, stderr } = await sh(file, args, {
    ...{ cwd: work, timeout: 30_000 },
    env: { PATH: `${fleet.dir}:${process.env.PATH}`, HOME: work, CONVOY_ENDPOINT: endpoint, ...env },
  });
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .flatMap((one) => one.split('\t')[0] || [])
    .sort();
}

/** Bash is everywhere; the others are tested where they are installed. */
const isThere = (shell: string): Promise<boolean> =>
  sh(shell, ['-c', 'true']).then(
    () => true,
    () => false,
  );
const [FISH, ZSH] = await Promise.all([isThere('fish'), isThere('zsh')]);

test.each(FISH ? ['bash', 'fish'] : ['bash'])(
  '%s completes commands, live names, files and values',
  async (shell) => {
    expect(await offered(shell, 'convoyctl stor')).toEqual(['store']);
    expect(await offered(shell, 'convoyctl store s')).toEqual(['stat']);
    expect(await offered(shell, 'convoyctl stop w')).toEqual(['web@1.service', 'worker.service']);
    expect(await offered(shell, 'convoyctl --debug cat wo')).toEqual(['worker.service']);
    expect(await offered(shell, 'convoyctl drain ')).toEqual([ID]);
    expect(await offered(shell, 'convoyctl start l')).toEqual(['local.service']);
    expect(await offered(shell, 'convoyctl start units/')).toEqual(['units/deep.timer']);
    // Bash completes what comes after the last @, = or :, and keeps what is before.
    const whole = shell !== 'bash';
    expect(await offered(shell, 'convoyctl stop web@')).toEqual([whole ? 'web@1.service' : '1.service']);
    expect(await offered(shell, 'convoyctl ssh --unit=wo')).toEqual([
      whole ? '--unit=worker.service' : 'worker.service',
    ]);
    expect(await offered(shell, `convoyctl --endpoint ${NOWHERE} stop w`)).toEqual([]);
    await offered(shell, 'convoyctl stop $(touch made) w');
    expect(existsSync(join(work, 'made'))).toBe(false);
  },
);

test.skipIf(!ZSH)('zsh completes, on a terminal of its own', async () => {
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PROMPT='>'; autoload -Uz compinit; compinit -u -D; source <(convoyctl completion zsh); print LOADED"
    zpty -r shell out '*LOADED*LOADED*'
    zpty -w -n shell $'convoyctl cat wo\\t'
    zpty -r shell out '*worker.service*'
    print $out`;
  const { stdout } = await sh('zsh', ['-f', '-c', script], {
    ...{ cwd: work, timeout: 60_000 },
    env: { PATH: `${fleet.dir}:${process.env.PATH}`, HOME: work, TERM: 'dumb', CONVOY_ENDPOINT: endpoint },
  });
  expect(stdout).toContain('convoyctl cat worker.service');
});
