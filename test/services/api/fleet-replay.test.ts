import { expect, test } from 'vitest';
import { startFakeFleet } from '../../support/fake-fleet.js';
import { DIFFERENCES } from './fleet-differences.js';
import { expectedOf, send, setUp } from './fleet-exchange.js';
import {
  type Elided,
  type Exchange,
  isElided,
  RECORDINGS,
  type RecordedBody,
  type RecordedState,
  type RecordedUnit,
  readRecording,
  type Step,
} from './fleet-recording.js';
import { PlayedFleet } from './played-fleet.js';

/**
 * Every conversation recorded with fleet 1.0, held again with our API: each request in order, and of each answer
 * status, headers and body as recorded, but for the differences that are listed.
 */

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
