import { fork } from 'node:child_process';
import { once } from 'node:events';
import { METHODS } from 'node:http';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiContext } from '../../../api/context.js';
import { allRoutes } from '../../../api/routes.js';
import { parseMetrics } from '../../support/prometheus-text.js';
import { openWire, type RawAnswer, type Wire } from '../../support/raw-http.js';
import { seeded } from '../../support/seed.js';
import { getOver } from '../../support/unix-get.js';
import { bytesOf, type FuzzCase, type FuzzRoute, fuzzCases } from './fuzz-cases.js';

const CASES = 20_000;
const WARM_UP = 4_000;
/** So many requests that only look are under way at once, beside the one that may change something. */
const LOOKERS = 4;
const DEADLINE_MS = 10_000;
const LISTEN_MS = 5;
const MOST_GROWTH = 50 * 1024 * 1024;
const BODY_LIMIT = 4 * 1024 * 1024;

const server = fork(join(import.meta.dirname, 'fuzz-process.ts'), [], {
  execArgv: ['--expose-gc', '--import', 'tsx'],
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
});
let socket: string;
/** The registry is counted up by every change, whatever changes. */
let revision: number;
let refusedAsTooLarge = 0;

beforeAll(async () => {
  const died = once(server, 'exit').then(() => Promise.reject(new Error('the server has died')));
  const [told] = (await Promise.race([once(server, 'message'), died])) as [{ socket: string }];
  died.catch(() => undefined);
  socket = told.socket;
  revision = await ask('revision');
});
afterAll(async () => {
  const gone = once(server, 'exit');
  server.kill();
  await gone;
});

async function ask(what: 'revision' | 'memory'): Promise<number> {
  const answer = once(server, 'message');
  server.send(what);
  return ((await answer) as [Record<string, number>])[0][what] ?? Number.NaN;
}

const looks = ({ method }: FuzzCase): boolean => /^(GET|HEAD|OPTIONS|get|)$/.test(method);

/**
 * What Node itself does not take for a request is cut off, with or without an answer; so is who sends much, is refused
 * before all of it was sent, and wants the connection closed, or a tunnel.
 */
function mayBeCutOff({ method, target, headers, body }: FuzzCase): boolean {
  const size = headers.reduce((sum, [name, text]) => sum + name.length + text.length, target.length);
  const closes =
    method === 'CONNECT' || headers.some(([name, text]) => name === 'Connection' && text === 'close');
  if (closes && (Buffer.isBuffer(body) ? body.length : body.size) > 64_000) return true;
  return !METHODS.includes(method) || !/^(\/|http:)[!-~]*$/.test(target) || size > 16_000;
}

function fail(found: FuzzCase, what: string): never {
  const { body, ...rest } = found;
  const shown = Buffer.isBuffer(body) ? body.toString('latin1').slice(0, 2_000) : body;
  throw new Error(`${what}: ${JSON.stringify({ ...rest, body: shown }).slice(0, 5_000)}`);
}

async function send(wire: Wire, found: FuzzCase): Promise<RawAnswer | null> {
  if (found.leaves) {
    await wire.leave(bytesOf(found, true));
    return null;
  }
  const isHead = found.method === 'HEAD';
  const bytes = bytesOf(found, false);
  const asking = { bytes, isHead, deadlineMs: DEADLINE_MS, listenMs: LISTEN_MS };
  const ask = () => wire.ask(asking).catch((error: unknown) => fail(found, String(error)));
  // As clients do: a connection that was kept may have been ended just now.
  const answer = (await ask()) ?? (await ask());
  if (answer === null && !mayBeCutOff(found)) fail(found, 'no answer');
  if (answer !== null) judge(found, answer);
  return answer;
}

function judge(found: FuzzCase, { status, headers, body, cut }: RawAnswer): void {
  if (status >= 500 || status < 200) fail(found, `status ${status} ${body.toString('utf8').slice(0, 500)}`);
  const size = Buffer.isBuffer(found.body) ? found.body.length : found.body.size;
  if (status === 413) refusedAsTooLarge += 1;
  if (status === 413 && size <= BODY_LIMIT) fail(found, 'refused as too large');
  // The body of a DELETE nobody reads.
  if (size > BODY_LIMIT && status < 300 && !looks(found) && found.method !== 'DELETE')
    fail(found, `taken, though too large: ${status}`);
  if (cut || body.length === 0 || headers.get('content-type') !== 'application/json') return;
  const json = JSON.parse(body.toString('utf8')) as { error?: { code: unknown; message: unknown } };
  // What no route has seen (a request that is not HTTP) is answered without words.
  if (status >= 400 && headers.has('server') && typeof json.error?.message !== 'string')
    fail(found, `no error: ${body.toString('utf8').slice(0, 200)}`);
}

/** One after another; after each that was not carried out, all has to be as it was before. */
async function change(cases: readonly FuzzCase[]): Promise<void> {
  const wire = openWire(socket);
  for (const found of cases) {
    const answer = await send(wire, found);
    const now = await ask('revision');
    if (now !== revision && (answer === null || answer.status >= 300))
      fail(found, `answered ${answer?.status}, and yet something has changed`);
    revision = now;
  }
  wire.close();
}

async function look(cases: readonly FuzzCase[]): Promise<void> {
  const left = [...cases];
  const lanes = Array.from({ length: LOOKERS }, async () => {
    const wire = openWire(socket);
    for (let found = left.pop(); found !== undefined; found = left.pop()) await send(wire, found);
    wire.close();
  });
  await Promise.all(lanes);
}

const run = (cases: readonly FuzzCase[]): Promise<unknown> =>
  Promise.all([change(cases.filter((one) => !looks(one))), look(cases.filter(looks))]);

test(`${CASES} requests of any kind: no 5xx, none unanswered, no change by what was refused, no memory kept`, async () => {
  const { seed, numRuns } = seeded(CASES);
  const routes = allRoutes({} as ApiContext).map(({ path, methods }) => ({
    path,
    methods: Object.keys(methods),
  }));
  const cases = fc.sample(fuzzCases(routes), { seed, numRuns });
  await run(cases.slice(0, WARM_UP));
  const warm = await ask('memory');
  await run(cases.slice(WARM_UP));
  const end = await ask('memory');
  console.log(
    `memory of the server: ${mebibytes(warm)} MiB after ${WARM_UP} requests, ${mebibytes(end)} MiB in the end`,
  );
  expect(end - warm).toBeLessThan(MOST_GROWTH);
  expect(await untouched(routes)).toEqual([]);
  expect(refusedAsTooLarge).toBeGreaterThan(0);
  expect(server.exitCode).toBeNull();
});

/** Methods of routes that nobody got through to: what lies behind them was not tried. */
async function untouched(routes: readonly FuzzRoute[]): Promise<string[]> {
  const { samples } = parseMetrics(await getOver(socket, '/metrics')).get(
    'convoy_api_request_duration_seconds',
  )!;
  const isDone = (method: string, path: string): boolean =>
    ['200', '201', '204'].some((status) =>
      samples.has(
        `convoy_api_request_duration_seconds_count{method="${method}",route="${path}",status="${status}"}`,
      ),
    );
  return (
    routes
      .flatMap(({ path, methods }) =>
        methods.filter((method) => !isDone(method, path)).map((m) => `${m} ${path}`),
      )
      // Of a machine that is gone only, and the one that is gone here may have been forgotten before.
      .filter((missed) => missed !== 'POST /v1/machines/:id/evict')
  );
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
