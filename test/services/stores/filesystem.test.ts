import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { filesystemStore } from '../../../stores/filesystem.js';
import { listAll, NO_PROPERTIES } from '../../../stores/store.js';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'convoy-fs-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const metadata = (bytes: Uint8Array) => ({
  ...{ ...NO_PROPERTIES, md5: createHash('md5').update(bytes).digest('hex') },
});
const TILE = new Uint8Array(100_000).fill(7);

/** A disk of one megabyte. Only root may mount: others rely on the copy test, whose full disk is a fake at the seam. */
function tinyDisk(): string {
  const directory = folder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'convoy-test', directory]);
  closers.push(() => execFileSync('umount', [directory]));
  return directory;
}

test.runIf(process.getuid?.() === 0)(
  'a full disk is permanent/disk-full, leaves no part of an object, and goes on once there is room',
  async () => {
    const directory = tinyDisk();
    const store = filesystemStore(directory);
    let written = 0;
    const full = await (async () => {
      for (; written < 20; written++) await store.write(`a_files/0/${written}_0.jpg`, TILE, metadata(TILE));
      return null;
    })().catch((error: unknown) => error);
    expect(full).toMatchObject({ kind: 'permanent', code: 'disk-full' });
    expect(written).toBeGreaterThan(5);
    expect(await store.head(`a_files/0/${written}_0.jpg`)).toBeNull();
    expect(readdirSync(join(directory, '.convoy-incoming'))).toEqual([]);
    await store.remove('a_files/0/0_0.jpg');
    await store.remove('a_files/0/1_0.jpg');
    await store.write(`a_files/0/${written}_0.jpg`, TILE, metadata(TILE));
    expect((await store.read(`a_files/0/${written}_0.jpg`, 1e6)).size).toBe(TILE.length);
  },
);

test('a source folder that is not there is permanent/container-absent, not a missing object', async () => {
  const store = filesystemStore(join(folder(), 'not-mounted'));
  await expect(store.read('a.dzi', 100)).rejects.toMatchObject({
    kind: 'permanent',
    code: 'container-absent',
  });
});

test('a name that is a folder, or below a file, is refused', async () => {
  const directory = folder();
  const store = filesystemStore(directory);
  await store.write('a/b', TILE, metadata(TILE));
  await expect(store.write('a', TILE, metadata(TILE))).rejects.toMatchObject({ code: 'name-refused' });
  await expect(store.write('a/b/c', TILE, metadata(TILE))).rejects.toMatchObject({ code: 'name-refused' });
  await expect(store.write('.convoy-incoming/x', TILE, metadata(TILE))).rejects.toMatchObject({
    code: 'name-refused',
  });
  expect(await store.head('a')).toBeNull();
  expect(readdirSync(join(directory, '.convoy-incoming'))).toEqual([]);
});

test('what a process that died left behind goes once it is old; what is young may be in use', async () => {
  const directory = folder();
  const incoming = join(directory, '.convoy-incoming');
  mkdirSync(incoming);
  writeFileSync(join(incoming, 'old'), 'x');
  writeFileSync(join(incoming, 'young'), 'x');
  utimesSync(join(incoming, 'old'), 1, 1);
  const store = filesystemStore(directory);
  await store.write('k', TILE, metadata(TILE));
  expect(readdirSync(incoming)).toEqual(['young']);
  const listed: string[] = [];
  for await (const { key } of listAll(store, '')) listed.push(key);
  expect(listed).toEqual(['k']);
});

test('folders that vanish while it runs are made again', async () => {
  const directory = folder();
  const store = filesystemStore(directory);
  await store.write('a/b/c', TILE, metadata(TILE));
  rmSync(join(directory, 'a'), { recursive: true });
  await store.write('a/b/c', TILE, metadata(TILE));
  expect(existsSync(join(directory, 'a/b/c'))).toBe(true);
});
