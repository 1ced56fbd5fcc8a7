import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDescriptor } from '../../../jobs/descriptor.js';

const seed = Number(process.env.TEST_SEED ?? 5);
const read = (text: string) => readDescriptor(new TextEncoder().encode(text));
const dzi = (attributes: string, size = 'Width="5058" Height="3750"', more = '') =>
  `<?xml version="1.0" encoding="utf-8"?>\n<Image ${attributes}><Size ${size}/>${more}</Image>`;
const GOOD = 'TileSize="254" Overlap="1" Format="jpg"';
const GEOMETRY = { width: 5058, height: 3750, tileSize: 254, overlap: 1, format: 'jpg' };

describe('a descriptor', () => {
  test.each([
    ['namespace 2008', dzi(`${GOOD} xmlns="http://schemas.microsoft.com/deepzoom/2008"`)],
    ['namespace 2009', dzi(`${GOOD} xmlns="http://schemas.microsoft.com/deepzoom/2009"`)],
    ['no namespace', dzi(GOOD)],
    ['a prefix', `<dz:Image xmlns:dz="urn:x" ${GOOD}><dz:Size Width="5058" Height="3750"/></dz:Image>`],
    [
      'lower case',
      '<image tilesize="254" overlap="1" format="jpg"><size width="5058" height="3750"/></image>',
    ],
    [
      'upper case',
      '<IMAGE TILESIZE="254" OVERLAP="1" FORMAT="jpg"><SIZE WIDTH="5058" HEIGHT="3750"/></IMAGE>',
    ],
    ['a byte order mark', `\ufeff${dzi(GOOD)}`],
    ['single quotes and comments', `${dzi(GOOD.replaceAll('"', "'"), undefined, '<!-- c -->')}<!-- c -->`],
  ])('with %s is read', (_, text) => {
    expect(read(text)).toEqual({ geometry: GEOMETRY });
  });

  test('keeps its format verbatim', () => {
    expect(read(dzi('TileSize="254" Overlap="1" Format="JPG"'))).toMatchObject({
      geometry: { format: 'JPG' },
    });
    expect(read(dzi('TileSize="510" Overlap="0" Format="png"'))).toMatchObject({
      geometry: { format: 'png' },
    });
  });

  test.each([
    ['an empty file', '', 'not-a-descriptor'],
    ['text', 'Not found', 'not-a-descriptor'],
    ['an HTML page', '<!DOCTYPE html><html><body>Sorry</body></html>', 'not-a-descriptor'],
    ['XHTML', '<html><body>Sorry</body></html>', 'not-a-descriptor'],
    ['broken XML', `<Image ${GOOD}><Size Width="1" Height="1"></Image>`, 'not-a-descriptor'],
    ['a cut file', dzi(GOOD).slice(0, 80), 'not-a-descriptor'],
    ['no Size', `<Image ${GOOD}/>`, 'not-a-descriptor'],
    ['two Sizes', dzi(GOOD, 'Width="1" Height="1"', '<Size Width="2" Height="2"/>'), 'not-a-descriptor'],
    ['two Images', `${dzi(GOOD)}<Image ${GOOD}/>`, 'not-a-descriptor'],
    ['a DOCTYPE', `<!DOCTYPE x SYSTEM "file:///etc/passwd">${dzi(GOOD)}`, 'not-a-descriptor'],
    ['billion laughs', `<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>${dzi(GOOD)}`, 'not-a-descriptor'],
    ['an entity for a number', dzi('TileSize="&#50;54" Overlap="1" Format="jpg"'), 'bad-geometry'],
    ['deep nesting', '<Image>'.repeat(5000), 'not-a-descriptor'],
    ['prototype tricks', dzi(GOOD, 'Width="1" Height="1"', '<__proto__ a="1"/>'), 'not-a-descriptor'],
    ['zero width', dzi(GOOD, 'Width="0" Height="10"'), 'bad-geometry'],
    ['negative height', dzi(GOOD, 'Width="10" Height="-10"'), 'bad-geometry'],
    ['a broken number', dzi(GOOD, 'Width="10.5" Height="1e3"'), 'bad-geometry'],
    ['hexadecimal', dzi(GOOD, 'Width="0x10" Height="10"'), 'bad-geometry'],
    ['a missing width', dzi(GOOD, 'Height="10"'), 'bad-geometry'],
    ['enormous sides', dzi(GOOD, 'Width="99999999999" Height="10"'), 'bad-geometry'],
    ['too many tiles', dzi('TileSize="1" Format="jpg"', 'Width="2000000" Height="2000000"'), 'bad-geometry'],
    ['tile size zero', dzi('TileSize="0" Overlap="1" Format="jpg"'), 'bad-geometry'],
    ['negative overlap', dzi('TileSize="254" Overlap="-1" Format="jpg"'), 'bad-geometry'],
    ['a format that leads elsewhere', dzi('TileSize="254" Format="../../x"'), 'unsupported-format'],
    ['no format', dzi('TileSize="254" Overlap="1"'), 'unsupported-format'],
    ['a format we cannot check', dzi('TileSize="254" Overlap="1" Format="wdp"'), 'unsupported-format'],
    ['a sparse image', dzi(GOOD, undefined, '<DisplayRects><DisplayRect/></DisplayRects>'), 'sparse-image'],
    [
      'a collection',
      '<Collection MaxLevel="8" TileSize="256" Format="jpg"><Items/></Collection>',
      'collection',
    ],
    ['a huge file', `${dzi(GOOD)}${' '.repeat(70_000)}`, 'not-a-descriptor'],
  ])('with %s is refused in words', (_, text, reason) => {
    const reading = read(text);
    expect(reading).toMatchObject({ refusal: { reason } });
    expect('refusal' in reading && reading.refusal.detail.length).toBeGreaterThan(10);
  });

  test.each(['utf16le', 'utf16be'])('in %s with a byte order mark is read', (encoding) => {
    const text = dzi(`${GOOD} xmlns="http://schemas.microsoft.com/deepzoom/2008"`).replace('utf-8', 'utf-16');
    const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
    expect(readDescriptor(encoding === 'utf16be' ? bytes.swap16() : bytes)).toEqual({ geometry: GEOMETRY });
  });

  test.each([
    ['Latin-1', Buffer.from(`${dzi(GOOD)}<!-- \xfc -->`, 'latin1')],
    ['UTF-16 without a byte order mark', Buffer.from(dzi(GOOD), 'utf16le')],
    ['UTF-16 cut in the middle of a character', Buffer.from(`\ufeff${dzi(GOOD)}`, 'utf16le').subarray(0, -1)],
    ['binary', Uint8Array.of(0xff, 0xfe, 0x3c, 0)],
  ])('in %s is refused', (_, bytes) => {
    expect(readDescriptor(bytes)).toMatchObject({ refusal: { reason: 'not-a-descriptor' } });
  });

  test('never throws and never yields a geometry out of bounds', () => {
    const soup = fc.array(
      fc.constantFrom(
        '<Image ',
        '<Size ',
        '/>',
        '>',
        '</Image>',
        'Width="7" ',
        'Height="9"',
        GOOD,
        '&',
        '\0',
        'x="',
      ),
    );
    fc.assert(
      fc.property(soup, (parts) => {
        const reading = read(parts.join(''));
        if ('geometry' in reading) expect(reading.geometry).toMatchObject({ width: 7, height: 9 });
      }),
      { seed, verbose: true, numRuns: 1000 },
    );
  });

  test('in its plain form, or nearly so, reads as it does beside a comment', () => {
    const blank = fc.constantFrom(' ', '\n', '\r\n\t', '  ');
    const attribute = fc
      .tuple(
        fc.constantFrom(
          'TileSize',
          'tilesize',
          'Overlap',
          'Format',
          'Width',
          'Height',
          'xmlns',
          'x:Width',
          '_',
        ),
        fc.constantFrom('=', '=', '=', ' = '),
        fc.constantFrom('"254"', '"7"', '"1"', '"jpg"', '"0"', '"-1"', '" 5 "', "'9'", '"&#50;"', '"urn:x"'),
      )
      .map((parts) => parts.join(''));
    const attributes = (...must: string[]) =>
      fc
        .tuple(fc.array(attribute, { maxLength: 2 }), fc.subarray(must, { minLength: must.length - 1 }))
        .chain(([more, some]) =>
          fc.shuffledSubarray([...more, ...some], { minLength: more.length + some.length }),
        )
        .chain((all) => fc.tuple(...all.map((one) => blank.map((space) => space + one))))
        .map((all) => all.join(''));
    const text = fc
      .tuple(
        fc.constantFrom('', '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0"?>', ' '),
        fc.constantFrom('Image', 'Image', 'image'),
        attributes('TileSize="254"', 'Overlap="1"', 'Format="jpg"'),
        fc.constantFrom('', '\n', 'x'),
        fc.oneof(attributes('Width="5058"', 'Height="3750"'), attributes('Width=" 5058 "', 'Height="3750"')),
        fc.constantFrom('/>', ' />', '>', '/><DisplayRects/>'),
        fc.constantFrom('</Image>', '</Image>', '</image>', '</Image >', '</Image>\n'),
      )
      .map(([start, name, image, between, size, ends, end]) =>
        [start, `<${name}${image}>`, between, `<Size${size}${ends}`, end].join(''),
      );
    let plain = 0;
    fc.assert(
      fc.property(text, (descriptor) => {
        const reading = read(descriptor);
        if ('geometry' in reading) plain++;
        expect(reading).toEqual(read(`${descriptor}<!-- c -->`));
      }),
      { seed, verbose: true, numRuns: 3000 },
    );
    expect(plain).toBeGreaterThan(100);
  });
});
