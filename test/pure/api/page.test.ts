import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutPages, Pager } from '../../../api/page.js';
import { seeded } from '../../support/seed.js';

interface Listed {
  readonly rows?: readonly number[];
  readonly nextPageToken?: string;
}

/** A pager over rows that a test may change, and the readings it takes. */
function openListing(most?: number) {
  let now = 0;
  let reads = 0;
  const pager = new Pager({ steady: () => now }, most);
  const world = { rows: [] as readonly number[] };
  return {
    pager,
    world,
    get reads() {
      return reads;
    },
    pass(ms: number) {
      now += ms;
    },
    async page(token?: string, kind = 'rows'): Promise<Listed> {
      const query = new URLSearchParams(token === undefined ? {} : { nextPageToken: token });
      const reply = await pager.page({ query }, 'rows', kind, async () => {
        reads++;
        return world.rows;
      });
      return (reply as { json: Listed }).json;
    },
  };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
const token = (limit: number, page: number): string =>
  Buffer.from(new Uint16Array([limit, page]).buffer)
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_');

test('following tokens gives every row once, in order, with one reading and no page to spare', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 450 }), async (count) => {
      const listing = openListing();
      listing.world.rows = upTo(count);
      const seen: number[] = [];
      let pages = 0;
      let next: string | undefined;
      do {
        const page = await listing.page(next);
        seen.push(...(page.rows ?? []));
        pages++;
        next = page.nextPageToken;
        if (next !== undefined) expect(next).toBe(token(100, pages + 1));
      } while (next !== undefined);
      expect(seen).toEqual(upTo(count));
      expect({ reads: listing.reads, pages }).toEqual({
        reads: 1,
        pages: Math.max(1, Math.ceil(count / 100)),
      });
    }),
    seeded(100),
  );
});

test('listings side by side each show one moment, in whatever order their pages are asked for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 350 }), { minLength: 1, maxLength: 15 }),
      fc.array(fc.nat(), { minLength: 80, maxLength: 80 }),
      async (sizes, order) => {
        const listing = openListing();
        // Each begins when others are under way, and sees other rows than they do.
        const under = sizes.map((size, number) => ({
          rows: upTo(size).map((row) => row + number * 1_000),
          seen: [] as number[],
          next: undefined as string | undefined,
          begun: false,
        }));
        const open = (): typeof under => under.filter(({ begun, next }) => !begun || next !== undefined);
        for (let turn = 0; open().length > 0; turn++) {
          const one = open()[(order[turn % order.length] ?? 0) % open().length] as (typeof under)[number];
          listing.world.rows = one.begun ? [-1] : one.rows;
          const page = await listing.page(one.next);
          one.seen.push(...(page.rows ?? []));
          Object.assign(one, { begun: true, next: page.nextPageToken });
        }
        expect(under.map(({ seen }) => seen)).toEqual(under.map(({ rows }) => rows));
        expect(listing.reads).toBe(sizes.length);
      },
    ),
    seeded(100),
  );
});

