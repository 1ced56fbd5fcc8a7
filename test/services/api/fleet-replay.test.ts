import { request } from 'node:http';
import { expect, test } from 'vitest';
import { startFakeFleet } from '../../support/fake-fleet.js';
import { DIFFERENCES, type Difference } from './fleet-differences.js';
import {
  type Elided,
  type Exchange,
  isElided,
  RECORDINGS,
  type RecordedBody,
  type RecordedState,
  type RecordedUnit,
  type Request,
  readRecording,
  type Setup,
  type Step,
} from './fleet-recording.js';
import { PlayedFleet } from './played-fleet.js';

/**
 * Every conversation recorded with fleet 1.0, held again with our API: each request in order, and of each answer
 * status, headers and body as recorded, but for the differences that are listed.
 */

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly length: string | undefined;
  readonly location: string | undefined;
  readonly server: string | string[] | undefined;
  readonly body: unknown;
}

test.each(RECORDINGS)('%s is answered as by fleet', async (name) => {
  const { machines, steps } = readRecording(name);
  const differences = DIFFERENCES[name] ?? {};
  const fleet = await startFakeFleet(machines, { still: true });
  const played = new PlayedFleet(fleet);
  let number = 0;
  const used: number[] = [];

  async function exchange(step: Step, at: number, { request: sent, response: recorded }: Exchange) {
    await play(played, step, at);
    const label = `${number}: ${sent.method} ${sent.path}`;
    const difference = differences[number];
    const answer = await send(fleet.url, sent);
    if (difference !== undefined) used.push(number);
    expect({ label, ...answer }).toEqual({ label, ...expectedOf(recorded, difference, answer) });
    await difference?.after?.(fleet);
    number += 1;
  }
  async function poll(step: Step, at: number, { elided, request: sent }: Elided) {
    const ofSame = (one: Exchange | Elided): one is Exchange =>
      !isElided(one) && one.request.path === sent.path;
    const before = step.exchanges.slice(0, at).findLast(ofSame)?.response.body;
    const after = step.exchanges.slice(at).find(ofSame)?.response.body;
    for (let count = 0; count < elided; count++) {
      const { status, body } = await send(fleet.url, { ...sent, headers: {} });
      expect(status).toBe(200);
      expect([before, after]).toContainEqual(body);
    }
  }

  try {
    for (const step of steps) {
      if (step.setup !== undefined) await setUp(fleet.url, step.setup, step);
      for (const [at, one] of step.exchanges.entries())
        await (isElided(one) ? poll(step, at, one) : exchange(step, at, one));
    }
    expect(number).toBe(steps.flatMap(({ exchanges }) => exchanges).filter((one) => !isElided(one)).length);
    expect(used).toEqual(Object.keys(differences).map(Number));
  } finally {
    await fleet.stop();
  }
});

test('no conversation and no exchange is left out', () => {
  const exchanges = RECORDINGS.flatMap((name) => readRecording(name).steps).flatMap((step) => step.exchanges);
  const elided = exchanges.filter(isElided);
  expect({
    files: RECORDINGS.length,
    exchanges: exchanges.length - elided.length,
    elidedPolls: elided.reduce((sum, one) => sum + one.elided, 0),
  }).toEqual({ files: 32, exchanges: 947, elidedPolls: 116 });
  expect(RECORDINGS).toEqual(expect.arrayContaining(Object.keys(DIFFERENCES)));
});

