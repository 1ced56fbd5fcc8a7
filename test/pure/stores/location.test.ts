import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import { parseDestination, parseLocation, scrub, splitObject } from '../../../stores/location.js';

describe('a location', () => {
  test.each([
    ['http://content.zoom.it/dzis', { kind: 'http', url: 'http://content.zoom.it/dzis' }],
    ['http://content.zoom.it/dzis/', { kind: 'http', url: 'http://content.zoom.it/dzis' }],
    ['https://host:8443', { kind: 'http', url: 'https://host:8443' }],
    ['http://[::1]:80/a%20b', { kind: 'http', url: 'http://[::1]/a%20b' }],
    ['file:///srv/tiles', { kind: 'file', directory: '/srv/tiles' }],
    ['file:///srv/with%20space/', { kind: 'file', directory: '/srv/with space' }],
    ['file:///', { kind: 'file', directory: '/' }],
    ['azure://acc/box/a/b/', { kind: 'azure', account: 'acc', container: 'box', prefix: 'a/b' }],
    ['swift://box', { kind: 'swift', container: 'box', prefix: '' }],
    ['S3://My.Bucket/a%20b/%3F', { kind: 's3', container: 'My.Bucket', prefix: 'a b/?' }],
    ['webdav+https://host/base/', { kind: 'webdav', url: 'https://host/base' }],
    [
      'pkgcloud+rackspace://box/x',
      { kind: 'pkgcloud', provider: 'rackspace', container: 'box', prefix: 'x' },
    ],
  ])('%s is read', (text, location) => {
    expect(parseLocation(text)).toEqual(location);
  });

  test.each([
    ['azure://account', 'names no container'],
    ['azure:///container', 'names no account'],
    ['s3://', 'names no container'],
    ['swift://container/../x', 'no object can have'],
    ['swift://container/a//b', 'no object can have'],
    ['webdav+ftp://host/base', 'unknown scheme'],
    ['pkgcloud+google://container', "pkgcloud's google is not supported"],
    ['ftp://host/x', 'unknown scheme'],
    ['/srv/tiles', 'not a location'],
    ['', 'not a location'],
    ['file://host/dir', 'three slashes'],
    ['file:/dir', 'three slashes'],
    ['file:///a%zz', 'percent-encoding'],
    ['file:///a%00b', 'zero byte'],
    ['http://host/base?sig=topsecret', 'query'],
    ['http://user:topsecret@host/base', 'user name or password'],
    ['ftp://user:topsecret@host/x?sig=topsecret', 'user name or password'],
    ['//user:topsecret@nowhere', 'not a location'],
    ['user:topsecret@host/x', 'not a location'],
    ['bob topsecret:topsecret@host', 'not a location'],
  ])('%j is refused in one sentence without its secrets', (text, words) => {
    let caught: unknown;
    try {
      parseLocation(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(UsageError);
    expect((caught as Error).message).toContain(words);
    expect((caught as Error).message).not.toMatch(/topsecret|\n/);
  });

  test.each([
    ['GET http://u:p@h/a?sig=x: HTTP 500', 'GET http://***@h/a?*** HTTP 500'],
    ['two https://a.b/c?d=e and redis://:pw@h:1/0', 'two https://a.b/c?*** and redis://***@h:1/0'],
    ['nothing to hide: a@b? yes', 'nothing to hide: a@b? yes'],
  ])('scrub(%j)', (text, clean) => {
    expect(scrub(text)).toBe(clean);
  });
});

describe('the location of an object', () => {
  test.each([
    ['azure://acc/box/total.txt', 'azure://acc/box', 'total.txt'],
    ['azure://acc/box/a/b%20c', 'azure://acc/box/a', 'b c'],
    ['swift://box/total.txt', 'swift://box', 'total.txt'],
    ['s3://bucket/lists/total.txt/', 's3://bucket/lists', 'total.txt'],
    ['pkgcloud+rackspace://box/x', 'pkgcloud+rackspace://box', 'x'],
    ['http://host:8080/total.txt', 'http://host:8080', 'total.txt'],
    ['webdav+https://host/base/x', 'webdav+https://host/base', 'x'],
    ['file:///total.txt', 'file:///', 'total.txt'],
    ['file:///srv/a%23b', 'file:///srv', 'a#b'],
  ])('%s is a key in what is around it', (text, parent, key) => {
    expect(splitObject(text)).toEqual({ parent, key });
    expect(() => parseLocation(parent)).not.toThrow();
  });

  test.each(['azure://acc/box', 'azure://acc/box/', 'swift://box', 's3://bucket//', 'http://h/', 'file:///'])(
    '%s is not one',
    (text) => {
      expect(splitObject(text)).toBeNull();
    },
  );
});

test('a destination can be written to', () => {
  expect(() => parseDestination('https://host/base')).toThrow(
    'https://host/base is read only: a destination over HTTP is written webdav+https://host/base',
  );
  expect(parseDestination('webdav+https://host/base')).toEqual({ kind: 'webdav', url: 'https://host/base' });
});
