import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
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

const ABSENT = { kind: 'permanent', code: 'container-absent' };
const asRoot = test.runIf(process.getuid?.() === 0);

test('a directory that is not there is permanent/container-absent to all, and only createContainer makes it', async () => {
  const directory = join(folder(), 'disk', 'tiles');
  const store = filesystemStore(directory);
  for (const asked of [
    () => store.check(),
    () => store.read('a.dzi', 100),
    () => store.head('a.dzi'),
    () => store.readStream('a.dzi', 0),
    () => store.write('a/b.jpg', TILE, metadata(TILE)),
    () => store.beginParts('a/b.jpg', 5, NO_PROPERTIES),
    () => store.remove('a/b.jpg'),
    () => store.listPage('', null),
    () => store.listPage('a/', null),
  ])
    await expect(asked(), String(asked)).rejects.toMatchObject(ABSENT);
  expect(existsSync(join(directory, '..'))).toBe(false);
  await store.createContainer();
  await store.check();
  await store.write('a/b.jpg', TILE, metadata(TILE));
  expect((await store.read('a/b.jpg', 1e6)).size).toBe(TILE.length);
});

test('a directory that vanishes while it runs is absent, and not made again by the way', async () => {
  const directory = join(folder(), 'tiles');
  mkdirSync(directory);
  const store = filesystemStore(directory);
  await store.write('a/b', TILE, metadata(TILE));
  const parts = await store.beginParts('c/d', 5, NO_PROPERTIES);
  await parts.writePart(0, new Uint8Array(5), '');
  rmSync(directory, { recursive: true });
  await expect(store.write('a/b', TILE, metadata(TILE))).rejects.toMatchObject(ABSENT);
  await expect(parts.complete('')).rejects.toMatchObject(ABSENT);
  expect(existsSync(directory)).toBe(false);
});

asRoot(
  'a disk that is unmounted while it runs: nothing is written below it, nothing is believed',
  async () => {
    const directory = folder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'convoy-test', directory]);
    const store = filesystemStore(directory);
    await store.write('a/b', TILE, metadata(TILE));
    execFileSync('umount', [directory]);
    await expect(store.write('a/c', TILE, metadata(TILE))).rejects.toMatchObject(ABSENT);
    await expect(store.read('a/b', 1e6)).rejects.toMatchObject(ABSENT);
    await expect(store.head('a/b')).rejects.toMatchObject(ABSENT);
    await expect(store.listPage('', null)).rejects.toMatchObject(ABSENT);
    expect(readdirSync(directory)).toEqual([]);
  },
);

test('a directory that is a file is permanent/rejected', async () => {
  const directory = join(folder(), 'file');
  writeFileSync(directory, 'x');
  const store = filesystemStore(directory);
  const rejected = { kind: 'permanent', code: 'rejected' };
  await expect(store.check()).rejects.toMatchObject(rejected);
  await expect(store.createContainer()).rejects.toMatchObject(rejected);
  await expect(store.read('a', 1)).rejects.toMatchObject(rejected);
  await expect(store.write('a', TILE, metadata(TILE))).rejects.toMatchObject(rejected);
});

asRoot('a directory we may not enter is permanent/forbidden', async () => {
  const directory = join(folder(), 'closed');
  mkdirSync(directory, { mode: 0o700 });
  const store = filesystemStore(directory);
  const forbidden = { kind: 'permanent', code: 'forbidden' };
  process.seteuid?.(65_534);
  try {
    await expect(store.check()).rejects.toMatchObject(forbidden);
    await expect(store.write('a', TILE, metadata(TILE))).rejects.toMatchObject(forbidden);
  } finally {
    process.seteuid?.(0);
  }
});

test('a name that is a folder, or below a file, is no object and is refused', async () => {
  const directory = folder();
  const store = filesystemStore(directory);
  await store.write('a/b', TILE, metadata(TILE));
  const refused = { code: 'name-refused' };
  await expect(store.write('a', TILE, metadata(TILE))).rejects.toMatchObject(refused);
  await expect(store.write('a/b/c', TILE, metadata(TILE))).rejects.toMatchObject(refused);
  await expect(store.write('.convoy-incoming/x', TILE, metadata(TILE))).rejects.toMatchObject(refused);
  expect([await store.head('a'), await store.head('a/b/c')]).toEqual([null, null]);
  await expect(store.read('a/b/c', 1e6)).rejects.toMatchObject({ code: 'not-found' });
  await store.remove('a');
  await store.remove('a/b/c');
  expect(readdirSync(join(directory, '.convoy-incoming'))).toEqual([]);
  expect(await store.head('a/b')).toMatchObject({ size: TILE.length });
});

test('a part of a name holds 255 bytes, one more is refused before anything is written', async () => {
  const directory = folder();
  const store = filesystemStore(directory);
  const longest = `a/${'ä'.repeat(127)}x/b`;
  await store.write(longest, TILE, metadata(TILE));
  expect(await store.head(longest)).not.toBeNull();
  const refused = { code: 'name-refused' };
  await expect(store.write(`c/${'ä'.repeat(128)}/b`, TILE, metadata(TILE))).rejects.toMatchObject(refused);
  await expect(store.head(`c/${'ä'.repeat(128)}/b`)).rejects.toMatchObject(refused);
  expect(existsSync(join(directory, 'c'))).toBe(false);
});