/** Has leader and agents do what the recorded answer shows of their doing. A list is played whole with its first page. */
async function play(played: PlayedFleet, { exchanges }: Step, at: number): Promise<void> {
  const { request: sent, response } = exchanges[at] as Exchange;
  const body = response.body ?? {};
  if (sent.method !== 'GET' || response.status !== 200 || sent.path.includes('nextPageToken=Z')) return;
  const path = sent.path.replace(/\?.*/, '').replace(/^\/(fleet\/v1|v1-alpha)\//, '');
  const rest = body.nextPageToken === undefined ? [] : exchanges.slice(at + 1);
  const pages: RecordedBody[] = [body];
  for (const one of rest)
    if (!isElided(one) && one.request.path.startsWith(`${sent.path}&nextPageToken=`))
      pages.push(one.response.body ?? {});
  if (path === 'units') await played.playUnits(pages.flatMap(({ units }) => units ?? []));
  else if (path === 'state')
    await played.playStates(
      pages.flatMap(({ states }) => states ?? []),
      !sent.path.includes('unitName='),
    );
  else if (path.startsWith('units/')) await played.playUnits([body as RecordedUnit]);
  else if (path.startsWith('state/')) await played.playStates([body as RecordedState], false);
}

/** The length of a body is compared wherever the bodies are the same and fleet's was written down. */
function expectedOf(
  recorded: Exchange['response'],
  difference: Difference | undefined,
  { length }: Answer,
): Answer {
  const { status, headers, text } = recorded;
  const same = {
    status,
    type: headers['content-type'],
    location: headers.location,
    server: 'convoyd/v0.1.0',
  };
  if (difference === undefined) {
    const isMeasured = status === 204 || 'content-length' in headers;
    return { ...same, length: isMeasured ? headers['content-length'] : length, body: recorded.body ?? text };
  }
  const { body } = difference;
  const type = difference.type ?? (body && 'application/json');
  const ours = typeof body === 'function' ? body(recorded.body) : body;
  return { ...same, status: difference.status, type, length, body: ours };
}

/** What the recorder left out of the discovery document: its words are our own. */
function withoutDescriptions(path: string, body: unknown): unknown {
  const isText = (key: string, value: unknown) => key === 'description' && typeof value === 'string';
  if (!path.endsWith('/discovery')) return body;
  return JSON.parse(JSON.stringify(body), (key, value: unknown) => (isText(key, value) ? undefined : value));
}

/** What the recorder did itself: units made or destroyed by number; or made launched, as the next list shows them. */
async function setUp(url: string, { note, units, like }: Setup, { exchanges }: Step): Promise<void> {
  const [, first, last] = /-(\d+)\.service to .*-(\d+)\.service$/.exec(units ?? '') ?? [];
  const numbers = Array.from(
    { length: Number(last) - Number(first) + 1 || 0 },
    (_, at) => at + Number(first),
  );
  const bodies =
    like === undefined ? launchedIn(note, exchanges) : numbers.map((number) => likeUnit(like, number));
  for (const body of bodies)
    expect(await send(url, unitRequest('PUT', body.name, body))).toMatchObject({ status: 201 });
  for (const number of note.startsWith('DELETE') ? numbers : [])
    expect(await send(url, unitRequest('DELETE', tiny(number)))).toMatchObject({ status: 204 });
}

function likeUnit({ desiredState, options }: RecordedUnit, number: number): RecordedUnit {
  const numbered = options.map((option) => ({
    ...option,
    value: option.value.replace('9001', `${9000 + number}`),
  }));
  return { name: tiny(number), desiredState, options: numbered };
}

function launchedIn(note: string, exchanges: Step['exchanges']): readonly RecordedUnit[] {
  if (!note.startsWith('PUT')) return [];
  const list = exchanges.find((one): one is Exchange => !isElided(one))?.response.body?.units ?? [];
  return list.map(({ name, options }) => ({ name, options, desiredState: 'launched' }));
}

function tiny(number: number): string {
  return `tiny-${String(number).padStart(3, '0')}.service`;
}

function unitRequest(method: string, name: string, body?: unknown): Request {
  const headers = { 'content-type': 'application/json' };
  return { method, path: `/fleet/v1/units/${name}`, headers, ...(body === undefined ? {} : { body }) };
}

/** Sends a request as it stands: the path unclean, headers twice. */
function send(url: string, sent: Request): Promise<Answer> {
  const { method, path } = sent;
  const { hostname, port } = new URL(url);
  const type = sent.headers['content-type'];
  const headers = type === undefined ? {} : { 'content-type': type };
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, method, path, headers, agent: false }, (response) => {
      let received = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        received += chunk;
      });
      response.on('end', () => {
        const { 'content-type': type, 'content-length': length, location, server } = response.headers;
        const isJson = type === 'application/json' && received !== '';
        resolve({
          ...{ status: response.statusCode ?? 0, type, length, location, server },
          body: isJson ? withoutDescriptions(path, JSON.parse(received)) : received || undefined,
        });
      });
    });
    call.on('error', reject);
    call.end('body' in sent ? JSON.stringify(sent.body) : sent.text);
  });
}
