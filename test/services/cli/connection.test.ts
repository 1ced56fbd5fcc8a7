import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Access } from '../../../api/access.js';
import { readAccess } from '../../../api/access-files.js';
import { openConnection } from '../../../cli/connection.js';
import { readEndpoint } from '../../../cli/endpoint.js';
import { type Authority, type Certificate, makeAuthority } from '../../support/certificates.js';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { startFakeFleet } from '../../support/fake-fleet.js';
import { useGround } from '../../support/services.js';

/** Certificates, tokens and time-outs of convoyctl, at servers that answer every list with nothing. */

const { dir } = useGround('connection');
const servers: Server[] = [];
let authority: Authority;
let stranger: Authority;
let client: Certificate;
/** Headers of the last request. */
let seen: IncomingMessage['headers'] = {};
let trusted: string;
let mutual: string;
let elsewhere: string;
let plain: string;

function answer({ headers }: IncomingMessage, response: ServerResponse): void {
  seen = headers;
  response.setHeader('content-type', 'application/json');
  response.end('{"machines":[]}');
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function secure(certificate: Certificate, options: ServerOptions = {}): Promise<string> {
  const [cert, key] = [readFileSync(certificate.cert), readFileSync(certificate.key)];
  return `https://127.0.0.1:${await listening(createHttps({ cert, key, ...options }, answer))}`;
}

beforeAll(async () => {
  authority = makeAuthority(join(dir, 'ours'));
  stranger = makeAuthority(join(dir, 'theirs'));
  client = authority.issue('client', 'DNS:operator');
  const server = authority.issue('server', 'IP:127.0.0.1');
  trusted = await secure(server);
  mutual = await secure(server, {
    requestCert: true,
    rejectUnauthorized: true,
    ca: readFileSync(authority.cert),
  });
  elsewhere = await secure(authority.issue('elsewhere', 'DNS:convoy.example.com'));
  plain = `http://127.0.0.1:${await listening(createHttp(answer))}`;
});
afterAll(() => {
  for (const server of servers) server.close();
});

const LIST = ['list-machines', '--no-legend'];
const run = (args: readonly string[], env = {}): Promise<CliResult> =>
  convoyctl([...args, ...LIST], { cwd: dir, env });
const refusal = (reason: RegExp) => ({ exit: 1, stdout: '', stderr: expect.stringMatching(reason) });
const FINE = { exit: 0, stdout: '', stderr: '' };

test('a certificate of the given authority is trusted', async () => {
  expect(await run(['--endpoint', trusted, '--ca-file', authority.cert])).toEqual(FINE);
  expect(await run([], { FLEETCTL_ENDPOINT: trusted, FLEETCTL_CA_FILE: authority.cert })).toEqual(FINE);
  expect(await run(['--endpoint', trusted, '--etcd-cafile', authority.cert])).toEqual(FINE);
});

test.each([
  [
    'of an authority that is not given',
    () => ['--endpoint', trusted],
    /is refused \(.*\): give the certificate of the authority that signed it with --ca-file/,
  ],
  [
    'of another authority',
    () => ['--endpoint', trusted, '--ca-file', stranger.cert],
    /is refused \(.*\): give the certificate of the authority/,
  ],
  [
    'for another name',
    () => ['--endpoint', elsewhere, '--ca-file', authority.cert],
    /is refused \(.*IP: 127\.0\.0\.1 is not in the cert's list.*\): use a name that it is for/,
  ],
])('one %s is refused, in a sentence, and nothing is asked', async (_, args, reason) => {
  seen = {};
  const result = await run(args());
  expect(result).toMatchObject(refusal(reason));
  expect(result.stderr).toContain(`the certificate of ${args()[1]}`);
  expect(seen).toEqual({});
});

test('who has to show a certificate shows it, or is told so', async () => {
  const ours = ['--endpoint', mutual, '--ca-file', authority.cert];
  expect(await run([...ours, '--cert-file', client.cert, '--key-file', client.key])).toEqual(FINE);
  expect(await run([...ours, '--etcd-certfile', client.cert, '--etcd-keyfile', client.key])).toEqual(FINE);
  expect(await run(ours)).toMatchObject(
    refusal(
      /refuses this client's certificate \(certificate required\): give one that it trusts with --cert-file and --key-file/,
    ),
  );
  const theirs = ['--cert-file', stranger.cert, '--key-file', stranger.key];
  expect(await run([...ours, ...theirs])).toMatchObject(
    refusal(/refuses this client's certificate|does not trust this client/),
  );
});

test.each([
  [
    'one without the other',
    () => ['--cert-file', client.cert],
    /^convoyctl: --cert-file and --key-file: one is nothing without the other\n$/,
    2,
  ],
  [
    'a file that is not there',
    () => ['--ca-file', '/nosuch'],
    /^convoyctl: --ca-file: ENOENT: no such file.*\/nosuch'\n$/,
    2,
  ],
  [
    'a key that does not fit',
    () => ['--cert-file', client.cert, '--key-file', stranger.key],
    /^convoyctl: --ca-file, --cert-file and --key-file: .*key values mismatch\n$/,
    1,
  ],
])('%s is told before anything is sent', async (_, args, message, exit) => {
  const result = await run(['--endpoint', trusted, ...args()]);
  expect(result).toMatchObject({ exit, stdout: '', stderr: expect.stringMatching(message) });
});

test('a token goes with every request, from a file or the environment', async () => {
  const file = join(dir, 'token');
  writeFileSync(file, 'secret-of-file\n');
  expect(await run(['--endpoint', plain, '--token-file', file], { CONVOY_TOKEN: 'other' })).toEqual(FINE);
  expect(seen.authorization).toBe('Bearer secret-of-file');
  expect(await run(['--endpoint', plain, '--debug'], { CONVOY_TOKEN: 'secret-of-env' })).toEqual({
    ...{ exit: 0, stdout: '' },
    stderr: expect.stringMatching(
      /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d DEBUG convoyctl: GET \/\S+ -> 200 \(\d+ ms\)\n$/,
    ),
  });
  expect(seen.authorization).toBe('Bearer secret-of-env');
  writeFileSync(file, 'two words\n');
  expect(await run(['--endpoint', plain, '--token-file', file])).toMatchObject({
    ...{ exit: 2, stderr: `convoyctl: --token-file ${file}: expected one word, the token\n` },
  });
});

test('a token is not sent where others can read it', async () => {
  expect(await run(['--endpoint', 'http://10.255.255.1:1'], { CONVOY_TOKEN: 'secret' })).toEqual({
    ...{ exit: 1, stdout: '' },
    stderr: 'convoyctl: http://10.255.255.1:1 would carry the token in clear: use https://\n',
  });
});

test('http:// and https:// taken for each other', async () => {
  expect(await run(['--endpoint', plain.replace('http', 'https')])).toMatchObject(
    refusal(/does not speak TLS: use http:\/\/ if it should not/),
  );
  expect(await run(['--endpoint', trusted.replace('https', 'http')])).toMatchObject(refusal(/127\.0\.0\.1/));
});

test('--request-timeout: how long an answer may take', async () => {
  const silent = `http://127.0.0.1:${await listening(createHttp(() => undefined))}`;
  const late = /no convoyd answers at \S+ \(no answer within 0\.1 s\)/;
  expect(await run(['--endpoint', silent, '--request-timeout', '0.1'])).toMatchObject(refusal(late));
  expect(await run(['--endpoint', silent], { FLEETCTL_REQUEST_TIMEOUT: '100ms' })).toMatchObject(
    refusal(late),
  );
});

test('nobody there', async () => {
  expect(await run(['--endpoint', 'http://127.0.0.1:1'])).toMatchObject(
    refusal(
      /no convoyd answers at http:\/\/127\.0\.0\.1:1 \(connect ECONNREFUSED 127\.0\.0\.1:1\): is it running\?/,
    ),
  );
  expect(await run(['--endpoint', 'unix:///nosuch.sock'])).toMatchObject(
    refusal(/no convoyd answers at unix:\/\/\/nosuch\.sock \(connect ENOENT \/nosuch\.sock\)/),
  );
});

test('a question whose connection is let go, as by a convoyd that is restarted, is asked once more; a change is not', async () => {
  let connections = 0;
  const server = createHttp(answer).on('connection', (socket) => {
    connections += 1;
    if (connections === 1) socket.destroy();
  });
  const { send, close } = openConnection(readEndpoint(`http://127.0.0.1:${await listening(server)}`), {});
  try {
    expect(await (await send('GET', '/v1/machines')).body.json()).toEqual({ machines: [] });
    expect(connections).toBe(2);
    close();
    connections = 0;
    await expect(send('PUT', '/v1/units/web.service', { body: {} })).rejects.toMatchObject({
      ...{ kind: 'transient', code: 'unreachable' },
    });
    expect(connections).toBe(1);
  } finally {
    close();
  }
});

test('convoyd itself, beyond TLS and tokens: who is nobody, and who may only read, is told so', async () => {
  const fleet = await startFakeFleet([{ id: 'a'.repeat(32), ip: '10.0.0.1', metadata: {} }]);
  try {
    const { cert, key } = authority.issue('convoyd', 'IP:127.0.0.1');
    const { tls } = readAccess({ tlsCert: cert, tlsKey: key, tlsCa: authority.cert });
    const secret = 'r'.repeat(32);
    const access: Access = { tokens: [{ name: 'reader', role: 'read', secret }], tls };
    const api = await fleet.serve({ access, sockets: [], tcp: [{ host: '127.0.0.1', port: 0, role: null }] });
    const reach = ['--endpoint', api.addresses[0] ?? '', '--ca-file', authority.cert];
    const env = { CONVOY_TOKEN: secret };
    expect(await run(reach, env)).toEqual({ ...FINE, stdout: 'aaaaaaaa...\t10.0.0.1\t-\n' });
    expect(await run(reach)).toMatchObject(refusal(/token/));
    writeFileSync(join(dir, 'a.service'), '[Service]\nExecStart=/bin/sleep 1\n');
    const submitted = await convoyctl([...reach, 'submit', 'a.service'], { cwd: dir, env });
    expect(submitted).toMatchObject(refusal(/reader.*read|read.*operate/));
    expect((await fleet.registry.readAll()).units.size).toBe(0);
    const options = [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }];
    await fleet.registry.submitUnit('b.service', { options }, 'launched');
    const stopped = await convoyctl([...reach, 'stop', 'b.service'], { cwd: dir, env });
    expect(stopped).toMatchObject(refusal(/reader.*read|read.*operate/));
  } finally {
    await fleet.stop();
  }
});
