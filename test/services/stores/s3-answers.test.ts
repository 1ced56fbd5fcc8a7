import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';
import { messageOf } from '../../../runtime/errors.js';
import { storeEnvironment } from '../../../stores/environment.js';
import { openS3 } from '../../../stores/s3/open.js';
import { s3Settings } from '../../../stores/s3/settings.js';
import { type S3Store, s3Store } from '../../../stores/s3/store.js';
import { listAll, NO_PROPERTIES } from '../../../stores/store.js';
import { makeAuthority } from '../../support/certificates.js';
import { useGround } from '../../support/services.js';
import {
  type S3StandIn,
  type StandInAnswer,
  s3Error,
  startS3StandIn,
} from '../../support/stores/s3-stand-in.js';

const ground = useGround('s3-answers');
const SECRET = 'stand-in-secret-5521';
const TOKEN = 'stand-in/token+7716==';
const KEYS = { accessKey: 'AKIDSTANDIN', secretKey: SECRET, region: 'eu-test-1' };
const VARIABLES = {
  AWS_ACCESS_KEY_ID: KEYS.accessKey,
  AWS_SECRET_ACCESS_KEY: SECRET,
  AWS_REGION: KEYS.region,
};
const md5 = (text: string | Uint8Array): string => createHash('md5').update(text).digest('hex');
const quoted = (text: string): { etag: string } => ({ etag: `"${md5(text)}"` });
const props = (text: string) => ({ ...NO_PROPERTIES, md5: md5(text) });
const bytes = (text: string): Uint8Array => Buffer.from(text);
const none = { path: 'none', text: null };

let server: S3StandIn;
let store: S3Store;
const opened: { close(): Promise<void> }[] = [];

function open(url: string, more: Readonly<Record<string, string>> = {}): S3Store {
  const env = storeEnvironment({ ...VARIABLES, AWS_ENDPOINT_URL_S3: url, ...more });
  const made = s3Store(s3Settings('tiles', env, { credentials: none, config: none }), {
    ...{ bucket: 'tiles', prefix: 'in', clock: systemClock(), ca: null },
  });
  opened.push(made);
  return made;
}

beforeAll(async () => {
  server = await startS3StandIn(KEYS);
  opened.push(server);
  store = open(server.url);
});
afterAll(async () => {
  for (const one of opened.reverse()) await one.close();
});

const LISTING = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
const rejection = async (asked: Promise<unknown>): Promise<Record<string, unknown>> =>
  asked.then(
    () => ({ message: 'nothing was refused' }),
    (error: Record<string, unknown>) => error,
  );

