import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pager } from '../../../api/page.js';
import type { Call } from '../../../api/route.js';
import { seeded } from '../../support/seed.js';

function callWith(query: string, connection: object = {}): Call {
  return {
    ...{
      method: 'GET',
      target: '/',
      params: {},
      contentTypes: [],
      connection,
      passedOn: false,
      ifMatch: () => undefined,
      caller: { name: 'test', role: 'read' },
    },
    query: new URLSearchParams(query),
    body: async () => '',
    signal: new AbortController().signal,
  };
}

test('following tokens gives every row once, in order, with one reading and no page to spare', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 450 }), async (count) => {
      const rows = Array.from({ length: count }, (_, at) => at);
      const pager = new Pager<number>();
      const connection = {};
      const seen: number[] = [];
      let reads = 0;
      let pages = 0;
      let token = '';
      do {
        const page = await pager.page(callWith(token, connection), 'all', async () => {
          reads++;
          return rows;
        });
        seen.push(...page.rows);
        pages++;
        token = page.next === undefined ? '' : `nextPageToken=${encodeURIComponent(page.next)}`;
      } while (token !== '');
      expect(seen).toEqual(rows);
      expect({ reads, pages }).toEqual({ reads: 1, pages: Math.max(1, Math.ceil(count / 100)) });
    }),
    seeded(100),
  );
});

test('rows beyond what 16 bits count are reached', async () => {
  const rows = Array.from({ length: 70_000 }, (_, at) => at);
  const token = Buffer.from([100, 0, 0xbc, 0x02]).toString('base64');
  const page = await new Pager<number>().page(callWith(`nextPageToken=${token}`), '', async () => rows);
  expect(page.rows[0]).toBe(69_900);
  expect(page.next).toBeUndefined();
});

test('another listing of the same connection is read anew', async () => {
  const pager = new Pager<string>();
  const connection = {};
  const many = (name: string) => async () => Array.from({ length: 150 }, () => name);
  const { next } = await pager.page(callWith('', connection), 'a', many('a'));
  const query = `nextPageToken=${encodeURIComponent(next ?? '')}`;
  expect((await pager.page(callWith(query, connection), 'b', many('b'))).rows).toContain('b');
});
