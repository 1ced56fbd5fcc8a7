import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { storeEnvironment } from '../../../stores/environment.js';
import { type SessionOptions, swiftSession } from '../../../stores/swift/auth.js';
import type { SwiftSession } from '../../../stores/swift/session.js';
import { makeAuthority } from '../../support/certificates.js';
import { manualClock } from '../../support/clock.js';

/** What a login server may do that no real one does when asked to; each test brings its own. */
let answer: RequestListener = (_, response) => void response.end();
let asked = 0;
const server = createServer((request, response) => {
  asked++;
  answer(request, response);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const SECRET = 'unheard-of-secret';
const V1 = { ST_AUTH: `${url}/auth/v1.0`, ST_USER: 'u', ST_KEY: SECRET };
const V3 = { OS_AUTH_URL: url, OS_USERNAME: 'u', OS_PASSWORD: SECRET, OS_PROJECT_NAME: 'p' };
const RAX = { RAX_AUTH_URL: `${url}/v2.0`, RAX_USERNAME: 'u', RAX_API_KEY: SECRET };
const ALL: readonly [string, Readonly<Record<string, string>>][] = [
  ['v1', V1],
  ['Rackspace', RAX],
  ['v3', V3],
];

const opened: SwiftSession[] = [];
async function session(env: Readonly<Record<string, string>>, options?: SessionOptions) {
  const one = await swiftSession(storeEnvironment(env), options);
  opened.push(one);
  return one;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  asked = 0;
});

async function failure(env: Readonly<Record<string, string>>, options?: SessionOptions) {
  const error: unknown = await (await session(env, options)).login().catch((reason: unknown) => reason);
  expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain(SECRET);
  return error as Error;
}

/** A v1 login whose token counts the logins. */
const good: RequestListener = (_, response) =>
  void response.writeHead(200, { 'x-auth-token': `t${asked}`, 'x-storage-url': `${url}/v1/A` }).end();

describe.each(ALL)('%s: a login server that', (_, env) => {
  test('never answers', async () => {
    answer = () => undefined;
    expect(await failure(env, { timeoutMs: 200 })).toMatchObject({
      ...{ kind: 'transient', code: 'timeout' },
      message: expect.stringMatching(/: no whole answer within 200 ms$/),
    });
  });

  test('answers with a page of HTML', async () => {
    answer = (_, response) => void response.end(`<html>${SECRET}</html>`);
    expect(await failure(env)).toMatchObject({
      ...{ kind: 'permanent', code: 'wrong-credentials' },
      message: expect.stringMatching(/check (ST_AUTH|RAX_AUTH_URL|OS_AUTH_URL)$/),
    });
  });

  test('answers 300 Multiple Choices', async () => {
    answer = (_, response) => void response.writeHead(300, { location: '/v3/' }).end('{}');
    expect(await failure(env)).toMatchObject({
      ...{ kind: 'permanent', code: 'wrong-credentials', status: 300 },
      message: expect.stringMatching(/the login is elsewhere: check (ST_AUTH|RAX_AUTH_URL|OS_AUTH_URL)$/),
    });
  });

  test('repeats what it was sent', async () => {
    answer = (request, response) => {
      response.writeHead(400, { 'content-type': 'text/plain' });
      response.write(JSON.stringify(request.headers));
      request.pipe(response);
    };
    expect(await failure(env)).toMatchObject({ kind: 'permanent', status: 400 });
  });

  test('has too much to do', async () => {
    answer = (_, response) => void response.writeHead(503, { 'retry-after': '7' }).end();
    expect(await failure(env)).toMatchObject({ kind: 'transient', code: 'throttled', retryAfterMs: 7000 });
  });

  test('is not there', async () => {
    const away = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replace(/:\d+/, ':1')]),
    );
    expect(await failure(away)).toMatchObject({ kind: 'transient', code: 'unreachable' });
  });
});

describe('a session', () => {
  test('makes one login for many at once', async () => {
    answer = good;
    const one = await session(V1);
    const logins = await Promise.all(Array.from({ length: 100 }, () => one.login()));
    expect(new Set(logins).size).toBe(1);
    const renewed = await Promise.all(Array.from({ length: 100 }, () => one.renew(logins[0]!)));
    // A request that was under way with the old token meets its 401 late.
    expect(await one.renew(logins[0]!)).toBe(renewed[0]);
    expect(asked).toBe(2);
  });

  test('asks again after a failure that may pass', async () => {
    answer = (_, response) => void response.writeHead(500).end();
    const one = await session(V1);
    await expect(one.login()).rejects.toMatchObject({ kind: 'transient' });
    answer = good;
    expect((await one.login()).token).toBe('t2');
  });

  test('repeats a refused login only after half a minute', async () => {
    answer = (_, response) => void response.writeHead(401).end();
    const clock = manualClock();
    const one = await session(V1, { clock });
    for (let i = 0; i < 5; i++)
      await expect(one.login()).rejects.toMatchObject({ code: 'wrong-credentials', status: 401 });
    expect(asked).toBe(1);
    answer = good;
    await clock.advance(29_999);
    await expect(one.login()).rejects.toMatchObject({ code: 'wrong-credentials' });
    await clock.advance(1);
    expect((await one.login()).token).toBe('t2');
  });

  test('who gives up leaves the login to the others', async () => {
    let finish = (): void => undefined;
    answer = (request, response) => {
      finish = () => good(request, response);
    };
    const one = await session(V1);
    const controller = new AbortController();
    const impatient = one.login(controller.signal);
    const patient = one.login(new AbortController().signal);
    controller.abort();
    await expect(impatient).rejects.toMatchObject({ kind: 'aborted' });
    await expect(one.login(controller.signal)).rejects.toMatchObject({ kind: 'aborted' });
    await expect.poll(() => asked).toBe(1);
    finish();
    expect((await patient).token).toBe('t1');
  });
});

describe('OS_CACERT', () => {
  const folder = mkdtempSync(join(tmpdir(), 'convoy-test-cacert-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is trusted for the login, and handed on for the storage', async () => {
    const authority = makeAuthority(folder);
    const { cert, key } = authority.issue('server', 'IP:127.0.0.1');
    const tls = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, good);
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    const env = { ...V1, ST_AUTH: `https://127.0.0.1:${(tls.address() as AddressInfo).port}/` };
    expect(await failure(env)).toMatchObject({ kind: 'transient', code: 'unreachable' });
    const one = await session({ ...env, OS_CACERT: authority.cert });
    expect((await one.login()).storageUrl).toBe(`${url}/v1/A`);
    expect(one.ca).toBe(readFileSync(authority.cert, 'utf8'));
    await one.close();
    await new Promise((resolve) => tls.close(resolve));
  });

  test.each([
    ['a file that is not there', 'nowhere.pem', 'the file of OS_CACERT cannot be read'],
    [
      'a file of something else',
      'other.pem',
      /^OS_CACERT is .*other.pem, which holds no certificate in PEM$/,
    ],
  ])('%s is refused by name', async (_, name, message) => {
    writeFileSync(join(folder, 'other.pem'), 'something else');
    const refused = swiftSession(storeEnvironment({ ...V1, OS_CACERT: join(folder, name) }));
    await expect(refused).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(message) });
  });
});
