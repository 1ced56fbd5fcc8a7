import { type IncomingHttpHeaders, request } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnswerHead, readAnswerHead } from '../../../stores/wire/answer-head.js';
import { RequestHeads } from '../../../stores/wire/request-head.js';
import { seeded } from '../../support/seed.js';

interface Twin {
  readonly status: number;
  readonly headers: Record<string, string[]>;
  /** As many bytes as it took for the body. */
  readonly body: number;
  /** The body came to its end. */
  readonly whole: boolean;
}

/** What Node's own parser makes of these bytes, after which nothing comes; null: no answer. */
function twin(method: string, bytes: Buffer): Promise<Twin | null> {
  const wire = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      this.push(bytes);
      this.push(null);
      done();
    },
  });
  return new Promise((resolve) => {
    const asked = request({ method, createConnection: () => wire as never }, (answer) => {
      let body = 0;
      const headers: Record<string, string[]> = {};
      for (let at = 0; at < answer.rawHeaders.length; at += 2) {
        const name = answer.rawHeaders[at]!.toLowerCase();
        headers[name] = [...(headers[name] ?? []), answer.rawHeaders[at + 1]!];
      }
      const told = () => resolve({ status: answer.statusCode!, headers, body, whole: answer.complete });
      answer.on('data', (chunk: Buffer) => {
        body += chunk.length;
      });
      answer.on('error', told).on('end', told);
    });
    asked.on('error', () => resolve(null)).on('upgrade', () => resolve(null));
    asked.end();
  });
}

const read = (text: string | Buffer, bodiless = false) => {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1');
  return readAnswerHead(bytes, 0, bytes.length, bodiless);
};

function listed(headers: IncomingHttpHeaders): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value ?? []].flat()]),
  ) as Record<string, string[]>;
}

/** What comes after the answer is nothing of it: its connection is closed. */
async function agrees(found: AnswerHead, method: string, all: Buffer): Promise<void> {
  const bytes = all.subarray(0, found.end + found.length);
  const other = await twin(method, bytes);
  expect(other).not.toBeNull();
  expect(found.status).toBe(other?.status);
  expect(listed(found.headers())).toEqual(other?.headers);
  const there = bytes.length - found.end;
  if (found.length <= there) expect([other?.whole, other?.body]).toEqual([true, found.length]);
  else expect([other?.whole, other?.body]).toEqual([false, there]);
}

const charsOf = (text: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...text), minLength, maxLength });
const ascii = Array.from({ length: 95 }, (_, at) => String.fromCharCode(at + 32)).join('');
const name = charsOf("!#$%&'*+-.^_`|~0189AZaz", 1, 12).map((text) => `X-${text}`);
const value = fc
  .tuple(
    fc.constantFrom('', ' ', '\t ', '  '),
    charsOf(`${ascii}\t\xe9\xff`, 0, 30),
    fc.constantFrom('', ' '),
  )
  .map((parts) => parts.join(''));
const answer = fc
  .record({
    method: fc.constantFrom('GET', 'HEAD', 'PUT'),
    status: fc.constantFrom(200, 201, 204, 206, 301, 304, 404, 412, 500, 599),
    reason: charsOf(ascii, 0, 20),
    headers: fc.array(fc.tuple(name, value), { maxLength: 8 }),
    connection: fc.constantFrom('', 'Connection: keep-alive\r\n', 'connection: close\r\n'),
    body: charsOf('HTP/1. \r\n0', 0, 40),
  })
  .map(({ method, status, reason, headers, connection, body }) => {
    const none = method === 'HEAD' || status === 204 || status === 304;
    const lines = headers.map(([key, text]) => `${key}:${text}\r\n`).join('');
    const head = `HTTP/1.1 ${status} ${reason}\r\n${lines}Content-Length: ${body.length}\r\n${connection}\r\n`;
    return { method, size: head.length, bytes: Buffer.from(none ? head : head + body, 'latin1') };
  });

