import { createHash } from 'node:crypto';
import dns from 'node:dns';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { silentLog } from '../../../runtime/log.js';
import { storeEnvironment } from '../../../stores/environment.js';
import { openDestination, openSource } from '../../../stores/open.js';
import { openS3 } from '../../../stores/s3/open.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { useGround } from '../../support/services.js';
import { type SwiftServer, startSwift } from '../../support/stores/swift.js';

const ground = useGround('s3');
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
const text = (word: string): Uint8Array => Buffer.from(word);
const props = (bytes: Uint8Array) => ({ ...NO_PROPERTIES, md5: md5(bytes) });

let swift: SwiftServer;
let variables: Record<string, string>;
const opened: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  swift = await startSwift(ground);
  variables = {
    AWS_ACCESS_KEY_ID: swift.s3.accessKey,
    AWS_SECRET_ACCESS_KEY: swift.s3.secretKey,
    AWS_ENDPOINT_URL_S3: swift.s3.endpoint,
  };
  await (await at('tiles')).createContainer();
});
afterAll(async () => {
  vi.restoreAllMocks();
  for (const one of opened) await one.close();
});

async function at(container: string, env: Readonly<Record<string, string>> = variables, prefix = '') {
  const store = await openS3({ kind: 's3', container, prefix }, storeEnvironment(env));
  opened.push(store);
  return store;
}

test('a destination and a source by their location, with keys from a profile in a file', async () => {
  const [credentials, config] = [join(ground.dir, 'credentials'), join(ground.dir, 'config')];
  const { accessKey, secretKey, endpoint } = swift.s3;
  writeFileSync(
    credentials,
    `[move]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`,
  );
  writeFileSync(config, `[profile move]\nregion = us-east-1\nendpoint_url = ${endpoint}\n`);
  const env = {
    ...{ AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: config, AWS_PROFILE: 'move' },
  };
  const destination = await openDestination('s3://tiles/a%20b', { log: silentLog, env });
  const source = await openSource('s3://tiles', { log: silentLog, env });
  opened.push(destination, source);
  await destination.check();
  await destination.write('k', text('by profile'), props(text('by profile')));
  expect(Buffer.from((await source.read('a b/k', 100)).bytes).toString()).toBe('by profile');
  expect([destination.name, source.name]).toEqual(['s3://tiles/a%20b', 's3://tiles']);

  writeFileSync(credentials, `[move]\naws_access_key_id = ${accessKey}\naws_secret_access_key = hush-4711\n`);
  const wrong = await openSource('s3://tiles', { log: silentLog, env });
  opened.push(wrong);
  const refused = await wrong.check().catch((error: Error) => error);
  expect(refused).toMatchObject({ code: 'wrong-credentials' });
  expect((refused as Error).message).toContain(
    `aws_secret_access_key of the profile "move" in ${credentials}`,
  );
  expect((refused as Error).message).not.toContain('hush');
});

test('an access key nobody has is named', async () => {
  const store = await at('tiles', { ...variables, AWS_ACCESS_KEY_ID: 'test:nobody' });
  await expect(store.check()).rejects.toMatchObject({
    ...{ code: 'wrong-credentials', message: expect.stringContaining('AWS_ACCESS_KEY_ID') },
  });
});

test('who is let in but not into the bucket is forbidden', async () => {
  const { user, key } = swift.stranger;
  const store = await at('tiles', {
    ...{ ...variables, AWS_ACCESS_KEY_ID: user, AWS_SECRET_ACCESS_KEY: key },
  });
  for (const ask of [() => store.check(), () => store.head('k'), () => store.read('k', 10)])
    await expect(ask()).rejects.toMatchObject({ kind: 'permanent', code: 'forbidden' });
});

test('a wrong region is named with the right one', async () => {
  const store = await at('tiles', { ...variables, AWS_REGION: 'eu-wrong-1' });
  await expect(store.check()).rejects.toMatchObject({
    message: expect.stringContaining('is in the region us-east-1, not in eu-wrong-1: set AWS_REGION'),
  });
});

