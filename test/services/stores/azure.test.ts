import { createHash } from 'node:crypto';
import { BlobServiceClient, ContainerSASPermissions } from '@azure/storage-blob';
import { beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { azureStore } from '../../../stores/azure/store.js';
import { openDestination, openSource } from '../../../stores/open.js';
import { can, NO_PROPERTIES, type Store } from '../../../stores/store.js';
import { useGround } from '../../support/services.js';
import { type Azurite, accountSas, startAzurite } from '../../support/stores/azurite.js';

const ground = useGround('azure');
let azurite: Azurite;
let client: BlobServiceClient;
beforeAll(async () => {
  azurite = await startAzurite(ground);
  client = BlobServiceClient.fromConnectionString(azurite.connectionString);
});

const LIMIT = 1_000_000;
const text = (word: string): Uint8Array => new TextEncoder().encode(word);
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
const properties = (bytes: Uint8Array) => ({ ...NO_PROPERTIES, md5: md5(bytes) });
const location = (path: string): string => `azure://${azurite.account}/${path}`;
const byKey = (): NodeJS.ProcessEnv => ({ AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString });
const bySas = (sas: string): NodeJS.ProcessEnv => ({
  AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=${azurite.url};SharedAccessSignature=${sas}`,
});

const destination = (path: string, env = byKey()) => openDestination(location(path), { log: silentLog, env });
const source = (path: string, env = byKey()) => openSource(location(path), { log: silentLog, env });
async function madeContainer(name: string): Promise<void> {
  await client.getContainerClient(name).create();
}

test('carries content type, all held headers and metadata, and Microsoft’s own client sees them', async () => {
  await madeContainer('properties');
  const store = await destination('properties/below');
  const bytes = text('{}');
  const carried = {
    contentType: 'application/json; charset=utf-8',
    headers: {
      'cache-control': 'max-age=3600',
      'content-disposition': 'attachment; filename="a b.json"',
      'content-encoding': 'identity',
      'content-language': 'de-CH',
    },
    metadata: { one: 'a value,  with spaces', _two_2: '', b1: '1', b_1: '2' },
  };
  await store.write('name', bytes, { ...carried, md5: md5(bytes) });
  expect(await store.head('name')).toMatchObject({ ...carried, md5: md5(bytes), size: 2 });
  const seen = await client.getContainerClient('properties').getBlobClient('below/name').getProperties();
  expect(seen).toMatchObject({
    ...{ blobType: 'BlockBlob', contentType: carried.contentType, cacheControl: 'max-age=3600' },
    ...{ contentDisposition: 'attachment; filename="a b.json"', contentLanguage: 'de-CH' },
    contentEncoding: 'identity',
    // Microsoft's own client shows no metadata of no characters.
    metadata: { one: 'a value,  with spaces', b1: '1', b_1: '2' },
  });
  expect(Buffer.from(seen.contentMD5 ?? []).toString('hex')).toBe(md5(bytes));
  await store.close();
});

test('a property that no header can carry is refused, and not taken for wrong credentials', async () => {
  await madeContainer('uncarried');
  const store = await destination('uncarried');
  const refused = { kind: 'permanent', code: 'metadata-refused' };
  for (const others of [
    { contentType: 'image/jpeg; name=ü' },
    { headers: { 'content-disposition': 'attachment; filename="ü.pdf"' } },
    { metadata: { title: 'ü' } },
  ])
    await expect(store.write('x', text('x'), { ...properties(text('x')), ...others })).rejects.toMatchObject(
      refused,
    );
  expect(await store.head('x')).toBeNull();
  await store.close();
});

test('the MD5 of a page or append blob is not believed: it is whatever a client once said', async () => {
  await madeContainer('append');
  const blob = client.getContainerClient('append').getAppendBlobClient('log');
  const lie = Buffer.from(md5(text('before anything was appended')), 'hex');
  await blob.create({ blobHTTPHeaders: { blobContentMD5: lie } });
  await blob.appendBlock('a line', 6);
  const store = await source('append');
  expect(await store.head('log')).toMatchObject({ size: 6, md5: null });
  expect(await store.read('log', LIMIT)).toMatchObject({ size: 6, md5: null });
  await store.close();
});

describe('without credentials', () => {
  const anonymous = (container: string) =>
    azureStore({
      access: { account: azurite.account, endpoint: azurite.url, auth: { kind: 'none', variable: 'A or B' } },
      ...{ container, prefix: '', clock: systemClock(), nonce: () => 'nonce' },
    });

  test('a container that is public can be read and listed', async () => {
    const container = client.getContainerClient('public');
    await container.create({ access: 'container' });
    await container.getBlockBlobClient('x').upload('hello', 5);
    const store = anonymous('public');
    await store.check();
    expect((await store.read('x', LIMIT)).size).toBe(5);
    expect(await store.head('none')).toBeNull();
    expect((await store.listPage('', null)).objects).toMatchObject([{ key: 'x', size: 5 }]);
    const address = await store.copyAddress('x');
    expect(address).toEqual({ kind: 'url', url: `${azurite.url}/public/x` });
    await store.close();
  });

  test('a container that is not public is wrong-credentials, and says what could be set', async () => {
    await madeContainer('private');
    const store = anonymous('private');
    const refused = { code: 'wrong-credentials', message: expect.stringContaining('none of A or B is set') };
    for (const ask of [() => store.check(), () => store.read('x', 1), () => store.listPage('', null)])
      await expect(ask()).rejects.toMatchObject(refused);
    await store.close();
  });

  test('a location names its account’s public endpoint, and no request is made to say what is wrong', async () => {
    await expect(source('container', bySas('x'))).rejects.toThrow(
      /^AZURE_STORAGE_CONNECTION_STRING is no shared access/,
    );
    await expect(openSource('azure://zoom/Tiles', { log: silentLog, env: {} })).rejects.toThrow(
      /^"Tiles" is no name of an Azure container/,
    );
    const nobody = await openDestination('azure://zoom/tiles', { log: silentLog, env: {} });
    const write = () => nobody.write('x', text('x'), properties(text('x')));
    for (const ask of [write, () => nobody.remove('x'), () => nobody.createContainer()])
      await expect(ask()).rejects.toMatchObject({
        code: 'wrong-credentials',
        message: expect.stringContaining('none of AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or'),
      });
    await nobody.close();
  });
});

describe('a shared access signature', () => {
  test('that may only read is refused elsewhere as forbidden, by its variable and without its text', async () => {
    await madeContainer('readable');
    const store = await destination('readable');
    await store.write('x', text('x'), properties(text('x')));
    const sas = await client.getContainerClient('readable').generateSasUrl({
      permissions: ContainerSASPermissions.parse('r'),
      expiresOn: new Date(Date.now() + 60_000),
    });
    const token = new URL(sas).search;
    const reader = await destination('readable', bySas(token));
    await reader.check();
    expect((await reader.read('x', LIMIT)).size).toBe(1);
    const signature = new URLSearchParams(token).get('sig') ?? 'none';
    const list = async () => can(reader, 'listPage') && reader.listPage('', null);
    const write = () => reader.write('x', text('y'), properties(text('y')));
    for (const ask of [write, () => reader.remove('x'), list]) {
      const error: unknown = await ask().catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: 'forbidden',
        message: expect.stringContaining('AZURE_STORAGE_CONNECTION_STRING'),
      });
      expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain(signature);
      expect(`${(error as Error).stack}`).not.toContain(encodeURIComponent(signature));
    }
    await Promise.all([store.close(), reader.close()]);
  });
});

describe('copying by the service', () => {
  const copies = (store: Store) => {
    if (!can(store, 'copyAddress', 'copyFrom', 'canCopyFrom', 'write')) throw new Error('cannot copy');
    return store;
  };

  test('the address of an object can be read by whoever has it, for a while, and shows no key', async () => {
    await madeContainer('addressed');
    const store = copies(await destination('addressed/ü 100%25'));
    await store.write('a b+c?', text('hello'), properties(text('hello')));
    const address = await store.copyAddress('a b+c?');
    if (address.kind !== 'url') throw new Error(address.kind);
    const answer = await fetch(address.url);
    expect([answer.status, await answer.text()]).toEqual([200, 'hello']);
    const query = new URL(address.url).searchParams;
    expect([query.get('sp'), query.get('sr')]).toEqual(['r', 'c']);
    const left = Date.parse(query.get('se') ?? '') - Date.now();
    expect(left).toBeGreaterThan(1_790_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
    expect(address.url).not.toContain(azurite.key);
    // One signature serves many objects.
    const other = await store.copyAddress('other');
    expect(other).toMatchObject({ url: expect.stringContaining(`?${new URL(address.url).search.slice(1)}`) });
    await store.close();
  });

  test('a checksum that is only copied along proves nothing: the copy is read, and removed if it differs', async () => {
    await madeContainer('lying');
    await madeContainer('copied');
    const [from, to] = [copies(await destination('lying')), copies(await destination('copied/to'))];
    await from.write('x', text('the true bytes'), properties(text('the true bytes')));
    const lie = text('what it claims');
    const blob = client.getContainerClient('lying').getBlobClient('x');
    await blob.setHTTPHeaders({ blobContentMD5: Buffer.from(md5(lie), 'hex') });
    const claimed = await from.head('x');
    expect(claimed?.md5).toBe(md5(lie));
    const address = await from.copyAddress('x');
    const expected = { ...NO_PROPERTIES, md5: md5(lie), size: lie.length };
    await expect(to.copyFrom(address, 'x', expected)).rejects.toMatchObject({ code: 'checksum-mismatch' });
    expect(await to.head('x')).toBeNull();
    const honest = { ...expected, md5: md5(text('the true bytes')) };
    await to.copyFrom(address, 'x', honest);
    expect(await to.head('x')).toMatchObject({ size: 14, md5: honest.md5 });
    await Promise.all([from.close(), to.close()]);
  });

  test('a service that cannot reach the source refuses, and the address is not shown', async () => {
    await madeContainer('unreachable');
    const store = copies(await destination('unreachable'));
    const url = `http://127.0.0.1:1/other/tiles/x?${accountSas(azurite)}`;
    const expected = { ...properties(text('x')), size: 1 };
    const error = await store
      .copyFrom({ kind: 'url', url }, 'x', expected)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'permanent', code: 'copy-refused' });
    expect(`${(error as Error).stack}`).not.toContain('sig=');
    await store.close();
  });
});

