import { describe, expect, it } from 'vitest';
import type { Entry, WatchEvent, WatchResponse } from '../../../registry/etcd-calls.js';
import { follow } from '../../../registry/etcd-watch.js';
import { manualClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

const entry = (revision: number, key = 'k'): Entry => ({
  ...{ key, value: String(revision), created: revision, modified: revision, lease: '0' },
});
const put = (revision: number, key = 'k'): WatchEvent => ({ kind: 'put', entry: entry(revision, key) });

interface Stream {
  readonly from: number;
  send(response: Partial<WatchResponse>): void;
  break(): void;
}

/** A follower of an etcd whose every response is chosen. */
function lab() {
  const clock = manualClock();
  const streams: Stream[] = [];
  const seen: string[] = [];
  const problems: (string | undefined)[] = [];
  const stop = new AbortController();
  let listRevision = 10;
  const base = { revision: 99, created: false, canceled: false, compacted: 0, reason: '', fragment: false };
  const following = follow({
    ...{ clock, signal: stop.signal, range: { key: 'k', prefix: true } },
    client: {
      watch(_, from, onResponse, onEnd, signal) {
        signal.addEventListener('abort', () => onEnd(undefined));
        streams.push({
          from,
          send: (response) => signal.aborted || onResponse({ ...base, events: [], ...response }),
          break: () => onEnd(new Error('broken')),
        });
      },
    },
    list: async () => ({ entries: [entry(listRevision)], revision: listRevision }),
    mayResume: async () => true,
    onList: ({ revision }) => void seen.push(`list ${revision}`),
    onEvents: (events, last) =>
      void seen.push(`${events.map((e) => e.entry.key + e.entry.modified)} @${last}`),
    problem: (error) => void problems.push(error.code),
  });
  const next = async (count: number): Promise<Stream> => {
    await until(`stream ${count}`, async () => {
      await clock.advance(500);
      return streams.length >= count;
    });
    return streams[count - 1]!;
  };
  const setList = (revision: number): void => {
    listRevision = revision;
  };
  return { clock, streams, seen, problems, stop, following, next, setList };
}

describe('following a range', () => {
  it('lists, then watches from the revision after the list', async () => {
    const { next, seen, stop, following } = lab();
    const stream = await next(1);
    expect([stream.from, seen]).toEqual([11, ['list 10']]);
    stream.send({ created: true });
    stream.send({ events: [put(11)] });
    stream.send({ events: [put(13), put(14)] });
    expect(seen).toEqual(['list 10', 'k11 @11', 'k13,k14 @14']);
    stop.abort();
    await following.ended;
  });

  it('resumes after the last event, not after the revision a response came with', async () => {
    const { next, seen } = lab();
    const stream = await next(1);
    stream.send({ created: true, revision: 5000 });
    stream.send({ events: [put(11)], revision: 5000 });
    stream.break();
    expect((await next(2)).from).toBe(12);
    expect(seen).toEqual(['list 10', 'k11 @11']);
  });

  it('hands a revision on whole: a break between its fragments resumes before it', async () => {
    const { next, seen } = lab();
    const stream = await next(1);
    stream.send({ created: true });
    stream.send({ events: [put(11, 'a'), put(12, 'b')], fragment: true });
    stream.send({ events: [put(12, 'c')], fragment: true });
    expect(seen).toEqual(['list 10']);
    stream.break();
    const again = await next(2);
    expect(again.from).toBe(11);
    again.send({ created: true });
    again.send({ events: [put(11, 'a'), put(12, 'b')], fragment: true });
    again.send({ events: [put(12, 'c')] });
    expect(seen).toEqual(['list 10', 'a11,b12,c12 @12']);
  });

  it('lists again after a compaction, a refusal, and a store that went back', async () => {
    const { next, seen, problems, setList } = lab();
    (await next(1)).send({ canceled: true, compacted: 40 });
    setList(50);
    const second = await next(2);
    expect([second.from, problems]).toEqual([51, ['compacted']]);
    second.send({ created: true, canceled: true, reason: 'permission denied' });
    const third = await next(3);
    expect([third.from, problems.at(-1)]).toEqual([51, 'watch-refused']);
    third.send({ created: true, revision: 20 });
    await next(4);
    expect(seen).toEqual(['list 10', 'list 50', 'list 50', 'list 50']);
  });

  it('gives up a watch that etcd does not confirm', async () => {
    const { next, problems, clock } = lab();
    await next(1);
    await clock.advance(6000);
    expect((await next(2)).from).toBe(11);
    expect(problems).toEqual(['deadline']);
  });

  it('hears nothing from a stream it has left', async () => {
    const { next, seen, following } = lab();
    const stream = await next(1);
    stream.send({ created: true });
    following.listAgain();
    const second = await next(2);
    stream.send({ events: [put(11)] });
    second.send({ created: true });
    second.send({ events: [put(12)] });
    expect(seen).toEqual(['list 10', 'list 10', 'k12 @12']);
  });
});
