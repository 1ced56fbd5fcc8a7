import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { etagOf, explainSwift, md5Of, rangedSizeOf, readListing } from '../../../stores/swift/answers.js';
import { capabilitiesOf, partBytesOf, refuseUnheldBySwift } from '../../../stores/swift/capabilities.js';
import {
  manifestEtag,
  manifestOf,
  readManifest,
  segmentName,
  whatIsLeft,
} from '../../../stores/swift/manifest.js';
import { accountInCluster, listingPath, objectPath } from '../../../stores/swift/names.js';
import { seeded } from '../../support/seed.js';

const MiB = 1024 ** 2;
const MD5 = '9dd4e461268c8034f5c8564e155c67a6';
const answer = (headers: Record<string, string>, status = 200) => ({
  status,
  header: (name: string) => headers[name] ?? null,
});

describe('names', () => {
  test('everything that means something in a URL is encoded, in container and name', () => {
    expect(objectPath('my box', 'a/b c?#%+ü')).toBe('/my%20box/a/b%20c%3F%23%25%2B%C3%BC');
    expect(listingPath('box', 'a&b/', 'ü=1', 7)).toBe(
      '/box?format=json&limit=7&prefix=a%26b%2F&marker=%C3%BC%3D1',
    );
    expect(listingPath('box', '', null, 7)).toBe('/box?format=json&limit=7&prefix=');
  });

  test('accounts are of one cluster if all but the account is the same', () => {
    const ours = 'https://swift.example.com/v1/AUTH_ours';
    expect(accountInCluster('https://swift.example.com/v1/AUTH_theirs', ours)).toBe('AUTH_theirs');
    expect(accountInCluster(ours, ours)).toBe('AUTH_ours');
    for (const other of [
      'https://other.example.com/v1/AUTH_ours',
      'http://swift.example.com/v1/AUTH_ours',
      'https://swift.example.com:8080/v1/AUTH_ours',
      'https://swift.example.com/swift/v1/AUTH_ours',
    ])
      expect(accountInCluster(other, ours)).toBeNull();
  });
});

describe('answers', () => {
  test('the MD5 is the ETag, quoted or not, but of no large object', () => {
    expect(md5Of(answer({ etag: MD5 }))).toBe(MD5);
    expect(md5Of(answer({ etag: `"${MD5}"` }))).toBe(MD5);
    expect(md5Of(answer({ etag: `"${MD5}"`, 'x-static-large-object': 'True' }))).toBeNull();
    expect(md5Of(answer({ etag: MD5, 'x-object-manifest': 'box/prefix' }))).toBeNull();
    for (const etag of ['', `${MD5}-2`, `W/"${MD5}"`, MD5.toUpperCase()])
      expect(etagOf(answer({ etag }))).toBeNull();
  });

  test.each([
    [413, 'Your request is too large.', 'too-large'],
    [413, '<html>Upload exceeds quota.</html>', 'disk-full'],
    [422, '', 'checksum-mismatch'],
    [498, 'Slow down', 'throttled'],
  ])('%d %s is %s', (status, body, code) => {
    expect(explainSwift(answer({}, status), body).code).toBe(code);
  });

  test('what Swift says in plain text is repeated, a page of HTML is not', () => {
    const said = 'Metadata value longer than 256:\n x-object-meta-A';
    expect(explainSwift(answer({ 'content-type': 'text/plain' }, 400), said).detail).toBe(
      'Metadata value longer than 256: x-object-meta-A',
    );
    expect(explainSwift(answer({ 'content-type': 'text/html' }, 400), '<html>')).toEqual({});
  });

  test('a range tells the size of the whole, if it begins where it was asked to', () => {
    expect(rangedSizeOf(answer({ 'content-range': 'bytes 5-9/10' }), 5)).toBe(10);
    expect(rangedSizeOf(answer({ 'content-range': 'bytes 5-9/10' }), 4)).toBeNull();
    expect(rangedSizeOf(answer({ 'content-range': 'bytes */10' }), 10)).toBeNull();
    expect(rangedSizeOf(answer({}), 0)).toBeNull();
  });

  test('a listing is read below the prefix, its times as UTC', () => {
    const entry = { bytes: 7, last_modified: '2026-11-21T12:00:00.500000', hash: MD5 };
    const page = readListing(
      JSON.stringify([
        { ...entry, name: 'a/' },
        { ...entry, name: 'a/ü b' },
      ]),
      'a/',
    );
    expect(page).toEqual({
      objects: [{ key: 'ü b', size: 7, modifiedMs: Date.parse('2026-11-21T12:00:00.500Z') }],
      folders: [],
      cursor: 'a/ü b',
    });
    expect(readListing('[]', '')).toEqual({ objects: [], folders: [], cursor: null });
    expect(readListing('[{"subdir": "a/ü/"}]', 'a/')).toEqual({
      ...{ objects: [], folders: ['ü/'], cursor: 'a/ü/' },
    });
    for (const none of ['', '<html>', '{}', '[{"subdir": 1}]']) expect(readListing(none, '')).toBeNull();
  });
});