describe('signing', () => {
  test('a session token goes with every request, signed', async () => {
    const own = await startS3StandIn({ ...KEYS, token: TOKEN });
    opened.push(own);
    own.answer(() => ({ headers: quoted('x') }));
    await open(own.url, { AWS_SESSION_TOKEN: TOKEN }).write('k', bytes('x'), props('x'));
    expect(own.seen[0]?.signed).toContain('x-amz-security-token');
  });

  test('over http the payload is signed, and a write always with its MD5', async () => {
    server.answer(() => ({ headers: quoted('x') }));
    await store.write('k', bytes('x'), props('x'));
    const [put] = server.seen;
    expect(put?.headers['x-amz-content-sha256']).toBe(createHash('sha256').update('x').digest('hex'));
    expect(put?.headers['content-md5']).toBe(createHash('md5').update('x').digest('base64'));
    expect(put?.signed).toEqual(expect.arrayContaining(['content-md5', 'host', 'x-amz-content-sha256']));
  });

  test('over https to an authority of AWS_CA_BUNDLE: the payload is not hashed, its signed MD5 binds it', async () => {
    const authority = makeAuthority(join(ground.dir, 'tls'));
    const { key, cert } = authority.issue('s3', 'IP:127.0.0.1');
    const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    const secure = await startS3StandIn({ ...KEYS, tls });
    opened.push(secure);
    const location = { kind: 's3', container: 'tiles', prefix: '' } as const;
    const variables = { ...VARIABLES, AWS_ENDPOINT_URL_S3: secure.url };
    const trusting = await openS3(
      location,
      storeEnvironment({ ...variables, AWS_CA_BUNDLE: authority.cert }),
    );
    const wary = await openS3(location, storeEnvironment(variables));
    opened.push(trusting, wary);
    secure.answer(() => ({ headers: quoted('x') }));
    await trusting.write('k', bytes('x'), props('x'));
    expect(secure.seen[0]?.headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
    expect(secure.seen[0]?.signed).toContain('content-md5');
    await expect(wary.write('k', bytes('x'), props('x'))).rejects.toMatchObject({ code: 'unreachable' });
    expect(secure.seen.length).toBe(1);
  });
});

test.each<[string, StandInAnswer, Record<string, unknown>]>([
  ['without an ETag', { body: '<html>Log in</html>' }, { kind: 'transient', code: 'bad-answer' }],
  ['with the MD5 of other bytes', { headers: quoted('y') }, { kind: 'permanent', code: 'checksum-mismatch' }],
])('a write that is taken %s is not done', async (_, answer, expected) => {
  server.answer(() => answer);
  expect(await rejection(store.write('k', bytes('x'), props('x')))).toMatchObject(expected);
});

test('a write that a newer one overtook is done: Swift tells no ETag of it', async () => {
  server.answer(() => ({ headers: { 'x-amz-request-id': 'tx1' } }));
  await store.write('k', bytes('x'), props('x'));
  expect(server.seen.length).toBe(1);
});

test('a write under a key of KMS is done: its ETag is no MD5', async () => {
  server.answer(() => ({ headers: { ...quoted('y'), 'x-amz-server-side-encryption': 'aws:kms' } }));
  await store.write('k', bytes('x'), props('x'));
  expect(server.seen.length).toBe(1);
});

describe('an ETag is an MD5 only where S3 made it one', () => {
  test.each<[string, Record<string, string>, string | null]>([
    ['in one piece', quoted('x'), md5('x')],
    ['with keys of S3', { ...quoted('x'), 'x-amz-server-side-encryption': 'AES256' }, md5('x')],
    ['with a key of KMS', { ...quoted('x'), 'x-amz-server-side-encryption': 'aws:kms' }, null],
    ['with two layers of KMS', { ...quoted('x'), 'x-amz-server-side-encryption': 'aws:kms:dsse' }, null],
    [
      "with the customer's key",
      { ...quoted('x'), 'x-amz-server-side-encryption-customer-algorithm': 'AES256' },
      null,
    ],
    ['in parts', { etag: `"${md5('x')}-2"` }, null],
    ['of another kind', { etag: '"0x8D4BCC2E4835CD0"' }, null],
    ['none', {}, null],
  ])('%s', async (_, headers, expected) => {
    server.answer(() => ({ headers, body: 'x' }));
    expect((await store.head('k'))?.md5).toBe(expected);
    expect((await store.read('k', 10)).md5).toBe(expected);
    expect((await store.readStart('k', 1))?.md5).toBe(expected);
  });
});

describe('what an error means', () => {
  const region = '<Region>eu-else-9</Region>';
  test.each<[number, string, string, Record<string, unknown>, string]>([
    [404, 'NoSuchKey', '', { kind: 'permanent', code: 'not-found' }, 'NoSuchKey'],
    [404, 'NoSuchBucket', '', { kind: 'permanent', code: 'container-absent' }, 'NoSuchBucket'],
    [403, 'InvalidAccessKeyId', '', { kind: 'permanent', code: 'wrong-credentials' }, 'AWS_ACCESS_KEY_ID'],
    [
      403,
      'SignatureDoesNotMatch',
      '',
      { kind: 'permanent', code: 'wrong-credentials' },
      'AWS_SECRET_ACCESS_KEY',
    ],
    [
      400,
      'ExpiredToken',
      '',
      { kind: 'permanent', code: 'wrong-credentials' },
      'AWS_SESSION_TOKEN has expired',
    ],
    [400, 'InvalidToken', '', { kind: 'permanent', code: 'wrong-credentials' }, 'AWS_SESSION_TOKEN'],
    [403, 'RequestTimeTooSkewed', '', { kind: 'permanent', code: 'wrong-credentials' }, 'clock'],
    [
      403,
      'AccessDenied',
      '',
      { kind: 'permanent', code: 'forbidden' },
      'not allowed to the owner of AWS_ACCESS',
    ],
    [400, 'BadDigest', '', { kind: 'permanent', code: 'checksum-mismatch' }, 'BadDigest'],
    [400, 'XAmzContentSHA256Mismatch', '', { kind: 'permanent', code: 'checksum-mismatch' }, ''],
    [400, 'EntityTooLarge', '', { kind: 'permanent', code: 'too-large' }, ''],
    [400, 'KeyTooLongError', '', { kind: 'permanent', code: 'name-refused' }, ''],
    [400, 'MetadataTooLarge', '', { kind: 'permanent', code: 'metadata-refused' }, ''],
    [503, 'SlowDown', '', { kind: 'transient', code: 'throttled', retryAfterMs: 7000 }, 'SlowDown'],
    [429, 'TooManyRequests', '', { kind: 'transient', code: 'throttled', retryAfterMs: 7000 }, ''],
    [500, 'InternalError', '', { kind: 'transient', code: 'server-error' }, ''],
    [400, 'RequestTimeout', '', { kind: 'transient', code: 'server-error' }, 'RequestTimeout'],
    [409, 'OperationAborted', '', { kind: 'transient', code: 'server-error' }, ''],
    [501, 'NotImplemented', '', { kind: 'permanent', code: 'rejected' }, ''],
    [403, 'InvalidObjectState', '', { kind: 'permanent', code: 'forbidden' }, 'archived'],
    [
      301,
      'PermanentRedirect',
      region,
      { kind: 'permanent' },
      'is in the region eu-else-9, not in eu-test-1: set AWS_REGION',
    ],
    [400, 'AuthorizationHeaderMalformed', region, { kind: 'permanent' }, 'is in the region eu-else-9'],
    [400, 'Odd', '<Message>all is odd</Message>', { kind: 'permanent', code: 'rejected' }, 'Odd: all is odd'],
  ])('%d %s %s', async (status, code, more, expected, words) => {
    server.answer(() => {
      const answer = s3Error(status, code, more);
      return { ...answer, headers: { ...answer.headers, 'retry-after': '7' } };
    });
    const asking = [
      () => store.read('k', 10),
      () => store.write('k', bytes('x'), props('x')),
      () => store.check(),
    ];
    for (const ask of asking) {
      const error = await rejection(ask());
      expect(error).toMatchObject({ ...expected, status });
      expect(error.message).toContain(words);
    }
  });

  test.each([301, 400])('HEAD has no body: the region comes from its header (%d)', async (status) => {
    server.answer(() => ({ status, headers: { 'x-amz-bucket-region': 'eu-else-9' } }));
    expect((await rejection(store.head('k'))).message).toContain('the region eu-else-9');
  });

  test.each<[number, string, string]>([
    [403, 'SignatureDoesNotMatch', 'wrong-credentials'],
    [400, 'ExpiredToken', 'wrong-credentials'],
    [403, 'AccessDenied', 'forbidden'],
  ])('HEAD %d without a reason: the bucket is asked for it (%s)', async (status, code, expected) => {
    server.answer(({ method }) => (method === 'HEAD' ? { status } : s3Error(status, code)));
    expect(await rejection(store.head('k'))).toMatchObject({ code: expected });
  });

  test('an object that is refused in a bucket that is not stays refused', async () => {
    server.answer(({ method }) => (method === 'HEAD' ? { status: 403 } : { body: LISTING }));
    expect(await rejection(store.head('k'))).toMatchObject({ kind: 'permanent', code: 'forbidden' });
  });

  test('what repeats secrets is not repeated', async () => {
    const own = await startS3StandIn({ ...KEYS, token: TOKEN });
    opened.push(own);
    const telling = open(own.url, { AWS_SESSION_TOKEN: TOKEN });
    for (const code of ['SignatureDoesNotMatch', 'Odd'])
      for (const status of [400, 200]) {
        own.answer(({ headers }) =>
          s3Error(
            status,
            code,
            `<Message>${headers.authorization?.split('=').at(-1)} ${SECRET} ${TOKEN}</Message><CanonicalRequest>${TOKEN}</CanonicalRequest>`,
          ),
        );
        const expected = { ...props('x'), size: 1 };
        const error = await rejection(
          telling.copyFrom(await telling.copyAddress('a'), 'b', expected) as Promise<unknown>,
        );
        expect(error).toMatchObject({ kind: 'permanent', status });
        const all = `${messageOf(error)} ${JSON.stringify(error)} ${error.stack}`;
        const signature = /Signature=(\w+)/.exec(own.seen[0]?.headers.authorization ?? '')?.[1] ?? '?';
        for (const secret of [SECRET, TOKEN, signature]) expect(all).not.toContain(secret);
        expect(signature).toHaveLength(64);
      }
    expect(telling.name).toBe('s3://tiles/in');
  });
});

describe('a miss', () => {
  test('asks for the bucket once', async () => {
    const fresh = open(server.url);
    server.answer(({ method }) => (method === 'HEAD' ? { status: 404 } : { body: LISTING }));
    for (let i = 0; i < 3; i++) expect(await fresh.head('k')).toBeNull();
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'HEAD', 'HEAD']);
  });

  test('in no bucket is container-absent', async () => {
    const fresh = open(server.url);
    server.answer(({ method }) => (method === 'HEAD' ? { status: 404 } : s3Error(404, 'NoSuchBucket')));
    expect(await rejection(fresh.head('k'))).toMatchObject({ code: 'container-absent' });
  });

  test('in a bucket we may not list is a miss', async () => {
    const fresh = open(server.url);
    server.answer(({ method }) => (method === 'HEAD' ? { status: 404 } : s3Error(403, 'AccessDenied')));
    for (let i = 0; i < 2; i++) expect(await fresh.head('k')).toBeNull();
    expect(server.seen.length).toBe(3);
  });
});

