import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Event } from '../../../api/event-schemas.js';
import { openClient } from '../../../cli/client.js';
import type { EventBatch } from '../../../cli/read-events.js';
import { MOST_UNDELIVERED, MOST_WRITES } from '../../../registry/registry.js';
import { manualClock } from '../../support/clock.js';
import { openDocumented } from '../../support/documented.js';
import { type EventStream, eventsUntil, isEnd, openStream } from '../../support/event-stream.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { violations } from '../../support/json-schema.js';
import { until } from '../../support/until.js';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const UNIT = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };

let fleet: FakeFleet;
const streams: EventStream[] = [];
beforeEach(async () => {
  fleet = await startFakeFleet(
    [
      { id: A, ip: '10.0.0.1', metadata: {} },
      { id: B, ip: '10.0.0.2', metadata: {} },
    ],
    { still: true },
  );
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.cut();
  await fleet.stop();
});

async function open(path: string, options: Parameters<typeof openStream>[2] = {}): Promise<EventStream> {
  const stream = await openStream(fleet.socket, path, options);
  streams.push(stream);
  return stream;
}

async function errorOf(stream: EventStream) {
  return { status: stream.status, ...JSON.parse(await stream.body()) };
}

const submit = (name: string, target: 'inactive' | 'loaded' = 'inactive') =>
  fleet.registry.submitUnit(name, UNIT, target);

test('every kind of change is told, each as the document says, and with an id the last of each revision', async () => {
  const stream = await open('/v1/events');
  expect(stream).toMatchObject({ status: 200, type: 'text/event-stream' });
  const [session] = fleet.sessions;
  const unit = 'a.service';
  const { generation } = await submit(unit, 'loaded');
  const placement = { unit, machine: A, hash: 'h', target: 'loaded', restarts: 0, why: 'because' } as const;
  await fleet.registry.commit(
    [
      {
        ...{ kind: 'place', unit, machine: A, global: false, generation, revision: 0, why: 'because' },
        ...{ placement, stopBoundMs: null, failedOn: [] },
      },
    ],
    fleet.leader,
  );
  const triple = { load: 'loaded', active: 'active', sub: 'running', reached: 'launched' } as const;
  const state = { unit, machine: A, hash: 'h', ...triple, since: 1, exit: null, autoRestarts: 0, reason: '' };
  await session!.publish([{ ...state, heard: 1 }], []);
  await session!.announce([{ service: 'web', unit, machine: A, host: 'h', port: 80 }]);
  await fleet.registry.changeMachine(A, { cordoned: true });
  await fleet.registry.requestMove(unit, B);
  await fleet.leader.tell('frozen: too many are missing');
  await session!.leave();
  await submit('last.service');

  const frames: { event: string; data: Event; id: string | undefined }[] = [];
  for await (const { event, data, id } of stream.frames()) {
    frames.push({ event, data: data as Event, id });
    if (event === 'unit' && (data as { unit: string }).unit === 'last.service') break;
  }
  const { document, resolve } = await openDocumented(fleet.url);
  expect(document.paths['/v1/events']?.get?.responses[200]?.content).toHaveProperty(['text/event-stream']);
  for (const { event, data } of frames) {
    expect(data.kind).toBe(event);
    expect(violations({ $ref: '#/components/schemas/Event' }, data, resolve)).toEqual([]);
    expect(violations({ $ref: '#/components/schemas/Event' }, { ...data, more: 1 }, resolve)).not.toEqual([]);
  }
  expect(new Set(frames.map(({ event }) => event))).toEqual(
    new Set(['unit', 'placement', 'state', 'service', 'known', 'leader', 'machine']),
  );
  frames.forEach(({ data, id }, i) => {
    const isLast = frames[i + 1]?.data.revision !== data.revision;
    expect(id).toBe(isLast ? String(data.revision) : undefined);
  });
  const told = frames.map(({ data }) => data);
  expect(told).toContainEqual({
    ...{ kind: 'placement', revision: generation + 1, unit, machine: A },
    value: { ...placement, fence: generation + 1, revision: generation + 1 },
  });
  expect(told.find(({ kind, value }) => kind === 'unit' && value?.move !== null)).toMatchObject({
    value: { name: unit, move: { to: B } },
  });
  expect(told).toContainEqual({ kind: 'machine', revision: expect.any(Number), machine: A, value: null });
});

