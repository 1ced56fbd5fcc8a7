import { RedisConnection } from '../../jobs/redis-connection.js';
import { failedImage, type MigrationKey, migrationKey } from '../../jobs/redis-keys.js';
import { pairs, unpackFailure, unpackKind, unpackRow } from '../../jobs/redis-rows.js';
import { LANES, type Lane } from '../../jobs/work-queue.js';

/** Looks at the queue's Redis past the queue: every structure is walked and held against every counter. */
export interface Inspector {
  /** All that Redis holds, at one moment. */
  look(): Promise<Look>;
  states(migration: string, lane: Lane): Promise<string[][]>;
  command: RedisConnection['command'];
  close(): Promise<void>;
}

/** Each key with its fields and values, or its members. */
export type Look = ReadonlyMap<string, readonly string[]>;

const DUMP = `
  local read = {hash = {'HGETALL'}, set = {'SMEMBERS'}, zset = {'ZRANGE', 0, -1}, list = {'LRANGE', 0, -1},
    string = {'MGET'}}
  local found = {}
  for index, key in ipairs(redis.call('KEYS', '*')) do
    local command = read[redis.call('TYPE', key).ok]
    found[index] = {key, redis.call(command[1], key, unpack(command, 2))}
  end
  return found`;

export function inspect(url: string): Inspector {
  const redis = new RedisConnection({ locate: async () => url, timeoutMs: 10_000, scripts: new Map() });
  const look = async (): Promise<Look> =>
    new Map((await redis.command('EVAL', DUMP, 0)) as [string, string[]][]);
  return {
    look,
    states: async (migration, lane) => statesIn(await look(), migration, lane),
    command: (name, ...args) => redis.command(name, ...args),
    close: () => redis.close(),
  };
}

