import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { useGround } from '../../support/services.js';

/** What convoyctl loads: it is many files, so that each command reads only what it needs. */

const ground = useGround('start-up');
/** Told as the process ends. */
const TELL = `process.on('exit', () =>
  require('node:fs').writeFileSync(process.env.LOADED, JSON.stringify(Object.keys(require.cache))));`;
const HEAVY =
  /node_modules\/(@azure\/|@grpc\/|@typespec\/|blessed|etcd3\/|fast-xml-parser\/|ioredis\/|pino\/|undici\/|valibot\/|yaml\/)/;
let fleet: FakeFleet;

beforeAll(async () => {
  writeFileSync(join(ground.dir, 'tell.cjs'), TELL);
  fleet = await startFakeFleet([{ id: 'a'.repeat(32), ip: '10.0.0.1', metadata: {} }]);
});
afterAll(() => fleet.stop());

/** What it printed, and the source files of all that it loaded. */
async function run(...args: readonly string[]): Promise<{ stdout: string; sources: string[] }> {
  const LOADED = join(ground.dir, 'loaded.json');
  const { stdout, exit } = await convoyctl(args, {
    cwd: ground.dir,
    env: {
      ...{ LOADED, NODE_OPTIONS: `--require=${join(ground.dir, 'tell.cjs')}` },
      CONVOY_ENDPOINT: `unix://${fleet.socket}`,
    },
  });
  expect(exit).toBe(0);
  const files = JSON.parse(readFileSync(LOADED, 'utf8')) as string[];
  const sources = files.flatMap((file) => {
    if (!existsSync(`${file}.map`)) return [file];
    return (JSON.parse(readFileSync(`${file}.map`, 'utf8')) as { sources: string[] }).sources;
  });
  return { stdout, sources };
}

test.each([
  ['--help'],
  ['--version'],
  ['list-units'],
  ['list-units', '-o', 'json'],
  ['list-unit-files', '-o', 'wide'],
  ['list-machines'],
  ['services'],
])('%s %s %s loads no heavy library, and no other command', async (...args) => {
  const { sources } = await run(...args.filter((arg) => arg !== undefined));
  expect(sources.some((source) => source.endsWith('cli/main.ts'))).toBe(true);
  expect(sources.filter((source) => HEAVY.test(source))).toEqual([]);
  expect(sources.filter((source) => /cli\/(activate|top|store|migration)\.ts$/.test(source))).toEqual([]);
});

test('a command that needs one loads it: this is how the others would be found out', async () => {
  const { sources } = await run('list-units', '-o', 'yaml');
  expect(sources.filter((source) => HEAVY.test(source))).not.toEqual([]);
});

test('the help that is ready is the one that would be worked out, without what works it out', async () => {
  const ready = await run('--help');
  expect(ready.sources.filter((source) => /commander|cli\/program/.test(source))).toEqual([]);
  const made = await run('--h');
  expect(made.sources.some((source) => source.endsWith('cli/program.ts'))).toBe(true);
  expect(ready.stdout).toBe(made.stdout);
  for (const asked of [[], ['-h'], ['help']]) expect((await run(...asked)).stdout).toBe(made.stdout);
});