test('of two that write one object in blocks each commits its own, and the second is told to begin again', async () => {
  await madeContainer('writers');
  const store = await destination('writers');
  if (!can(store, 'beginParts', 'partBytes')) throw new Error('has no parts');
  const bodies = [text('first'), text('other')];
  const writings = await Promise.all(bodies.map(() => store.beginParts('x', 5, NO_PROPERTIES)));
  for (const [index, writing] of writings.entries())
    await writing.writePart(0, bodies[index]!, md5(bodies[index]!));
  await writings[0]?.complete(md5(bodies[0]!));
  expect(Buffer.from((await store.read('x', LIMIT)).bytes).toString()).toBe('first');
  await expect(writings[1]?.complete(md5(bodies[1]!))).rejects.toMatchObject({
    kind: 'transient',
    message: expect.stringContaining('InvalidBlockList: another writer finished the object first'),
  });
  expect(Buffer.from((await store.read('x', LIMIT)).bytes).toString()).toBe('first');
  await store.close();
});

test('blocks that another program left under ids of another length are named as what they are', async () => {
  await madeContainer('blocks');
  const blob = client.getContainerClient('blocks').getBlockBlobClient('large');
  await blob.stageBlock(Buffer.from('short').toString('base64'), 'x', 1);
  const store = await destination('blocks');
  if (!can(store, 'beginParts')) throw new Error('has no parts');
  const writing = await store.beginParts('large', 1, NO_PROPERTIES);
  await expect(writing.writePart(0, text('x'), md5(text('x')))).rejects.toMatchObject({
    kind: 'permanent',
    message: expect.stringMatching(/InvalidBlobOrBlock: blocks that another program left there/),
  });
  await store.close();
});