describe('the head of an answer', () => {
  test('reads as by the parser of Node, and not before its last byte', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async ({ method, size, bytes }) => {
        const bodiless = method === 'HEAD';
        const found = read(bytes, bodiless);
        if (found === null || found === 'unusual') throw new Error(`${found}`);
        expect(found.end).toBe(size);
        for (let come = 0; come < size; come++) expect(readAnswerHead(bytes, 0, come, bodiless)).toBeNull();
        await agrees(found, method, bytes);
      }),
      seeded(),
    );
  });

  test('that is damaged is handed on, or read as by the parser of Node', async () => {
    const damage = fc.record({
      at: fc.nat(400),
      removed: fc.nat(3),
      put: fc.oneof(
        charsOf('\r\n\0 \t:;,0+-aZ\x7f\xff', 0, 3),
        fc.constantFrom('Transfer-Encoding: chunked\r\n', 'content-length: 3\r\n', '\r\n\r\n', ' ,', '\r\n '),
      ),
    });
    let reads = 0;
    await fc.assert(
      fc.asyncProperty(answer, fc.array(damage, { minLength: 1, maxLength: 3 }), async (made, damages) => {
        let text = made.bytes.toString('latin1');
        for (const { at, removed, put } of damages) {
          const from = at % made.size;
          text = text.slice(0, from) + put + text.slice(from + removed);
        }
        const bytes = Buffer.from(text, 'latin1');
        const found = read(bytes, made.method === 'HEAD');
        if (found === null || found === 'unusual') return;
        reads += 1;
        await agrees(found, made.method, bytes);
      }),
      seeded(500),
    );
    expect(reads).toBeGreaterThan(0);
  });

  const ok = 'HTTP/1.1 200 OK\r\n';
  test.each([
    ['another version', 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['a later version', 'HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['something else', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['1xx', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['a change of protocol', 'HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n'],
    ['chunks', `${ok}transfer-encoding: chunked\r\n\r\n`],
    ['chunks and a length', `${ok}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n`],
    ['another coding', `${ok}Transfer-Encoding: identity\r\ncontent-length: 5\r\n\r\n`],
    ['no length', `${ok}server: x\r\n\r\n`],
    ['a tab beside the length', `${ok}content-length: 5\t\r\n\r\n`],
    ['two lengths', `${ok}content-length: 5\r\ncontent-length: 5\r\n\r\n`],
    ['two lengths in one', `${ok}content-length: 5, 5\r\n\r\n`],
    ['a signed length', `${ok}content-length: +5\r\n\r\n`],
    ['a length in sixteens', `${ok}content-length: 0x5\r\n\r\n`],
    ['an empty length', `${ok}content-length:\r\n\r\n`],
    ['a length beyond counting', `${ok}content-length: 9999999999999999\r\n\r\n`],
    ['a folded line', `${ok}x: a\r\n b\r\ncontent-length: 5\r\n\r\n`],
    ['a blank before the colon', `${ok}content-length : 5\r\n\r\n`],
    ['a line without a colon', `${ok}content-length\r\n\r\n`],
    ['a line without a name', `${ok}: 5\r\n\r\n`],
    ['lines that end with LF', 'HTTP/1.1 200 OK\ncontent-length: 5\n\n'],
    ['a lone CR', `${ok}x: a\rb\r\ncontent-length: 5\r\n\r\n`],
    ['a zero byte', `${ok}x: a\0b\r\ncontent-length: 5\r\n\r\n`],
    ['a head over 16 KiB', `${ok}x: ${'x'.repeat(16_384)}`],
  ])('is handed on with %s', (_, text) => expect(read(text)).toBe('unusual'));

  test('may have the name of what every object has', () => {
    const found = read(`${ok}constructor: x\r\n__proto__: y\r\ncontent-length: 5\r\n__proto__: z\r\n\r\n`);
    if (found === null || found === 'unusual') throw new Error(`${found}`);
    expect(found.length).toBe(5);
    const headers = found.headers();
    expect(Object.entries(headers)).toEqual([
      ['constructor', 'x'],
      ['__proto__', ['y', 'z']],
      ['content-length', '5'],
    ]);
    expect(headers.toString).toBeUndefined();
  });

  test('ends an answer that can have no body, whatever it says of one', () => {
    const chunked = `HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n`;
    expect(read(chunked)).toMatchObject({ length: 0 });
    expect(read(`HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n`)).toMatchObject({ length: 0 });
    expect(read(`${ok}content-length: 7\r\n\r\n`, true)).toMatchObject({ length: 0 });
    expect(read(`${ok}\r\n`, true)).toMatchObject({ length: 0 });
    expect(read(`${ok}content-length: 7\r\ncontent-length: 8\r\n\r\n`, true)).toBe('unusual');
    expect(read(`${ok}content-length: 7\r\ntransfer-encoding: chunked\r\n\r\n`, true)).toBe('unusual');
  });

  test.each([
    ['', 4_000],
    ['keep-alive: timeout=5\r\n', 3_000],
    ['Keep-Alive: max=100, timeout=65\r\nConnection: Keep-Alive\r\n', 63_000],
    ['keep-alive: timeout=2\r\n', 0],
    ['keep-alive: timeout=999999\r\n', 600_000],
    ['connection: close\r\n', 0],
    ['Connection: Close\r\nkeep-alive: timeout=9\r\n', 0],
    ['connection: keep-alive, close\r\n', 0],
    ['connection: keep-alive\r\nconnection: close\r\n', 0],
  ])('says how long its connection is kept: %j', (lines, keepMs) => {
    expect(read(`${ok}content-length: 0\r\n${lines}\r\n`)).toMatchObject({ keepMs });
  });
});

