import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { program } from '../../support/programs.js';
import { until } from '../../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'convoy-demo-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A source of two small images on this process's own port; one tile of `b` is missing. */
async function aSource(): Promise<{ url: string; ids: string; tiles: number; close: () => void }> {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (/\/dzis\/(a|b)\.dzi$/.test(path)) response.end(DESCRIPTOR);
    else if (path === '/dzis/b_files/10/1_1.jpg') response.writeHead(404).end('<h1>Not Found</h1>');
    else if (path.endsWith('.jpg'))
      response.end(Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.from(path)]));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ids = join(folder, 'ids.txt');
  writeFileSync(ids, 'a:2\nb:1\n');
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/dzis`,
    ids,
    // 700 x 600 at 254 px: nine tiles on the last level, four on the one before, one on each of the nine below.
    tiles: 2 * (9 + 4 + 9),
    close: () => server.close(),
  };
}

const DESCRIPTOR =
  '<Image TileSize="254" Overlap="1" Format="jpg" xmlns="http://schemas.microsoft.com/deepzoom/2009">' +
  '<Size Width="700" Height="600"/></Image>';

function startDemo(...args: string[]) {
  const temporary = mkdtempSync(join(folder, 'tmp-'));
  const child = spawn(process.execPath, [program('cli/demo/main.js'), ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    output += data;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, ended, temporary, output: () => output };
}

/** Pids of the processes that carry the mark of a ground below this folder. */
function marked(temporary: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`CONVOY_GROUND=${temporary}/`);
    } catch {
      return false;
    }
  });
}

const nothingLeft = (temporary: string) => () =>
  marked(temporary).length === 0 && readdirSync(temporary).length === 0;

test('a migration of one’s own: verified, failures named, nothing left behind', async () => {
  const source = await aSource();
  const destination = join(folder, 'destination');
  const demo = startDemo(
    '--full-speed',
    '--calm',
    '--source',
    source.url,
    '--ids',
    source.ids,
    '--destination',
    `file://${destination}`,
  );
  const code = await demo.ended;
  source.close();
  expect(code, demo.output()).toBe(0);
  expect(demo.output()).toMatch(
    new RegExp(`tiles\\s+${source.tiles}\\s+${source.tiles - 1} stored, 1 failed`),
  );
  expect(demo.output()).toMatch(/images\s+2\s+1 published, 1 withheld/);
  expect(demo.output()).toMatch(/lost\s+0\s/);
  expect(demo.output()).toMatch(/counted twice\s+0\s/);
  expect(demo.output()).toMatch(/b\s+b_files\/10\/1_1\.jpg\s+HTTP 404/);
  expect(demo.output()).toContain('$ convoyctl migration create demo --source');
  expect(existsSync(join(destination, 'a.dzi'))).toBe(true);
  expect(existsSync(join(destination, 'b.dzi'))).toBe(false);
  expect(marked(demo.temporary)).toEqual([]);
  expect(readdirSync(demo.temporary)).toEqual([]);
});

test.each(['SIGKILL', 'SIGINT'] as const)('%s in the middle leaves nothing behind', async (signal) => {
  const source = await aSource();
  const demo = startDemo('--source', source.url, '--ids', source.ids);
  const running = until('units to run', () => demo.output().includes('$ convoyctl services'), 60_000);
  // What it says tells why, where it ends too early or never comes so far.
  await Promise.race([running, demo.ended.then((code) => expect.fail(`ended with ${code}`))]).catch((error) =>
    expect.fail(`${error.message}\n${demo.output()}`),
  );
  expect(marked(demo.temporary).length).toBeGreaterThan(4);
  demo.child.kill(signal);
  await demo.ended;
  source.close();
  await until('everything to end', nothingLeft(demo.temporary), 20_000);
});

test('half a source is refused', async () => {
  const demo = startDemo('--source', 'http://127.0.0.1:1/dzis');
  expect(await demo.ended).toBe(2);
  expect(demo.output()).toBe('demo: --source and --ids go together: give both, or neither\n');
});
