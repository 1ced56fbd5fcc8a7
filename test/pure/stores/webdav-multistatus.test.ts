import { describe, expect, test } from 'vitest';
import { readMultistatus } from '../../../stores/webdav-multistatus.js';

const read = (text: string, asked = '/dav/a%20b/') => readMultistatus('PROPFIND x', text, asked);
const file = (name: string, size: number) => ({ name, isCollection: false, size, modifiedMs: null });
const multistatus = (...responses: readonly string[]): string =>
  `<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">${responses.join('\n')}</d:multistatus>`;
const response = (href: string, props: string): string =>
  `<d:response><d:href>${href}</d:href><d:propstat><d:prop>${props}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`;
const SELF = response('/dav/a%20b/', '<d:resourcetype><d:collection/></d:resourcetype>');
const sized = (size: number): string => `<d:resourcetype/><d:getcontentlength>${size}</d:getcontentlength>`;

describe('an answer to PROPFIND', () => {
  test('of nginx: with properties nobody asked for', () => {
    const props = `<d:displayname>x</d:displayname><d:getcontentlength>6</d:getcontentlength>
<d:getlastmodified>Sat, 21 Nov 2026 12:17:39 GMT</d:getlastmodified><d:resourcetype></d:resourcetype><d:lockdiscovery/>`;
    expect(read(multistatus(SELF, response('/dav/a%20b/%C3%A4&amp;%3F.jpg', props)))).toEqual({
      isCollection: true,
      entries: [{ ...file('ä&?.jpg', 6), modifiedMs: Date.UTC(2026, 10, 21, 12, 17, 39) }],
    });
  });

  test('of Apache: other prefixes, and what it has not in a part of its own', () => {
    const text = `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:g0="DAV:"><D:href>/dav/a%20b/</D:href>
<D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><g0:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/a%20b/x.jpg</D:href>
<D:propstat><D:prop><lp1:resourcetype/><lp1:getcontentlength>14000</lp1:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
</D:multistatus>`;
    expect(read(text)).toEqual({ isCollection: true, entries: [file('x.jpg', 14_000)] });
  });

  test('with whole addresses, and other letters encoded than ours', () => {
    const text = multistatus(
      response('https://host:8443/dav/%61%20b', '<d:resourcetype><d:collection/></d:resourcetype>'),
      response("https://host:8443/dav/a%20b/it's%2C100%25.jpg", sized(1)),
      response('https://host:8443/dav/a%20b/back%5Cslash', sized(2)),
    );
    expect(read(text).entries).toEqual([file("it's,100%.jpg", 1), file('back\\slash', 2)]);
  });

  test('tells collections by their type, or by a slash at the end', () => {
    const folder = '<d:resourcetype><d:collection/></d:resourcetype>';
    const text = multistatus(SELF, response('/dav/a%20b/c', folder), response('/dav/a%20b/d/', ''));
    expect(read(text).entries.map(({ name, isCollection }) => [name, isCollection])).toEqual([
      ['c', true],
      ['d', true],
    ]);
  });

  test('of a file is that of no collection', () => {
    expect(read(multistatus(response('/dav/x', sized(3))), '/dav/x')).toEqual({
      isCollection: false,
      entries: [],
    });
  });

  test('passes over what has just gone, and what lies deeper than was asked', () => {
    const gone =
      '<d:response><d:href>/dav/a%20b/gone</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>';
    const text = multistatus(SELF, gone, response('/dav/a%20b/c/deeper', sized(1)));
    expect(read(text).entries).toEqual([]);
  });

  const cut =
    '<d:response><d:href>/dav/a%20b/</d:href><d:status>HTTP/1.1 507 Insufficient</d:status></d:response>';
  test.each([
    ['names nothing', multistatus('<d:response><d:propstat/></d:response>'), 'has an entry without a name'],
    ['is of another place', multistatus(response('/other/x', sized(1))), 'tells of /other/x'],
    ['is of a neighbour', multistatus(response('/dav/a%20bc', sized(1))), 'tells of /dav/a bc'],
    ['lacks a size', multistatus(SELF, response('/dav/a%20b/x', '')), 'tells no size of /dav/a b/x'],
    ['is cut', multistatus(SELF, cut), 'says HTTP/1.1 507 Insufficient'],
    ['is another document', '<html><body>welcome</body></html>', 'is no multistatus'],
  ])('that %s is refused, as it could hide an object', (_, text, why) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ kind: 'permanent', code: 'rejected', message: expect.stringContaining(why) }),
    );
  });
});