describe('a listing', () => {
  const page = (keys: readonly string[], more: string): StandInAnswer => ({
    body: `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${more}${keys
      .map(
        (key) =>
          `<Contents><Key>${key}</Key><Size>3</Size><LastModified>2024-05-06T07:08:09.000Z</LastModified></Contents>`,
      )
      .join('')}</ListBucketResult>`,
  });
  const all = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of listAll(store, 'a')) keys.push(key);
    return keys;
  };

  test('goes on by continuation token; names are as AWS encodes them', async () => {
    const more =
      '<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>';
    server.answer(({ query }) =>
      query.get('continuation-token') === 't/+='
        ? page(['in/a%2Fz'], '<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>')
        : page(['in/', 'in/a+b%2B%25', 'in/a%F0%9F%9A%80'], more),
    );
    expect(await all()).toEqual(['a b+%', 'a🚀', 'a/z']);
    expect(server.seen.map(({ query }) => query.get('list-type'))).toEqual(['2', '2']);
    expect(server.seen[0]?.query.get('prefix')).toBe('in/a');
  });

  test('goes on by the last key where the server knows only the first version', async () => {
    server.answer(({ query }) =>
      query.get('marker') === 'in/a&b'
        ? page(['in/a+c'], '<IsTruncated>false</IsTruncated>')
        : page(['in/a', 'in/a&amp;b'], '<IsTruncated>true</IsTruncated>'),
    );
    expect(await all()).toEqual(['a', 'a&b', 'a+c']);
    expect(server.seen[1]?.query.get('list-type')).toBeNull();
  });

  test.each([
    ['no XML', { body: 'hello' }],
    ['another answer', { body: '<html></html>' }],
    ['keys from elsewhere', page(['other/a'], '')],
    ['no way on', page([], '<IsTruncated>true</IsTruncated>')],
  ])('that is %s is not believed', async (_, answer) => {
    server.answer(() => answer);
    expect(await rejection(all())).toMatchObject({ kind: 'transient', code: 'bad-answer' });
  });
});

