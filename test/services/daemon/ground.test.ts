import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, test } from 'vitest';
import { startRedis } from '../../../agent/ground.js';
import { useGround } from '../../support/services.js';

const ground = useGround('ground');
const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

/** Puts a redis-server before the real one: it ends as when its port is taken, as often as said, and starts after. */
function portTaken(times: number): { readonly starts: () => string } {
  const dir = join(ground.dir, `taken-${times}`);
  const starts = join(dir, 'starts');
  mkdirSync(dir);
  writeFileSync(starts, '');
  writeFileSync(
    join(dir, 'redis-server'),
    `#!/bin/sh
printf x >> ${starts}
if [ "$(wc -c < ${starts})" -le ${times} ]; then echo "bind: Address already in use"; exit 1; fi
PATH='${path}' exec redis-server "$@"
`,
  );
  chmodSync(join(dir, 'redis-server'), 0o755);
  process.env.PATH = `${dir}:${path}`;
  return { starts: () => readFileSync(starts, 'utf8') };
}

test('a pid that is used again is a stranger’s, and left alone', async () => {
  const script = join(import.meta.dirname, 'pid-again-process.ts');
  const { stdout } = await promisify(execFile)('unshare', [
    ...['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, '--import', 'tsx', script],
  ]);
  expect(stdout).toMatch(/^(\d+) \1 alive\n$/);
});

describe('a server whose port was taken before it could listen', () => {
  it('starts on another', async () => {
    const { starts } = portTaken(2);
    const { child } = await startRedis(ground, { name: 'lucky' });
    expect(child.exitCode).toBeNull();
    expect(starts()).toBe('xxx');
  });

  it('is given up after the fourth', async () => {
    const { starts } = portTaken(9);
    await expect(startRedis(ground, { name: 'unlucky' })).rejects.toThrow(/ended while starting \(1\)/);
    expect(starts()).toBe('xxxx');
  });

  it('is not moved where the port was given', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    // What listens there does not speak: the answer to the first question never comes, the end of the program does.
    await expect(startRedis(ground, { name: 'given', port })).rejects.toThrow(
      `on port ${port} ended while starting`,
    );
    server.close();
  });
});