test('a disk that tells no upper from lower case holds lower-case names only', async () => {
  const directory = folder();
  // What the store finds on such a disk: its own folder under another spelling.
  symlinkSync('.convoy-incoming', join(directory, '.CONVOY-INCOMING'));
  const store = filesystemStore(directory);
  for (const key of ['Fj2.dzi', 'stra\u00dfe', 'e\u0301.jpg'])
    await expect(store.write(key, TILE, metadata(TILE)), key).rejects.toMatchObject({ code: 'name-refused' });
  await expect(store.beginParts('Fj2.dzi', 5, NO_PROPERTIES)).rejects.toMatchObject({ code: 'name-refused' });
  await store.write('fj2_files/0/0_0.jpg', TILE, metadata(TILE));
  await store.write('\u00e9.jpg', TILE, metadata(TILE));
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

test('a folder is read once for all pages of it, and any process can go on with a page', async () => {
  const directory = folder();
  mkdirSync(join(directory, 'a'));
  const names = Array.from({ length: 2500 }, (_, i) => `a/${String(i).padStart(4, '0')}`);
  for (const name of names) writeFileSync(join(directory, name), '');
  const store = filesystemStore(directory);
  const first = await store.listPage('a/', null);
  writeFileSync(join(directory, 'a/1000-later'), '');
  rmSync(join(directory, 'a/1500'));
  const keys = async (one: typeof store, cursor: string | null) =>
    (await one.listPage('a/', cursor)).objects.map(({ key }) => key);
  expect(first.objects.map(({ key }) => key)).toEqual(names.slice(0, 1000));
  expect(await keys(store, first.cursor)).toEqual(names.slice(1000, 2000).filter((key) => key !== 'a/1500'));
  expect((await keys(filesystemStore(directory), first.cursor)).slice(0, 2)).toEqual([
    'a/1000',
    'a/1000-later',
  ]);
});

test('folders read side by side are each read once for all their pages', async () => {
  const directory = folder();
  const count = 1500;
  for (const name of ['a', 'b']) {
    mkdirSync(join(directory, name));
    for (let i = 0; i < count; i++) writeFileSync(join(directory, name, String(i).padStart(4, '0')), '');
  }
  const store = filesystemStore(directory);
  const [a, b] = [await store.listFolder('a/', null), await store.listFolder('b/', null)];
  expect([a.objects.length, b.objects.length]).toEqual([1000, 1000]);
  writeFileSync(join(directory, 'a/0999-later'), '');
  writeFileSync(join(directory, 'b/0999-later'), '');
  rmSync(join(directory, 'a/1200'));
  const [restOfA, restOfB] = [await store.listFolder('a/', a.cursor), await store.listFolder('b/', b.cursor)];
  expect([restOfA.objects.length, restOfB.objects.length]).toEqual([499, 500]);
  expect([restOfA.cursor, restOfB.cursor]).toEqual([null, null]);
  // Another process has not read them, and goes on all the same.
  const others = await filesystemStore(directory).listFolder('a/', a.cursor);
  expect(others.objects.map(({ key }) => key).slice(0, 2)).toEqual(['a/0999-later', 'a/1000']);
});

test('a folder shows links to files, no links to folders, and nothing of writes that are under way', async () => {
  const directory = folder();
  const store = filesystemStore(directory);
  await store.write('x', TILE, metadata(TILE));
  mkdirSync(join(directory, 'empty'));
  symlinkSync('x', join(directory, 'link'));
  symlinkSync('nowhere', join(directory, 'dangling'));
  symlinkSync('..', join(directory, 'circle'));
  const { objects, folders } = await store.listFolder('', null);
  expect([objects.map(({ key }) => key), folders]).toEqual([['link', 'x'], ['empty/']]);
  expect(existsSync(join(directory, '.convoy-incoming'))).toBe(true);
  expect(await store.listFolder('.convoy-incoming/', null)).toEqual({
    ...{ objects: [], folders: [], cursor: null },
  });
});

test('lists links to files, not links to folders, and names what no key can name', async () => {
  const directory = folder();
  mkdirSync(join(directory, 'a'));
  writeFileSync(join(directory, 'a/x'), 'xyz');
  symlinkSync('x', join(directory, 'a/link'));
  symlinkSync('nowhere', join(directory, 'a/dangling'));
  symlinkSync('..', join(directory, 'a/circle'));
  const store = filesystemStore(directory);
  const { objects } = await store.listPage('', null);
  expect(objects.map(({ key, size }) => [key, size])).toEqual([
    ['a/link', 3],
    ['a/x', 3],
  ]);
  writeFileSync(Buffer.concat([Buffer.from(join(directory, 'a/')), Buffer.from([0xe4])]), '');
  await expect(store.listPage('', null)).rejects.toMatchObject({ code: 'name-refused' });
});

test('parts leave no file behind, and a stream that nobody reads no open one', async () => {
  const directory = folder();
  const store = filesystemStore(directory);
  const open = (): number => readdirSync('/proc/self/fd').length;
  await store.write('x', TILE, metadata(TILE));
  const before = open();
  for (const end of ['complete', 'abandon'] as const) {
    const parts = await store.beginParts(`${end}/x`, TILE.length, NO_PROPERTIES);
    await expect(parts.complete('')).rejects.toMatchObject({ code: 'rejected' });
    await parts.writePart(0, TILE, '');
    await (end === 'complete' ? parts.complete('') : parts.abandon());
  }
  const { body } = await store.readStream('x', 5);
  await body[Symbol.asyncIterator]().return?.();
  expect(open()).toBe(before);
  expect(readdirSync(join(directory, '.convoy-incoming'))).toEqual([]);
  expect([existsSync(join(directory, 'complete/x')), existsSync(join(directory, 'abandon'))]).toEqual([
    ...[true, false],
  ]);
});