describe('a folder', () => {
  const page = (keys: readonly string[], prefixes: readonly string[], more: string): StandInAnswer => ({
    body: `<ListBucketResult>${more}${keys
      .map((key) => `<Contents><Key>${key}</Key><Size>3</Size></Contents>`)
      .join('')}${prefixes
      .map((prefix) => `<CommonPrefixes><Prefix>${prefix}</Prefix></CommonPrefixes>`)
      .join('')}</ListBucketResult>`,
  });

  test('is asked for by its delimiter, and shows no object that only stands for it', async () => {
    const more =
      '<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t1</NextContinuationToken>';
    server.answer(() => page(['in/a/', 'in/a/b%2B'], ['in/a/c+d/'], more));
    expect(await store.listFolder('a/', null)).toEqual({
      objects: [{ key: 'a/b+', size: 3, modifiedMs: null }],
      folders: ['a/c d/'],
      cursor: 'token:t1',
    });
    const { query } = server.seen[0] ?? {};
    expect([query?.get('delimiter'), query?.get('prefix')]).toEqual(['/', 'in/a/']);
  });

  test('goes on by the last name or folder where the server knows only the first version', async () => {
    const more = '<IsTruncated>true</IsTruncated>';
    server.answer(() => page(['in/a', 'in/c'], ['in/b/', 'in/d/'], more));
    expect((await store.listFolder('', null)).cursor).toBe('key:in/d/');
    server.answer(() => page(['in/\u{1f680}'], ['in/\uff5e/'], more));
    expect((await store.listFolder('', null)).cursor).toBe('key:in/\u{1f680}');
    server.answer(() => page([], [], '<IsTruncated>false</IsTruncated>'));
    expect((await store.listFolder('', 'key:in/d/')).cursor).toBeNull();
    expect(server.seen.at(-1)?.query.get('marker')).toBe('in/d/');
  });

  test('from elsewhere is not believed', async () => {
    server.answer(() => page([], ['other/a/'], ''));
    expect(await rejection(store.listFolder('', null))).toMatchObject({
      ...{ kind: 'transient', code: 'bad-answer' },
    });
  });
});