/** Per image and item: `ready`, `claimed`, `delayed`, `failed`, or `gone` (done, skipped or dropped). Throws if two disagree. */
export function statesIn(look: Look, migration: string, lane: Lane): string[][] {
  const key = (name: MigrationKey, bucket: string | number = ''): string =>
    migrationKey(migration, name) + bucket;
  const list = (name: string): readonly string[] => look.get(name) ?? [];
  const hash = (name: string): ReadonlyMap<string, string> => pairs(list(name));
  /** All fields of a bucketed hash of images, by image number. */
  const ofImages = (name: MigrationKey, images: number): Map<number, string> => {
    const found = new Map<number, string>();
    for (let bucket = 0; bucket * 256 < images; bucket++)
      for (const [field, value] of hash(key(name, bucket))) found.set(bucket * 256 + Number(field), value);
    return found;
  };
  const check = (what: string, actual: unknown, expected: unknown): void => {
    const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (is !== should) throw new Error(`${migration} ${lane}: ${what} is ${is}, found ${should}`);
  };

  const meta = hash(key('meta'));
  const images = Number(meta.get('images'));
  const rows = ofImages('rowsOf', images);
  check('number of rows', rows.size, images);
  const counter = (name: string): number => Number(meta.get(name) ?? 0);
  const checked = counter('checks.images');
  const sizes = Array.from({ length: lane === 'checks' ? checked : images }, (_, number) => {
    const { tiles } = unpackRow(number, rows.get(number)!);
    return { tiles, descriptors: 1, checks: tiles + 1 }[lane];
  });
  const states = sizes.map((size) => Array.from({ length: size }, () => 'gone'));
  const put = (state: string, image: number, first: number, count: number): void => {
    for (let index = first; index < first + count; index++) {
      const was = states[image]?.[index];
      if (was !== 'gone')
        throw new Error(`${lane} ${image}/${index} is ${state} and ${was ?? 'out of range'}`);
      states[image]![index] = state;
    }
  };
  const numbers = (text: string): number[] => text.split(':').map((field) => Number.parseInt(field, 36));

  for (const item of list(key(`${lane}Ready`))) {
    const [image, first, count] = numbers(item) as [number, number, number];
    put('ready', image, first, count);
  }
  if (lane === 'checks' && meta.get('state') !== 'cancelled')
    for (let image = counter('checks.cursor'); image < checked; image++)
      put('ready', image, 0, sizes[image]!);
  for (const item of list(key(`${lane}Delayed`))) {
    const [image, first, count] = numbers(item) as [number, number, number];
    put('delayed', image, first, count);
  }
  const leased = new Set(list(key('leases')));
  for (const name of [...look.keys()].filter((each) => each.startsWith('convoy:claim:'))) {
    const [of, image, cursor, end, ...rest] = (list(name)[0] ?? '').split(':');
    if (rest.slice(7).join(':') !== migration || cursor === '') continue;
    const token = name.slice('convoy:claim:'.length);
    if (!leased.has(token)) throw new Error(`claim ${token} has no lease`);
    if (of === lane) put('claimed', Number(image), Number(cursor), Number(end) - Number(cursor));
  }
  const reasons = new Map(
    [...hash(key('reasons'))].map(([kind, number]) => [Number(number), unpackKind(kind).reason]),
  );
  const failed = new Map<string, number>();
  const fail = (reason: string, count: number): void =>
    void failed.set(reason, (failed.get(reason) ?? 0) + count);
  for (const each of LANES)
    for (const bucket of list(key(`${each}Failed`))) {
      const fields = hash(key(`${each}FailedOf`, bucket));
      if (fields.size === 0) throw new Error(`failure bucket ${bucket} is listed and empty`);
      for (const [field, value] of fields) {
        const { place, kind, ranges } = unpackFailure(field, value);
        for (const { first, count } of ranges) {
          if (each !== 'checks') fail(reasons.get(kind)!, count);
          if (each === lane) put('failed', failedImage(Number(bucket), place), first, count);
        }
      }
    }
  let refused = 0;
  for (const bucket of list(key('refused')))
    for (const value of hash(key('idsOf', bucket)).values()) {
      const reason = /^!\d+!(.*)$/.exec(value)?.[1];
      if (reason === undefined) continue;
      refused++;
      fail(reason, 1);
    }

  const sum = (state: string): number => states.flat().filter((each) => each === state).length;
  const ofLane = (state: string): number => counter(`${lane}.${state}`);
  for (const state of ['ready', 'claimed', 'delayed', 'failed']) check(state, ofLane(state), sum(state));
  const every = ['ready', 'claimed', 'delayed', 'failed', 'done', 'skipped'].map(ofLane);
  check('total', ofLane('total'), total(every));
  const counts = hash(key('failures'));
  check('failures', [...counts].sort(), [...failed].map(([reason, count]) => [reason, String(count)]).sort());
  check('refused', counter('refused'), refused);
  if (lane === 'tiles') {
    const cancelled = meta.get('state') === 'cancelled';
    const [opens, bads, marks] = [
      ofImages('openOf', images),
      ofImages('badOf', images),
      ofImages('marksOf', images),
    ];
    const has = (mark: number): number =>
      [...marks.values()].filter((marked) => (Number(marked) & mark) !== 0).length;
    let [withheld, incomplete] = [0, 0];
    for (const [image, tiles] of states.entries()) {
      const bad = tiles.filter((state) => state === 'failed').length;
      const left = tiles.filter((state) => state !== 'gone').length;
      check(`bad tiles of image ${image}`, Number(bads.get(image) ?? 0), bad);
      if (!cancelled) check(`open tiles of image ${image}`, Number(opens.get(image) ?? 0), left);
      const released = (Number(marks.get(image) ?? 0) & 1) === 1;
      if (left === 0 && !released && !cancelled) throw new Error(`image ${image} is whole and not released`);
      if (released && left > 0) incomplete++;
      if (!released && bad > 0 && bad === left) withheld++;
    }
    if (!cancelled) check('withheld', counter('withheld'), withheld);
    if (!cancelled) check('incomplete', counter('incomplete'), incomplete);
    if (!cancelled) check('descriptors released', counter('descriptors.total'), has(1));
    check('descriptors done', counter('descriptors.done'), has(2));
    check('descriptors skipped', counter('descriptors.skipped'), has(4));
    check('bytes', counter('bytes'), total([...ofImages('bytesOf', images).values()].map(Number)));
    const skipped = ofImages('skippedOf', images);
    check('tiles skipped', counter('tiles.skipped'), total([...skipped.values()].map(Number)));
  }
  if (lane === 'checks' && meta.get('state') !== 'cancelled')
    for (const [image, value] of ofImages('checkedOf', checked)) {
      const [round, left] = value.split(':', 2).map(Number);
      const unsettled = states[image]!.filter((state) => !['gone', 'failed'].includes(state)).length;
      if (round === counter('checks.round') && unsettled > 0)
        check(`checks left of image ${image}`, left, unsettled);
    }
  return states;
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
