import { createHmac } from 'node:crypto';
import {
  ContainerClient,
  type IHttpClient,
  newPipeline,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringToSign } from '../../../stores/azure/string-to-sign.js';
import { seeded } from '../../support/seed.js';

const DATE = { 'x-ms-date': 'Fri, 26 Jun 2015 23:39:12 GMT', 'x-ms-version': '2015-02-21' };
const HEAD = 'x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n';

/** The examples of "Authorize with Shared Key" in Microsoft's reference of the blob service. */
describe('the string to sign, as documented', () => {
  test('for the metadata of a container', () => {
    const path = '/mycontainer?restype=container&comp=metadata&timeout=20';
    expect(stringToSign('myaccount', 'GET', path, DATE)).toBe(
      `GET\n\n\n\n\n\n\n\n\n\n\n\n${HEAD}/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20`,
    );
  });

  test('for making a container, where a length of 0 is signed as none', () => {
    const path = '/mycontainer?restype=container&timeout=30';
    expect(stringToSign('myaccount', 'PUT', path, { ...DATE, 'content-length': '0' })).toBe(
      `PUT\n\n\n\n\n\n\n\n\n\n\n\n${HEAD}/myaccount/mycontainer\nrestype:container\ntimeout:30`,
    );
  });

  test('for a parameter that is there more than once: its values sorted, in one line', () => {
    const path =
      '/mycontainer?restype=container&comp=list&include=snapshots&include=metadata&include=uncommittedblobs';
    expect(stringToSign('myaccount', 'GET', path, DATE)).toContain(
      '\n/myaccount/mycontainer\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\nrestype:container',
    );
  });

  test('for a blob, with everything a header can say', () => {
    const headers = {
      ...DATE,
      'content-length': '11',
      'content-md5': 'sQqNsWTgdUEFt6mb5y4/5Q==',
      'content-type': 'text/plain; charset=UTF-8',
      range: 'bytes=0-10',
      'x-ms-blob-type': 'BlockBlob',
      'x-ms-meta-m2': 'v2',
      'x-ms-meta-m1': 'v1',
    };
    expect(stringToSign('myaccount', 'PUT', '/mycontainer/hello.txt', headers)).toBe(
      [
        ...['PUT', '', '', '11', 'sQqNsWTgdUEFt6mb5y4/5Q==', 'text/plain; charset=UTF-8', '', '', '', '', ''],
        ...['bytes=0-10', 'x-ms-blob-type:BlockBlob', 'x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT'],
        ...[
          'x-ms-meta-m1:v1',
          'x-ms-meta-m2:v2',
          'x-ms-version:2015-02-21',
          '/myaccount/mycontainer/hello.txt',
        ],
      ].join('\n'),
    );
  });

  test('an address that has the account in its path has it twice', () => {
    expect(stringToSign('devstoreaccount1', 'GET', '/devstoreaccount1/c/a%20b', DATE)).toMatch(
      /\n\/devstoreaccount1\/devstoreaccount1\/c\/a%20b$/,
    );
  });
});

test('signs every request as Microsoft’s own client does', async () => {
  const key = Buffer.alloc(64, 7).toString('base64');
  const identifier = fc.stringMatching(/^[a-z_][a-z0-9_]{0,12}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter(
      (text) => !/\p{Surrogate}|[\u0000-\u001f\u007f\\]/u.test(text) && !/(^|\/)\.{0,2}(\/|$)/.test(text),
    );
  await fc.assert(
    fc.asyncProperty(
      name,
      fc.dictionary(identifier, value, { maxKeys: 8, noNullPrototype: true }),
      fc.string({ maxLength: 20 }),
      async (blob, metadata, body) => {
        const seen: { path: string; headers: Record<string, string> }[] = [];
        const capture: IHttpClient = {
          async sendRequest(request) {
            const { pathname, search } = new URL(request.url);
            const raw = Object.entries(request.headers.rawHeaders());
            const headers = Object.fromEntries(raw.map(([header, text]) => [header.toLowerCase(), text]));
            seen.push({ path: pathname + search, headers });
            return { request, headers: request.headers.clone(), status: 201, bodyAsText: '' };
          },
        };
        const container = new ContainerClient(
          'http://127.0.0.1:1/myaccount/tiles',
          newPipeline(new StorageSharedKeyCredential('myaccount', key), { httpClient: capture }),
        );
        await container.getBlockBlobClient(blob).upload(body, Buffer.byteLength(body), {
          metadata,
          blobHTTPHeaders: { blobContentType: 'image/jpeg', blobCacheControl: 'no-cache' },
        });
        const [{ path, headers }] = seen as [(typeof seen)[0]];
        const text = stringToSign('myaccount', 'PUT', path, headers);
        const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
        expect(headers.authorization).toBe(`SharedKey myaccount:${signature}`);
      },
    ),
    seeded(100),
  );
});