test('virtual-host style: the bucket is part of the host', async () => {
  const lookup = dns.lookup;
  const asked: string[] = [];
  vi.spyOn(dns, 'lookup').mockImplementation(((name: string, ...rest: [never, never]) => {
    asked.push(name);
    lookup(name.endsWith('.s3.localhost') ? '127.0.0.1' : name, ...rest);
  }) as typeof dns.lookup);
  const endpoint = `http://s3.localhost:${swift.port}`;
  const virtual = await at('tiles', {
    ...{ ...variables, AWS_ENDPOINT_URL_S3: endpoint, AWS_S3_ADDRESSING_STYLE: 'virtual' },
  });
  const key = "virtual/a b+100%?#'(é)*!.jpg";
  await virtual.write(key, text('hosted'), props(text('hosted')));
  expect(asked).toContain('tiles.s3.localhost');
  expect((await (await at('tiles')).read(key, 10)).md5).toBe(md5(text('hosted')));
  expect((await virtual.listPage('virtual/', null)).objects.map((one) => one.key)).toEqual([key]);
  await virtual.copyFrom(await virtual.copyAddress(key), 'virtual/copy', {
    ...{ ...props(text('hosted')), size: 6 },
  });
  const parts = await virtual.beginParts('virtual/parts', 6, NO_PROPERTIES);
  await parts.writePart(0, text('hosted'), md5(text('hosted')));
  await parts.complete(md5(text('hosted')));
  expect((await virtual.head('virtual/parts'))?.size).toBe(6);
  await virtual.remove(key);
  expect(await virtual.head(key)).toBeNull();
});

test('copies from another bucket, and refuses a source that has changed since', async () => {
  const [source, destination] = [await at('tiles'), await at('copies', variables, 'to')];
  await destination.createContainer();
  await source.write('a b/ü.jpg', text('first'), { ...props(text('first')), metadata: { old: 'x' } });
  const start = await source.readStart('a b/ü.jpg', 2);
  expect(start).toMatchObject({ size: 5, md5: md5(text('first')), metadata: { old: 'x' } });
  const address = await source.copyAddress('a b/ü.jpg');
  const expected = { ...props(text('first')), metadata: { new: 'y' }, size: 5 };
  await destination.copyFrom(address, 'k', expected);
  const copy = await (await at('copies')).read('to/k', 10);
  expect([Buffer.from(copy.bytes).toString(), copy.metadata]).toEqual(['first', { new: 'y' }]);

  await source.write('a b/ü.jpg', text('other'), props(text('other')));
  await expect(destination.copyFrom(address, 'k', expected)).rejects.toMatchObject({
    code: 'checksum-mismatch',
  });
  expect((await destination.read('k', 10)).md5).toBe(md5(text('first')));
});

test('parts that were given up leave nothing behind them', async () => {
  const store = await at('tiles');
  const part = Buffer.alloc(5 * 1024 ** 2, 'x');
  const upload = await store.beginParts('left/over', 2 * part.length, NO_PROPERTIES);
  await upload.writePart(0, part, md5(part));
  expect(await segments('left/')).not.toBe('');
  await upload.abandon();
  expect(await segments('left/')).toBe('');
  expect(await store.head('left/over')).toBeNull();
});

/** The names Swift itself holds of parts. */
async function segments(prefix: string): Promise<string> {
  const login = await fetch(swift.authUrl, {
    headers: { 'x-auth-user': swift.user, 'x-auth-key': swift.key },
  });
  const listing = await fetch(`${swift.storageUrl}/tiles%2Bsegments?prefix=${prefix}`, {
    headers: { 'x-auth-token': login.headers.get('x-auth-token') ?? '' },
  });
  expect(listing.ok).toBe(true);
  return listing.text();
}

test.each([
  ['AWS_SHARED_CREDENTIALS_FILE', 'gone'],
  ['AWS_CONFIG_FILE', 'folder'],
  ['AWS_CA_BUNDLE', 'gone.pem'],
])('a file that %s names and that cannot be read is named', async (variable, file) => {
  const path = join(ground.dir, 'files', file);
  mkdirSync(join(ground.dir, 'files', 'folder'), { recursive: true });
  await expect(at('tiles', { ...variables, [variable]: path })).rejects.toMatchObject({
    ...{ code: 'usage', message: expect.stringContaining(`${variable}: ${path} cannot be read`) },
  });
});