describe('what is kept', () => {
  test('is gone once its last page is out', async () => {
    const listing = openListing();
    listing.world.rows = upTo(250);
    const second = await listing.page((await listing.page()).nextPageToken);
    expect(await listing.page(token(100, 4))).toEqual({});
    expect(listing.pager.size).toBeGreaterThan(0);
    expect((await listing.page(second.nextPageToken)).rows).toHaveLength(50);
    expect(listing.pager.size).toBe(0);
    listing.world.rows = upTo(120);
    expect((await listing.page(token(100, 2))).rows).toHaveLength(20);
  });

  test('is shared by listings that are alike, until the last of them is through', async () => {
    const listing = openListing();
    listing.world.rows = upTo(150);
    const first = await listing.page();
    expect(await listing.page()).toEqual(first);
    const other = await listing.page(undefined, 'others');
    expect(other.nextPageToken).toBe(first.nextPageToken);
    listing.world.rows = upTo(120);
    expect((await listing.page()).nextPageToken).not.toBe(first.nextPageToken);
    for (const _each of ['one', 'other'])
      expect((await listing.page(first.nextPageToken)).rows).toHaveLength(50);
    expect(listing.reads).toBe(4);
  });

  test('is gone a minute after it was asked for last; its token is then answered from a new reading', async () => {
    const listing = openListing();
    listing.world.rows = upTo(400);
    const { nextPageToken } = await listing.page();
    listing.world.rows = upTo(150);
    listing.pass(59_999);
    const second = await listing.page(nextPageToken);
    expect(second.rows).toHaveLength(100);
    listing.pass(59_999);
    expect((await listing.page(second.nextPageToken)).rows).toHaveLength(100);
    expect(listing.reads).toBe(1);
    listing.pass(60_000);
    expect(await listing.page(nextPageToken)).toEqual({ rows: upTo(150).slice(100) });
    expect({ reads: listing.reads, kept: listing.pager.size }).toEqual({ reads: 2, kept: 0 });
  });

  test('stays within its bound, the newest being kept whatever its size', async () => {
    const bound = 3_000;
    const listing = openListing(bound);
    for (let count = 101; count < 300; count++) {
      listing.world.rows = upTo(count);
      await listing.page();
      expect(listing.pager.size).toBeLessThanOrEqual(bound);
    }
    listing.world.rows = upTo(5_000);
    const { nextPageToken } = await listing.page();
    expect((await listing.page(nextPageToken)).rows).toEqual(upTo(200).slice(100));
    expect(listing.reads).toBe(200);
    const pages = cutPages(upTo(5_000)).map((rows) => JSON.stringify(rows));
    expect(listing.pager.size).toBe(pages.join('').length);
  });

  test('is nothing for a listing of one page', async () => {
    const listing = openListing();
    listing.world.rows = upTo(100);
    expect(await listing.page()).toEqual({ rows: upTo(100) });
    expect(listing.pager.size).toBe(0);
  });
});

describe('beyond what 16 bits count', () => {
  test('rows are reached', async () => {
    const listing = openListing();
    listing.world.rows = upTo(70_000);
    const page = await listing.page(token(100, 700));
    expect(page).toEqual({ rows: upTo(70_000).slice(69_900) });
  });

  test('of pages, the last page has all that is left', () => {
    const pages = cutPages({
      length: 6_553_500 + 250,
      slice: (from: number, to?: number) => [from, to],
    } as never);
    expect(pages).toHaveLength(65_535);
    expect(pages.at(-1)).toEqual([6_553_400, undefined]);
  });
});

describe('tokens', () => {
  test('of another limit, of page 0, too short or not base64 are refused in words; any other is an answer', async () => {
    const listing = openListing();
    listing.world.rows = upTo(250);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.tuple(fc.constantFrom(100, 100, 50, 0, 65_535), fc.nat(65_535)).map(([a, b]) => token(a, b)),
          fc.uint8Array({ maxLength: 7 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
          fc.base64String({ maxLength: 12 }),
          fc.string({ maxLength: 12 }),
        ),
        async (text) => {
          const valid = /^[A-Za-z0-9_-]*={0,2}$/.test(text) && text.length % 4 === 0;
          const bytes = valid ? Buffer.from(text, 'base64url') : Buffer.alloc(0);
          const answer = await listing.page(text).catch(({ message, status }) => ({ message, status }));
          if (bytes.length >= 4 && bytes.readUInt16LE(0) === 100 && bytes.readUInt16LE(2) > 0) {
            const from = (bytes.readUInt16LE(2) - 1) * 100;
            expect((answer as Listed).rows ?? []).toEqual(upTo(250).slice(from, from + 100));
          } else
            expect(answer).toEqual({
              status: 400,
              message: expect.stringMatching(
                /^(token limit must be 100|token page must be greater than zero|(unexpected )?EOF|illegal base64 data at input byte \d+)$/,
              ),
            });
        },
      ),
      seeded(1_000),
    );
  });

  test('two of them are one too many', async () => {
    const query = new URLSearchParams(
      [1, 2].map((page): [string, string] => ['nextPageToken', token(100, page)]),
    );
    await expect(openListing().pager.page({ query }, 'rows', '', async () => [])).rejects.toMatchObject({
      status: 400,
      message: 'too many values for page token',
    });
  });
});
