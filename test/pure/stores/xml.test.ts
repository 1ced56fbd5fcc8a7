import { describe, expect, test } from 'vitest';
import { elementsAt, parseXml, textAt } from '../../../stores/xml.js';

const DOCUMENT = `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:">
  <D:response><D:href>/a&amp;b&#x20;%20&#233; </D:href><size>007</size></D:response>
  <other:response xmlns:other="DAV:"><other:href><![CDATA[&amp;<x>]]></other:href><size/></other:response>
</D:multistatus>`;

describe('an answer in XML', () => {
  const responses = elementsAt(parseXml('PROPFIND x', DOCUMENT), 'multistatus', 'response');

  test('is found by local names, whatever the prefixes', () => {
    expect(responses).toHaveLength(2);
  });

  test('keeps spaces and leading zeros, and decodes what is escaped once', () => {
    expect(textAt(responses[0]!, 'href')).toBe('/a&b %20é ');
    expect(textAt(responses[0]!, 'size')).toBe('007');
    expect(textAt(responses[1]!, 'href')).toBe('&amp;<x>');
  });

  test('an empty leaf is an empty text, an absent one null', () => {
    expect(textAt(responses[1]!, 'size')).toBe('');
    expect(textAt(responses[1]!, 'nothing', 'here')).toBeNull();
    expect(elementsAt(responses[1]!, 'size')).toEqual([]);
  });

  test('one child is a list too', () => {
    expect(elementsAt(parseXml('x', '<a><b><c>1</c></b></a>'), 'a', 'b')).toHaveLength(1);
  });
});

test.each([
  ['nothing', ''],
  ['text', 'hello'],
  ['JSON', '{"a":1}'],
  ['what is cut', '<a><b>'],
  ['what does not nest', '<a></b>'],
  ['entities of its own', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
  ['names that would change our own objects', '<a><__proto__>1</__proto__></a>'],
])('%s is transient/bad-answer, and says who answered', (_, text) => {
  expect(() => parseXml('GET s3://bucket', text)).toThrow(
    expect.objectContaining({
      kind: 'transient',
      code: 'bad-answer',
      message: expect.stringMatching(/^GET s3:\/\/bucket: /),
    }),
  );
});
