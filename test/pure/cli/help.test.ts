import { afterEach, expect, test, vi } from 'vitest';
import { FLEET_COMMANDS, groupsFor } from '../../../cli/commands.js';
import { runProgram } from '../../../cli/program.js';

const ROWS = groupsFor(false).flatMap(({ commands }) => commands);

/** What a command line prints, without a process. */
async function printed(argv: readonly string[], fleet = false): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(await runProgram(argv, { env: {}, fleet, version: '1.2.3' })).toBe(0);
  return write.mock.calls.map(([text]) => String(text)).join('');
}
afterEach(() => {
  vi.restoreAllMocks();
});

test.each(ROWS.map(({ name }) => name))(
  'help of %s: what it does, examples and exit codes, in 100 columns',
  async (name) => {
    const help = await printed([...name.split(' '), '--help']);
    expect(help).toMatch(new RegExp(`Examples:\\n(  .*\\n)*  .*convoyctl .*\\b${name}\\b`));
    expect(help).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage');
    expect(help.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(help).not.toContain('--endpoint <url>');
  },
);

test.each([[], ['--help'], ['-h'], ['--h'], ['help']])(
  '%j: all commands by group, with the global options',
  async (...argv) => {
    const help = await printed(argv);
    const titles = help.split('\n').filter((line) => /^[A-Z].*:$/.test(line));
    expect(titles).toEqual([
      ...['Options:', 'Global options:', 'Global options about ssh:', "Global options of fleetctl's:"],
      ...['Units:', 'Lists:', 'How units are:', 'Machines:', 'Cluster:', 'Migrations:', 'Help:', 'Examples:'],
    ]);
    for (const { name } of ROWS) expect(help).toMatch(new RegExp(`^  ${name.split(' ')[0]}\\b`, 'm'));
    expect(help.split('\n').filter((line) => line.length > 100)).toEqual([]);
  },
);

test("under fleet's name its own commands come first, and nothing is called convoyctl", async () => {
  const help = await printed([], true);
  const [, own = '', others = ''] = help.split(/Commands of fleetctl:|Convoy's own:/);
  for (const name of FLEET_COMMANDS)
    if (name !== 'help') expect(own).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  expect(others).toMatch(/^ {2}drain\b/m);
  expect(help).toContain('FLEETCTL_ENDPOINT');
  expect(help).not.toContain('convoyctl');
  for (const { name } of ROWS.filter((row) => FLEET_COMMANDS.includes(row.name)))
    expect(await printed(['help', name], true)).toContain(`fleetctl ${name}`);
});

test('help of a command can be asked for by its beginning', async () => {
  expect(await printed(['help', 'list-m'])).toContain('Usage: convoyctl list-machines');
});
