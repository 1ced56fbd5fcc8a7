import type { RedisConnection } from './redis-connection.js';
import {
  failedImage,
  failureBucket,
  idBucket,
  type MigrationKey,
  migrationKey,
  rowBucket,
} from './redis-keys.js';
import { failureFieldsOf, idOfRow, pairs, unpackFailure, unpackKind } from './redis-rows.js';
import { type FailureFilter, type FailureRecord, LANES, type Lane } from './work-queue.js';

/** Some stored failures of one bucket that pass the filter: as records, and the fields they are stored under. */
export interface StoredFailures {
  readonly lane: Lane | 'images';
  readonly bucket: number;
  readonly fields: readonly string[];
  readonly records: readonly FailureRecord[];
}

/** Fields per reply, roughly: a packed hash answers whole, and has at most 512. */
const PAGE = 200;

/**
 * All failures of a migration, a page at a time, so that millions of them need little memory here and no long stop in
 * Redis. What fails or is requeued meanwhile may or may not be among them; each is answered at most once.
 */
export async function* failuresOf(
  redis: RedisConnection,
  migration: string,
  filter: FailureFilter,
): AsyncIterable<StoredFailures> {
  const key = (name: MigrationKey, bucket: number | string = ''): string =>
    migrationKey(migration, name) + bucket;
  let kinds = new Map<number, ReturnType<typeof unpackKind>>();
  const kindOf = async (number: number): Promise<ReturnType<typeof unpackKind>> => {
    if (!kinds.has(number)) {
      const flat = (await redis.command('HGETALL', key('reasons'))) as string[];
      kinds = new Map([...pairs(flat)].map(([text, place]) => [Number(place), unpackKind(text)]));
    }
    return kinds.get(number) ?? { reason: '', status: 0, attempt: 0 };
  };
  const lanes = LANES.filter((lane) => (filter.lane ?? lane) === lane);
  const refusedToo = (filter.lane ?? 'images') === 'images';

  /** The fields of a hash in pages, each once. */
  async function* scan(hash: string, match: string): AsyncIterable<ReadonlyMap<string, string>> {
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const answer = await redis.command('HSCAN', hash, cursor, 'MATCH', match, 'COUNT', PAGE);
      const [next, flat] = answer as [string, string[]];
      cursor = next;
      const page = new Map([...pairs(flat)].filter(([field]) => !seen.has(field)));
      for (const field of page.keys()) seen.add(field);
      if (page.size > 0) yield page;
    } while (cursor !== '0');
  }

  async function* refusedIn(bucket: number): AsyncIterable<StoredFailures> {
    for await (const page of scan(key('idsOf', bucket), '*')) {
      const records = [...page]
        .flatMap(([id, value]) => refusal(id, value))
        .flatMap((record) => matching(record, filter));
      yield { lane: 'images', bucket, fields: [], records };
    }
  }

  async function* failedIn(lane: Lane, bucket: number, match: string): AsyncIterable<StoredFailures> {
    for await (const page of scan(key(`${lane}FailedOf`, bucket), match)) {
      const stored = [...page].map(([field, value]) => ({ field, ...unpackFailure(field, value) }));
      const ids = await idsOf(stored.map(({ place }) => failedImage(bucket, place)));
      const fields: string[] = [];
      const records: FailureRecord[] = [];
      for (const { field, place, kind, ranges } of stored) {
        const image = ids.get(failedImage(bucket, place)) ?? '';
        const alike = await kindOf(kind);
        const parts = ranges.flatMap((range) => matching({ lane, image, ...range, ...alike }, filter));
        if (parts.length > 0) fields.push(field);
        records.push(...parts);
      }
      if (records.length > 0) yield { lane, bucket, fields, records };
    }
  }

  /** The images of a failure bucket are neighbours, so their rows share one hash. */
  async function idsOf(images: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const numbers = [...new Set(images)];
    const rows = numbers.map(rowBucket);
    const hash = key('rowsOf', rows[0]?.bucket);
    const values = (await redis.command('HMGET', hash, ...rows.map(({ field }) => field))) as string[];
    return new Map(numbers.map((number, index) => [number, idOfRow(values[index] ?? '')]));
  }

  if (filter.image !== undefined) {
    const bucket = idBucket(filter.image);
    const known = (await redis.command('HGET', key('idsOf', bucket), filter.image)) as string | null;
    if (known === null) return;
    const records = refusal(filter.image, known).flatMap((record) => matching(record, filter));
    if (refusedToo && records.length > 0) yield { lane: 'images', bucket, fields: [], records };
    if (known.startsWith('!')) return;
    const place = failureBucket(Number(known));
    for (const lane of lanes) yield* failedIn(lane, place.bucket, failureFieldsOf(place.field));
    return;
  }
  const refused = refusedToo ? ((await redis.command('SMEMBERS', key('refused'))) as string[]) : [];
  for (const bucket of refused) yield* refusedIn(Number(bucket));
  for (const lane of lanes) {
    let from = '-inf';
    for (;;) {
      const args = [key(`${lane}Failed`), from, '+inf', 'LIMIT', 0, PAGE];
      const buckets = (await redis.command('ZRANGEBYSCORE', ...args)) as string[];
      for (const bucket of buckets) yield* failedIn(lane, Number(bucket), '*');
      if (buckets.length < PAGE) break;
      from = `(${buckets.at(-1)}`;
    }
  }
}

/** The record as far as it matches: not at all, as it is, or cut to the range. Only tiles and checks have ranges. */
function matching(
  record: FailureRecord,
  { lane, reason, image, status, range }: FailureFilter,
): FailureRecord[] {
  const asked = [
    lane ?? record.lane,
    reason ?? record.reason,
    image ?? record.image,
    status ?? record.status,
  ];
  const is = [record.lane, record.reason, record.image, record.status];
  if (asked.some((value, place) => value !== is[place])) return [];
  if (range === undefined) return [record];
  const first = Math.max(record.first, range.first);
  const count = Math.min(record.first + record.count, range.end) - first;
  return count > 0 && (record.lane === 'tiles' || record.lane === 'checks')
    ? [{ ...record, first, count }]
    : [];
}

/** A refused id is stored as `!status!reason` where an added one has its number. */
function refusal(image: string, value: string): FailureRecord[] {
  const [, status, reason] = /^!(\d+)!(.*)$/s.exec(value) ?? [];
  if (status === undefined || reason === undefined) return [];
  return [{ lane: 'images', image, first: 0, count: 1, reason, status: Number(status), attempt: 1 }];
}