describe('capabilities', () => {
  const plain = capabilitiesOf(undefined, '');

  test('are told at /info, and as Swift has them by default where it does not tell', () => {
    expect(plain).toMatchObject({ segments: 1000, metadataValueBytes: 256, limits: { keyBytes: 1024 } });
    const info = {
      swift: {
        max_file_size: 64 * MiB,
        max_object_name_length: 512,
        max_meta_name_length: 8,
        max_meta_count: 'many',
      },
      slo: { max_manifest_segments: 10 },
    };
    const told = capabilitiesOf(info, 'pre');
    expect(told).toMatchObject({
      segments: 10,
      metadataCount: 90,
      limits: { keyBytes: 508, writeBytes: 64 * MiB },
    });
    expect(told.limits.metadataName.test('eight-ok')).toBe(true);
    expect(told.limits.metadataName.test('nine-over')).toBe(false);
    for (const none of [null, 1, [], { swift: null }, { swift: { max_file_size: -1 } }])
      expect(capabilitiesOf(none, '').limits.writeBytes).toBe(5 * 1024 * MiB);
  });

  test('parts are as few as the manifest holds, and never larger than an object may be', () => {
    expect(partBytesOf(plain, 1, 32 * MiB)).toBe(32 * MiB);
    expect(partBytesOf(plain, 6e9, 32 * MiB)).toBe(32 * MiB);
    const small = capabilitiesOf({ swift: { max_file_size: 16 * MiB } }, '');
    expect(partBytesOf(small, 6e9, 32 * MiB)).toBe(16 * MiB);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 * 1000 * MiB }), (size) => {
        expect(Math.ceil(size / partBytesOf(plain, size, 32 * MiB))).toBeLessThanOrEqual(1000);
      }),
      seeded(),
    );
  });

  test('metadata that is too much is refused by name', () => {
    const refuse = (metadata: Record<string, string>) => () =>
      refuseUnheldBySwift(plain, 'key', 1, { ...NO_PROPERTIES, metadata });
    const many = (count: number, value: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, value]));
    expect(refuse({ name: 'v'.repeat(256), ...many(89, 'v') })).not.toThrow();
    const refused = (words: string) => expect.objectContaining({ code: 'metadata-refused', message: words });
    expect(refuse({ name: 'v'.repeat(257) })).toThrow(
      refused('key: the metadata name has 257 bytes, the store holds 256'),
    );
    expect(refuse(many(91, 'v'))).toThrow(refused('key: 91 metadata names, the store holds 90'));
    expect(refuse(many(17, 'v'.repeat(256)))).toThrow(
      refused('key: 4393 bytes of metadata in all, the store holds 4096'),
    );
    // To Swift it would be the same name as `a-b`.
    expect(refuse({ a_b: '1' })).toThrow(/cannot hold the metadata name "a_b"/);
  });
});

describe('manifests', () => {
  const segments = [
    { name: 'a b/slo/x/12/00000000', md5: MD5, size: 5 },
    { name: 'a b/slo/x/12/00000001', md5: MD5, size: 7 },
  ];

  test('name each segment with its ETag and size', () => {
    expect(JSON.parse(manifestOf('box ü_segments', segments))[1]).toEqual({
      path: '/box ü_segments/a b/slo/x/12/00000001',
      etag: MD5,
      size_bytes: 7,
    });
  });

  test("have the MD5 of their segments' ETags for an ETag", () => {
    expect(manifestEtag(segments)).toBe(
      createHash('md5')
        .update(MD5 + MD5)
        .digest('hex'),
    );
  });

  test('are read as paths to ask for, large ones among them, data left out', () => {
    const text = JSON.stringify([
      { name: '/box s/a b/1', hash: MD5 },
      { data: 'AAAA' },
      { name: '/box s/c#', sub_slo: true },
    ]);
    expect(readManifest(text)).toEqual([
      { path: '/box%20s/a%20b/1', isLarge: false },
      { path: '/box%20s/c%23', isLarge: true },
    ]);
    for (const none of ['', '{}', 'bytes']) expect(readManifest(none)).toBeNull();
  });

  test('a segment is named after its object, within 1,024 bytes, and like no other', () => {
    const ids = new Set<string>();
    for (const name of ['a', 'ü'.repeat(490), 'k'.repeat(1024), `${'k'.repeat(1023)}x`])
      for (const attempt of ['f'.repeat(24), 'e'.repeat(24)])
        for (const index of [0, 1, 999]) {
          const segment = segmentName(name, attempt, Number.MAX_SAFE_INTEGER, index);
          expect(Buffer.byteLength(segment)).toBeLessThanOrEqual(1024);
          ids.add(segment);
        }
    expect(ids.size).toBe(4 * 2 * 3);
    expect(segmentName('a/b', 'attempt', 12, 3)).toBe('a/b/slo/attempt/12/00000003');
  });

  test('what a DELETE with segments left undone is told, whatever its status', () => {
    const done = { 'Response Status': '200 OK', Errors: [], 'Number Deleted': 3 };
    expect(whatIsLeft(JSON.stringify(done))).toBeNull();
    expect(
      whatIsLeft(
        JSON.stringify({
          ...done,
          'Response Status': '400 Bad Request',
          Errors: [['/b/a', '403 Forbidden']],
        }),
      ),
    ).toBe('400 Bad Request, /b/a: 403 Forbidden');
    for (const none of ['', '[]', '<html>']) expect(whatIsLeft(none)).toBe('no answer');
  });
});