describe('a stream goes on', () => {
  test('after the revision of a list, or the last id, which counts more; without either from now on', async () => {
    await submit('before.service');
    const client = await openDocumented(fleet.url);
    const seen = (await client.send('GET', '/v1/units')).headers['x-convoy-revision'];
    await submit('first.service');
    const between = (await fleet.registry.readAll()).revision;
    await submit('second.service');
    const namesOf = async (stream: EventStream): Promise<string[]> => {
      await submit('end.service');
      const events = await eventsUntil(
        stream,
        (event) => event.kind === 'unit' && event.unit === 'end.service',
      );
      await fleet.registry.destroyUnit('end.service');
      return events.flatMap((event) => (event.kind === 'unit' ? [event.unit] : []));
    };
    expect(await namesOf(await open(`/v1/events?after=${seen}&kind=unit`))).toEqual([
      ...['first.service', 'second.service', 'end.service'],
    ]);
    const resumed = await open(`/v1/events?after=${seen}`, { lastId: String(between) });
    expect((await namesOf(resumed)).slice(0, 1)).toEqual(['second.service']);
    expect(await namesOf(await open('/v1/events'))).toEqual(['end.service']);
  });

  test('with 410 and what to do, where the registry has forgotten', async () => {
    const { generation } = await submit('a.service');
    for (let i = 0; i < 3; i += 1) await fleet.registry.requestRestart('a.service');
    fleet.compact();
    const client = await openDocumented(fleet.url);
    const { revision } = await fleet.registry.readAll();
    for (const after of [generation, revision + 1000])
      expect(await client.send('GET', `/v1/events?after=${after}`)).toMatchObject({
        status: 410,
        body: { error: { code: 'compacted', kind: 'conflict' } },
      });
    expect(await errorOf(await open('/v1/events', { lastId: String(generation) }))).toMatchObject({
      status: 410,
      error: { code: 'compacted', message: expect.stringMatching(/: list again, then go on after/) },
    });
    expect((await open(`/v1/events?after=${revision}`)).status).toBe(200);
    expect(await errorOf(await open('/v1/events', { lastId: 'x' }))).toMatchObject({
      status: 400,
      error: { code: 'bad-header', message: 'Last-Event-ID: expected a revision, got "x"' },
    });
  });
});

test('only what is asked for is told: by unit, machine and kind', async () => {
  /** `before`: so many revisions before the present one is the last that is told of. */
  const told = async (query: string, before = 0): Promise<string[]> => {
    const stream = await open(`/v1/events?${query}`);
    await submit('web@1.service');
    await submit('db.service');
    await fleet.registry.changeMachine(A, { cordoned: true });
    await fleet.registry.changeMachine(B, { cordoned: true });
    await fleet.sessions[0]!.announce([
      { service: 'db', unit: 'db.service', machine: A, host: 'h', port: 1 },
    ]);
    for (const name of ['web@1.service', 'db.service']) await fleet.registry.destroyUnit(name);
    for (const id of [A, B]) await fleet.registry.changeMachine(id, { cordoned: false });
    await fleet.sessions[0]!.announce([]);
    const { revision } = await fleet.registry.readAll();
    const events: string[] = [];
    for await (const { data } of stream.frames()) {
      const event = data as Event;
      events.push(
        [event.kind, 'unit' in event && event.unit, 'machine' in event && event.machine?.slice(0, 1)]
          .filter(Boolean)
          .join(' '),
      );
      if (event.revision >= revision - before) break;
    }
    return events;
  };
  expect(await told('unit=db*')).toEqual([
    ...['unit db.service', 'service db.service a', 'unit db.service', 'service db.service a'],
  ]);
  expect(await told('unit=db*&kind=unit', 3)).toEqual(['unit db.service', 'unit db.service']);
  expect(await told(`machine=${A}`)).toEqual([
    'known a',
    'service db.service a',
    'known a',
    'service db.service a',
  ]);
  expect(await told('kind=known&kind=service')).toEqual([
    ...['known a', 'known b', 'service db.service a', 'known a', 'known b', 'service db.service a'],
  ]);
});

test('a quiet stream has a sign of life now and then, with an id that is up to date', async () => {
  const clock = manualClock();
  const path = join(fleet.dir, 'quiet.sock');
  const quiet = await fleet.serve({ clock, sockets: [{ path, role: 'read' }] });
  const { revision } = await fleet.registry.readAll();
  let text = '';
  const socket = connect(path);
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write('GET /v1/events?unit=nothing.service HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the stream begins', () =>
    text.includes(`: events after revision ${revision}\nid: ${revision}\n\n`),
  );
  await submit('a.service');
  for (let i = 0; i < 4; i += 1) await clock.advance(15_000);
  await until('a heartbeat', () => text.includes(`: nothing else for a while\nid: ${revision + 1}\n\n`));
  socket.destroy();
  await quiet.stop();
});

