import { expect, test } from 'vitest';
import { discoverImages, listable } from '../../../jobs/image-discovery.js';
import { parsePattern } from '../../../jobs/image-filter.js';
import { filtered, type ListedImage } from '../../../jobs/image-list.js';
import { systemClock } from '../../../runtime/clock.js';
import { transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { httpStore } from '../../../stores/http.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { type MemoryStore, memoryStore } from '../../fakes/memory-store.js';

const patience = {
  clock: { ...systemClock(), sleep: async () => undefined },
  random: () => 0,
  log: silentLog,
};
const signal = new AbortController().signal;

function holding(...keys: string[]): MemoryStore {
  const store = memoryStore();
  for (const key of keys)
    store.objects.set(key, {
      ...NO_PROPERTIES,
      bytes: Buffer.from(key),
      size: 1,
      md5: null,
      modifiedMs: null,
    });
  return store;
}

async function discovered(store: MemoryStore): Promise<readonly ListedImage[]> {
  const all: ListedImage[] = [];
  for await (const page of discoverImages(patience, store, signal)) all.push(...page);
  return all;
}

test('finds the images and names what is none, of many pages, and looks into no folder', async () => {
  const tiles = Array.from({ length: 20 }, (_, at) => `a_files/0/${at}_0.jpg`);
  const source = holding(
    'a.dzi',
    ...tiles,
    'b.dzi',
    'c.d.dzi',
    'e.DZI',
    'f.dzc',
    'g.DZC',
    'total.txt',
    '.dzi',
    'sub/x.dzi',
    'dzi',
  );
  source.listPage = () => Promise.reject(new Error('lists everything'));
  const found = await discovered(source);
  expect(found.map(({ id, refusal }) => [id, refusal?.reason ?? null])).toEqual([
    ['a', null],
    ['b', null],
    ['c.d', null],
    ['e.DZI', 'letter-case'],
    ['f.dzc', 'collection'],
    ['g.DZC', 'collection'],
  ]);
  expect(found[3]?.refusal?.detail).toContain('would have to be called e.dzi');
});

test('a page that is not answered is asked for again, and no other', async () => {
  const source = holding('a.dzi', 'b.dzi', 'c.dzi', 'd.dzi', 'e.dzi');
  const list = source.listFolder;
  const asked: (string | null)[] = [];
  source.listFolder = (prefix, cursor, until) => {
    asked.push(cursor);
    if (asked.length === 2) return Promise.reject(transient('busy'));
    return list(prefix, cursor, until);
  };
  expect((await discovered(source)).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(asked[1]).not.toBeNull();
  expect(asked[2]).toBe(asked[1]);
});

test('a source that cannot be listed is told in one sentence', async () => {
  const source = httpStore('http://127.0.0.1:1/dzis');
  expect(() => listable(source)).toThrow(
    '--discover: http://127.0.0.1:1/dzis cannot be listed: give the ids of its images with --ids',
  );
  await source.close();
});

test('filters count what they leave out, and the first ones are the first that pass', async () => {
  const images = (...ids: string[]): ListedImage[] =>
    ids.map((id) => ({
      id,
      refusal: id.endsWith('.dzc') ? { reason: 'collection', status: 0, detail: '' } : null,
    }));
  const pages = async function* () {
    yield images('a1', 'b1', 'a.dzc', 'b.dzc', 'a2');
    yield images('a3', 'a4');
    throw new Error('asks for more than it needs');
  };
  const filter = { match: [parsePattern('a*')], exclude: [parsePattern('*2')], top: 2 };
  const got = [];
  for await (const page of filtered(pages(), filter)) got.push(page);
  expect(got.map(({ listed, images: some }) => [listed, ...some.map(({ id }) => id)])).toEqual([
    [5, 'a1', 'a.dzc'],
    [1, 'a3'],
  ]);
});