describe('the head of a request', () => {
  const plain = { origin: 'http://h:1', method: 'PUT', path: '/a', headers: {}, body: null, streams: false };
  const headOf = (changed: object, size = 0) => new RequestHeads('h:1').of({ ...plain, ...changed }, size);

  test('has one host, and a length where there is a body or may be one', () => {
    const start = 'PUT /a HTTP/1.1\r\nhost: h:1\r\nconnection: keep-alive\r\n';
    expect(headOf({ headers: { 'Content-Type': 'x' } }, 5)).toBe(
      `${start}content-type: x\r\ncontent-length: 5\r\n\r\n`,
    );
    expect(headOf({})).toBe(`${start}content-length: 0\r\n\r\n`);
    expect(headOf({ headers: { 'content-length': '5' } }, 5)).toBe(`${start}content-length: 5\r\n\r\n`);
    expect(headOf({ method: 'GET', headers: { host: 'signed' } })).toBe(
      'GET /a HTTP/1.1\r\nhost: signed\r\nconnection: keep-alive\r\n\r\n',
    );
  });

  test('is made anew for other headers, another length, another path', () => {
    const heads = new RequestHeads('h:1');
    const [one, other] = [{ x: '1' }, { x: '2' }];
    const told = [
      heads.of({ ...plain, headers: one }, 5),
      heads.of({ ...plain, headers: one, path: '/b' }, 6),
      heads.of({ ...plain, headers: other }, 5),
    ];
    expect(told.map((head) => head?.match(/\/\w|x: .|length: ./g))).toEqual([
      ['/a', '/1', 'x: 1', 'length: 5'],
      ['/b', '/1', 'x: 1', 'length: 6'],
      ['/a', '/1', 'x: 2', 'length: 5'],
    ]);
    expect(heads.of({ ...plain, headers: { 'content-length': '5' } }, 5)).not.toBeNull();
  });

  test.each<[string, object]>([
    ['a line break in a value', { headers: { x: 'a\r\nhost: b' } }],
    ['a line break in a name', { headers: { 'x\r\ny': 'a' } }],
    ['a blank in a name', { headers: { 'x y': 'a' } }],
    ['a line break in the path', { path: '/a\r\nx: y' }],
    ['a blank in the path', { path: '/a b' }],
    ['what latin1 does not have', { headers: { x: '日' } }],
    ['a path beyond latin1', { path: '/日' }],
    ['no path', { path: 'a' }],
    ['another method', { method: 'POST' }],
    ['another length', { headers: { 'content-length': '6' } }],
    ['a coding', { headers: { 'Transfer-Encoding': 'chunked' } }],
    ['a word on the connection', { headers: { connection: 'close' } }],
    ['an expectation', { headers: { expect: '100-continue' } }],
  ])('is not written with %s', (_, changed) => expect(headOf(changed, 5)).toBeNull());
});