test('a client that does not read is told so last, costs no more than a limit, and can go on', async () => {
  const stream = await open('/v1/events');
  const { revision: before } = await fleet.registry.readAll();
  const names = Array.from({ length: MOST_WRITES }, (_, i) => `u${i}.service`);
  // Far more than the buffers of a socket hold beside what is kept for a client.
  const rounds = Math.ceil((4 * MOST_UNDELIVERED) / MOST_WRITES);
  for (let round = 0; round < rounds; round += 1) {
    const target = round % 2 === 0 ? 'loaded' : 'inactive';
    await fleet.registry.writeUnits(names.map((name) => ({ name, unit: UNIT, target })));
  }
  const revisions: number[] = [];
  let end: unknown;
  for await (const frame of stream.frames())
    if (isEnd(frame)) end = frame.data.error;
    else revisions.push((frame.data as Event).revision);
  expect(end).toMatchObject({ code: 'lagging', kind: 'conflict' });
  // What was told is whole and without a gap, and stops before the end.
  const last = Number(stream.lastId());
  expect(last).toBeLessThan(before + rounds);
  expect(revisions).toEqual(
    Array.from({ length: (last - before) * MOST_WRITES }, (_, i) => before + 1 + Math.floor(i / MOST_WRITES)),
  );
  const resumed = await open('/v1/events', { lastId: stream.lastId() });
  const [first] = await eventsUntil(resumed, () => true);
  expect(first?.revision).toBe(last + 1);
});

test('a stream ends with the server, and says so', async () => {
  const path = join(fleet.dir, 'other.sock');
  const other = await fleet.serve({ sockets: [{ path, role: 'read' }] });
  const stream = await openStream(path, '/v1/events');
  const stopped = other.stop();
  const frames = [];
  for await (const frame of stream.frames()) frames.push(frame);
  await stopped;
  expect(frames).toMatchObject([{ event: 'end', data: { error: { code: 'stopping', kind: 'transient' } } }]);
});

test('a stream ends with a registry that is not the one seen before', async () => {
  const stream = await open('/v1/events');
  fleet.registry.hold('another registry answers');
  const frames = [];
  for await (const frame of stream.frames()) frames.push(frame);
  expect(frames).toMatchObject([
    { event: 'end', data: { error: { code: 'hold', message: 'another registry answers' } } },
  ]);
  fleet.registry.hold(null);
});

describe('the client of the commands', () => {
  test('reads a batch for each revision, from where it stands', async () => {
    const api = openClient(`unix://${fleet.socket}`);
    const { revision } = await fleet.registry.readAll();
    const stop = new AbortController();
    const batches = api.events({ unit: 'u*', kinds: ['unit'] }, stop.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<EventBatch> => (await batches.next()).value as EventBatch;
    expect(await next()).toEqual({ revision, events: [] });
    await fleet.registry.writeUnits(
      ['u1.service', 'other.service', 'u2.service'].map((name) => ({
        name,
        unit: UNIT,
        target: 'inactive' as const,
      })),
    );
    const batch = await next();
    expect(batch.revision).toBe(revision + 1);
    expect(batch.events.map((event) => 'unit' in event && event.unit)).toEqual(['u1.service', 'u2.service']);
    const waiting = batches.next();
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
    await api.close();
  });

  test('tells why it cannot, or cannot any more', async () => {
    const path = join(fleet.dir, 'ending.sock');
    const other = await fleet.serve({ sockets: [{ path, role: 'read' }] });
    const api = openClient(`unix://${path}`);
    const { signal } = new AbortController();
    const { revision } = await fleet.registry.readAll();
    const tooFar = api.events({ after: revision + 10 }, signal)[Symbol.asyncIterator]();
    await expect(tooFar.next()).rejects.toMatchObject({ code: 'compacted', status: 410 });
    const events = api.events({}, signal)[Symbol.asyncIterator]();
    await events.next();
    const waiting = events.next();
    const stopped = other.stop();
    await expect(waiting).rejects.toMatchObject({ kind: 'transient', code: 'stopping' });
    await stopped;
    await expect(api.events({}, signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      ...{ kind: 'transient', code: 'unreachable' },
    });
    await api.close();
  });
});