describe('an object in parts', () => {
  const INIT = '<InitiateMultipartUploadResult><UploadId>u/1+</UploadId></InitiateMultipartUploadResult>';
  const composite = createHash('md5')
    .update(Buffer.concat([md5('ab'), md5('c')].map((hex) => Buffer.from(hex, 'hex'))))
    .digest('hex');
  /** An upload of `abc` in two parts; `then` answers what comes after the parts. */
  async function upload(then: (request: S3StandIn['seen'][number]) => StandInAnswer) {
    server.answer((request) => {
      if (request.query.has('uploads')) return { body: INIT };
      if (request.query.has('partNumber')) return { headers: quoted(request.body.toString()) };
      return then(request);
    });
    const writing = await store.beginParts('k', 3, { ...NO_PROPERTIES, contentType: 'image/tiff' });
    await writing.writePart(1, bytes('c'), md5('c'));
    await writing.writePart(0, bytes('ab'), md5('ab'));
    return writing;
  }
  const finished = {
    body: '  \n <CompleteMultipartUploadResult><ETag>"x-2"</ETag></CompleteMultipartUploadResult>',
  };

  test('names its parts in order, with their ETags', async () => {
    await (await upload(() => finished)).complete(md5('abc'));
    expect(server.seen[0]?.headers['content-type']).toBe('image/tiff');
    expect(server.seen[1]?.headers['content-md5']).toBe(createHash('md5').update('c').digest('base64'));
    expect(server.seen.at(-1)?.body.toString()).toContain(
      `<Part><PartNumber>1</PartNumber><ETag>"${md5('ab')}"</ETag></Part><Part><PartNumber>2</PartNumber><ETag>"${md5('c')}"</ETag></Part>`,
    );
    expect(server.seen.at(-1)?.query.get('uploadId')).toBe('u/1+');
  });

  test.each<[string, Record<string, unknown>]>([
    ['InternalError', { kind: 'transient', code: 'server-error' }],
    ['SlowDown', { kind: 'transient', code: 'throttled' }],
    ['InvalidPart', { kind: 'permanent', code: 'rejected' }],
  ])('an error %s under status 200 is an error', async (code, expected) => {
    const { body = '' } = s3Error(200, code);
    const writing = await upload(() => ({ body: `  \n${body}` }));
    expect(await rejection(writing.complete(md5('abc')))).toMatchObject(expected);
  });

  test('whose answer got lost is complete, if the object is the one of these parts', async () => {
    let asked = 0;
    const stored = (etag: string) =>
      upload(({ method }) => {
        if (method === 'HEAD') return { headers: { etag: `"${etag}"` }, body: 'abc' };
        return asked++ === 0 ? { hangUp: true } : s3Error(404, 'NoSuchUpload');
      });
    const good = await stored(`${composite}-2`);
    expect(await rejection(good.complete(md5('abc')))).toMatchObject({ kind: 'transient' });
    await good.complete(md5('abc'));
    const other = await stored(`${md5('other')}-2`);
    expect(await rejection(other.complete(md5('abc')))).toMatchObject({
      kind: 'permanent',
      code: 'not-found',
    });
  });

  test('is not completed with a part missing', async () => {
    const writing = await upload(() => finished);
    const short = await store.beginParts('k', 4, NO_PROPERTIES);
    await short.writePart(0, bytes('ab'), md5('ab'));
    expect(await rejection(short.complete(md5('abcd')))).toMatchObject({ code: 'rejected' });
    await short.writePart(2, bytes('cd'), md5('cd'));
    expect(await rejection(short.complete(md5('abcd')))).toMatchObject({ code: 'rejected' });
    expect(server.seen.some(({ body }) => body.includes('CompleteMultipartUpload'))).toBe(false);
    await writing.complete(md5('abc'));
  });

  test('is not complete, and a part not taken, by the word of another server', async () => {
    const html = { headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' };
    const writing = await upload(() => html);
    expect(await rejection(writing.complete(md5('abc')))).toMatchObject({ code: 'bad-answer' });
    server.answer(() => html);
    expect(await rejection(writing.writePart(0, bytes('ab'), md5('ab')))).toMatchObject({
      code: 'bad-answer',
    });
    expect(await rejection(writing.abandon())).toMatchObject({ kind: 'permanent' });
  });

  test('given up twice is given up; of 5 TiB has no more than 10,000 parts', async () => {
    let asked = 0;
    const writing = await upload(() => (asked++ === 0 ? { status: 204 } : s3Error(404, 'NoSuchUpload')));
    await writing.abandon();
    await writing.abandon();
    expect(asked).toBe(2);
    const size = 5 * 1024 ** 4;
    expect(Math.ceil(size / store.partBytes(size))).toBeLessThanOrEqual(10_000);
    expect(store.partBytes(80_000 * 1024 ** 2)).toBe(8 * 1024 ** 2);
  });
});

describe('a copy by the store itself', () => {
  const copied = { body: '<CopyObjectResult><ETag>"whatever"</ETag></CopyObjectResult>' };
  const expected = { ...props('abc'), contentType: 'image/png', size: 3 };
  const copy = async (): Promise<void> => {
    await store.copyFrom({ kind: 's3', endpoint: server.url, path: '/from/a%20b' }, 'k', expected);
  };

  test('names its source, asks for the MD5 it expects, sets the properties, and looks at what was stored', async () => {
    server.answer(({ method }) => (method === 'PUT' ? copied : { headers: quoted('abc'), body: 'abc' }));
    await copy();
    expect(server.seen.map(({ method }) => method)).toEqual(['PUT', 'HEAD']);
    expect(server.seen[0]?.headers).toMatchObject({
      'x-amz-copy-source': '/from/a%20b',
      'x-amz-copy-source-if-match': `"${md5('abc')}"`,
      'x-amz-metadata-directive': 'REPLACE',
      'content-type': 'image/png',
    });
  });

  test('of other bytes is a checksum-mismatch', async () => {
    server.answer(({ method }) => (method === 'PUT' ? copied : { headers: quoted('abd'), body: 'abd' }));
    expect(await rejection(copy())).toMatchObject({ kind: 'permanent', code: 'checksum-mismatch' });
  });

  test.each([
    ['abc', null],
    ['abd', 'checksum-mismatch'],
  ])('with a key of KMS is read back: %s', async (body, code) => {
    const headers = { ...quoted('abc'), 'x-amz-server-side-encryption': 'aws:kms' };
    server.answer(({ method }) => (method === 'PUT' ? copied : { headers, body }));
    if (code === null) await copy();
    else expect(await rejection(copy())).toMatchObject({ kind: 'permanent', code });
    expect(server.seen.map(({ method }) => method)).toEqual(['PUT', 'HEAD', 'GET']);
  });

  test.each<[string, StandInAnswer, Record<string, unknown>]>([
    ['an error under status 200', s3Error(200, 'InternalError'), { kind: 'transient' }],
    ['a page of another server', { body: '<html></html>' }, { kind: 'transient', code: 'bad-answer' }],
    ['a changed source', s3Error(412, 'PreconditionFailed'), { code: 'checksum-mismatch' }],
    ['a source we may not read', s3Error(403, 'AccessDenied'), { code: 'copy-refused' }],
    ['a server that cannot', s3Error(501, 'NotImplemented'), { code: 'copy-refused' }],
    ['a source that is gone', s3Error(404, 'NoSuchKey'), { code: 'not-found' }],
  ])('%s', async (_, answer, error) => {
    server.answer(() => answer);
    expect(await rejection(copy())).toMatchObject(error);
    expect(server.seen.length).toBe(1);
  });

  test('is not asked of what is larger than one copy holds, nor from another server', async () => {
    server.answer(() => copied);
    const address = { kind: 's3', endpoint: server.url, path: '/from/a' } as const;
    const large = { ...expected, size: 5 * 1024 ** 3 + 1 };
    expect(await rejection(store.copyFrom(address, 'k', large))).toMatchObject({ code: 'copy-refused' });
    const elsewhere = { ...address, endpoint: 'http://127.0.0.1:1' };
    expect(await rejection(store.copyFrom(elsewhere, 'k', expected))).toMatchObject({ code: 'copy-refused' });
    expect(server.seen.length).toBe(0);
  });

  test("from another region of AWS's is possible", () => {
    const aws = open('https://s3.eu-west-1.amazonaws.com');
    const at = (endpoint: string) => aws.canCopyFrom({ kind: 's3', endpoint, path: '/b/k' });
    expect(at('https://s3.us-east-1.amazonaws.com')).toBe(true);
    expect(at('https://s3.us-east-1.amazonaws.com.evil.example')).toBe(false);
    expect(at('http://s3.us-east-1.amazonaws.com')).toBe(false);
  });
});

describe('a bucket that is to be made', () => {
  test('is told its region', async () => {
    server.answer(() => ({}));
    await store.createContainer();
    expect(server.seen[0]).toMatchObject({ method: 'PUT', path: '/tiles' });
    expect(server.seen[0]?.body.toString()).toContain('<LocationConstraint>eu-test-1</LocationConstraint>');
  });

  test.each<[string, StandInAnswer, string | null]>([
    ['BucketAlreadyOwnedByYou', { body: LISTING }, null],
    ['BucketAlreadyExists', { body: LISTING }, null],
    ['BucketAlreadyExists', s3Error(403, 'AccessDenied'), 'forbidden'],
  ])('and is there (%s) is done if we are let in', async (code, listing, refused) => {
    server.answer(({ method }) => (method === 'PUT' ? s3Error(409, code) : listing));
    if (refused === null) await store.createContainer();
    else expect(await rejection(store.createContainer())).toMatchObject({ code: refused });
    expect(server.seen.length).toBe(2);
  });
});

test('more metadata than S3 takes is refused before a byte is sent, by all that writes', async () => {
  server.answer(() => ({ headers: quoted('x') }));
  const metadata = { a: 'x'.repeat(1500), b: 'x'.repeat(547) };
  const large = { ...props('x'), metadata };
  const expected = { ...large, size: 1 };
  const address = await store.copyAddress('k');
  for (const asked of [
    () => store.write('k', bytes('x'), large),
    () => store.beginParts('k', 1, large),
    () => store.copyFrom(address, 'k', expected),
  ])
    expect(await rejection(asked())).toMatchObject({ kind: 'permanent', code: 'metadata-refused' });
  expect(server.seen.length).toBe(0);
  await store.write('k', bytes('x'), { ...large, metadata: { ...metadata, b: 'x'.repeat(546) } });
  expect(server.seen.length).toBe(1);
});
