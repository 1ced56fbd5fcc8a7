import { request } from 'node:http';
import { expect } from 'vitest';
import type { Difference } from './fleet-differences.js';
import {
  type Exchange,
  isElided,
  type RecordedUnit,
  type Request,
  type Setup,
  type Step,
} from './fleet-recording.js';

/** Recorded exchanges, held again. */

export interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly length: string | undefined;
  readonly location: string | undefined;
  readonly server: string | string[] | undefined;
  readonly body: unknown;
}

/** The length of a body is compared wherever the bodies are the same and fleet's was written down. */
export function expectedOf(
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
export async function setUp(url: string, { note, units, like }: Setup, { exchanges }: Step): Promise<void> {
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
export function send(url: string, sent: Request): Promise<Answer> {
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
