import fc from 'fast-check';

/** One request as it is put on the wire. */
export interface FuzzCase {
  readonly method: string;
  /** As sent; characters beyond latin1 go out in UTF-8. */
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: FuzzBody;
  readonly chunked: boolean;
  /** Breaks off: half of the body is sent, then nobody is there any more. */
  readonly leaves: boolean;
}

/** A body, or how to make it: a huge one is not kept until its turn. */
export type FuzzBody = Buffer | { readonly size: number; readonly deep: boolean };

export interface FuzzRoute {
  readonly path: string;
  readonly methods: readonly string[];
}

const METHODS = [
  ...['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'M-SEARCH', 'CONNECT'],
  ...['get', 'BREW', 'A'.repeat(300), ''],
];
const UNITS = [
  ...['placed.service', 'web@1.service', 'web@2.service', 'web@.service', 'a.service', 'b.timer', 'c.mount'],
  ...[
    'ünit.service',
    'sp ace.service',
    'x\\x2dy.service',
    'loaded',
    '.service',
    'a.device',
    'nothing.service',
  ],
];
const NASTY = [
  ...['', '.', '..', '*', '%', '%00', '\0', '\n', '__proto__', 'constructor', 'toString', 'hasOwnProperty'],
  ...[
    'a/b.service',
    '../../etc/passwd',
    '\u2028',
    '😀.service',
    `${'a'.repeat(300)}.service`,
    '-',
    '[',
    '[a-',
    '\\',
  ],
];
const QUERY_KEYS = [
  ...[
    'nextPageToken',
    'unitName',
    'machineID',
    'alt',
    'name',
    'target',
    'machine',
    'dryRun',
    'after',
    'unit',
  ],
  ...['kind', 'lines', 'follow', 'output', 'since', 'follow', '__proto__', 'x'],
];
const VALUES = [
  ...[
    'true',
    'false',
    '0',
    '1',
    '-1',
    '5',
    '1e3',
    '99999999999999999999',
    'NaN',
    'launched',
    'json',
    'cat',
    'state',
  ],
  ...['bGltaXQ9MTAw', 'eyJMaW1pdCI6MTAwLCJQYWdlIjoyfQ==', '%', 'é'],
];
const HEADERS: readonly (readonly [string, string])[] = [
  ...(
    [
      'application/json',
      'application/json; charset=utf-8',
      'text/plain',
      '',
      'application/xml',
      'APPLICATION/JSON',
    ] as const
  ).map((type) => ['Content-Type', type] as const),
  ...(['"1"', '"5"', '*', '"99999999999999999999"', 'W/"1"', '""', 'x', '"1", "2"'] as const).map(
    (tag) => ['If-Match', tag] as const,
  ),
  ...(['*', '"1"', 'x'] as const).map((tag) => ['If-None-Match', tag] as const),
  ...(['0', '5', '-1', 'x', '99999999999999999999'] as const).map((id) => ['Last-Event-ID', id] as const),
  ...(['Basic eDp5', 'Bearer', 'Bearer x', ''] as const).map((word) => ['Authorization', word] as const),
  ['Origin', 'http://example.com'],
  ['Expect', '100-continue'],
  ['Expect', 'a miracle'],
  ['Connection', 'close'],
  ['Connection', 'upgrade'],
  ['Upgrade', 'h2c'],
  ['Accept', 'text/event-stream'],
  ['Accept-Encoding', 'gzip'],
  ['X-Convoy-Passed-On', 'a'.repeat(32)],
  ['X-Convoy-Passed-On', 'somebody'],
  ['X-Convoy-Caller', 'admin root'],
  ['Host', 'other'],
  ['Cookie', 'a=b'],
  ['X-Long', 'x'.repeat(9_000)],
  ['X-Very-Long', 'x'.repeat(20_000)],
  ['X-Latin', 'é\u0080'],
  ['__proto__', 'x'],
];

const word = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...UNITS) },
  { weight: 2, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 80 }) },
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 2, arbitrary: word },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
);

/** How a path may be spoilt, at a place of it (0 to 1). */
const SPOILS: readonly ((path: string, at: number) => string)[] = [
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => path.replaceAll('/', '//'),
  (path) => path.toUpperCase(),
  (path) => `http://convoy${path}`,
  (path) => path.slice(1),
  (path) => `${path}${'a'.repeat(3_000)}`,
  (path) => `${path}${'/a'.repeat(15_000)}`,
  (path) =>
    [...Buffer.from(path)]
      .map((byte) => (byte === 0x2f ? '/' : `%${byte.toString(16).padStart(2, '0')}`))
      .join(''),
  (path) => encodeURI(path).replaceAll('%', '%25'),
  ...[
    '%00',
    '%ff',
    '%2f',
    '%2F..%2f',
    '%zz',
    '%',
    '/../',
    '/./',
    '?',
    '#',
    'é',
    '😀',
    '\0',
    '\t',
    ' ',
    ';',
    ':',
  ].map((bit) => (path: string, at: number) => {
    const place = Math.floor(at * path.length);
    return `${path.slice(0, place)}${bit}${path.slice(place)}`;
  }),
];

function targetOf(path: string): fc.Arbitrary<string> {
  const parts = path.split('/').map((part) =>
    !part.startsWith(':')
      ? fc.constant(part)
      : fc.oneof(
          {
            weight: 9,
            arbitrary: (part === ':id'
              ? fc.constantFrom('a'.repeat(32), 'aaaaaaaa', 'b'.repeat(32))
              : word
            ).map(encodeURIComponent),
          },
          { weight: 1, arbitrary: value.map(encodeURIComponent) },
        ),
  );
  const query = fc.array(fc.tuple(fc.constantFrom(...QUERY_KEYS), value), { maxLength: 3 });
  const spoils = fc.array(fc.tuple(fc.constantFrom(...SPOILS), fc.double({ min: 0, max: 1, noNaN: true })), {
    maxLength: 2,
  });
  return fc
    .tuple(
      fc.tuple(...parts),
      fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, query),
      fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, spoils),
    )
    .map(([made, pairs, bad]) => {
      const whole = bad.reduce((sofar, [spoil, at]) => spoil(sofar, at), made.join('/'));
      const asked = pairs
        .map(([key, one]) => `${encodeURIComponent(key)}=${encodeURIComponent(one)}`)
        .join('&');
      return asked === '' ? whole : `${whole}?${asked}`;
    });
}

const option = fc.record({
  section: fc.constantFrom('Unit', 'Service', 'X-Fleet', 'X-Convoy', 'Install', 'Timer', '', 'x]y'),
  name: fc.constantFrom(
    'ExecStart',
    'Description',
    'Conflicts',
    'MachineOf',
    'MachineMetadata',
    'Global',
    'Replaces',
    'Spread',
    'Require',
    'OnPartition',
    'Service',
    'Port',
    'TimeoutStopSec',
    '',
    'x=y',
  ),
  value: fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.constant('x'.repeat(5_000)) }),
});
const state = fc.constantFrom('inactive', 'loaded', 'launched', 'running', '', null);
const unit = fc.record(
  {
    name: word,
    desiredState: state,
    target: state,
    options: fc.array(option, { maxLength: 5 }),
    expected: fc.constantFrom(0, 1, 5, -1, 1e300, null),
    currentState: state,
  },
  { requiredKeys: [] },
);
const shaped = fc.oneof(
  { weight: 4, arbitrary: unit },
  { weight: 2, arbitrary: fc.record({ units: fc.array(unit, { maxLength: 4 }) }) },
  {
    weight: 1,
    arbitrary: unit.map((one) => ({
      units: Array.from({ length: 120 }, (_, at) => ({ ...one, name: `many@${at % 60}.service` })),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ to: fc.oneof(fc.constantFrom('a'.repeat(32), 'b'.repeat(32), null), value) }),
  },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.record({
        op: fc.constantFrom('add', 'replace', 'remove', 'test', ''),
        path: fc.oneof(
          fc.constantFrom(`/${'a'.repeat(32)}/metadata/k`, `/${'b'.repeat(32)}/metadata/k`, '/', 'metadata'),
          value,
        ),
        value: fc.oneof(value, fc.constant(null)),
      }),
      { maxLength: 4 },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.dictionary(
      fc.oneof(value, fc.constantFrom('__proto__', 'constructor')),
      fc.oneof(value, fc.constant(null)),
      { maxKeys: 5 },
    ),
  },
  { weight: 2, arbitrary: fc.jsonValue({ depthSize: 'medium' }) },
);

/** Bytes thrown out, put in or turned over. */
const hurt = fc
  .tuple(
    shaped,
    fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('cut', 'put', 'turn', 'end')), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([json, blows]) =>
    blows.reduce(
      (text, [place, byte, how]) => {
        const at = place % (text.length + 1);
        const rest = how === 'put' ? text.subarray(at) : text.subarray(at + 1);
        if (how === 'end') return text.subarray(0, at);
        return Buffer.concat([text.subarray(0, at), Buffer.from(how === 'cut' ? [] : [byte]), rest]);
      },
      Buffer.from(JSON.stringify(json)),
    ),
  );

const body: fc.Arbitrary<FuzzBody> = fc.oneof(
  { weight: 300, arbitrary: shaped.map((json) => Buffer.from(JSON.stringify(json))) },
  { weight: 150, arbitrary: fc.constant(Buffer.alloc(0)) },
  { weight: 150, arbitrary: hurt },
  { weight: 50, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 30,
    arbitrary: fc
      .constantFrom(
        '{"__proto__":{"x":1},"constructor":{"prototype":{}}}',
        '{"units":[{"__proto__":[]}]}',
        'null',
        '[]',
        '""',
        '1e999',
        '\ufeff{}',
        '{"a":1}{"b":2}',
      )
      .map((text) => Buffer.from(text)),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      size: fc.integer({ min: 4 * 1024 * 1024 + 1, max: 9 * 1024 * 1024 }),
      deep: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ size: fc.integer({ min: 10_000, max: 400_000 }), deep: fc.constant(true) }),
  },
);

const ID = 'a'.repeat(32);
const soundName = fc.constantFrom(
  'placed.service',
  'web@1.service',
  'web@.service',
  'a.service',
  'b.timer',
  'ünit.service',
);
const soundState = fc.constantFrom('inactive', 'loaded', 'launched');
const soundOptions = fc
  .tuple(
    fc.constantFrom('/bin/true', '/bin/sleep 1', '/bin/echo %i'),
    fc.array(
      fc.constantFrom(
        { section: 'X-Fleet', name: 'Conflicts', value: 'x@*.service' },
        { section: 'X-Fleet', name: 'MachineMetadata', value: 'az=a' },
        { section: 'X-Convoy', name: 'Prefer', value: 'az=a' },
        { section: 'Unit', name: 'Description', value: 'Größe, "quoted"' },
      ),
      { maxLength: 2 },
    ),
  )
  .map(([value, others]) => [{ section: 'Service', name: 'ExecStart', value }, ...others]);
const soundMachine = fc.constantFrom(ID, ID, 'b'.repeat(32));
const soundKey = fc.constantFrom('az', 'disk', '_', 'k.v');

/** What a careful client sends there. */
function soundBody(method: string, path: string): fc.Arbitrary<unknown> | null {
  if (method === 'PUT' && path.startsWith('/v1/units'))
    return fc.record({ target: soundState, options: soundOptions }, { requiredKeys: ['target'] });
  if (method === 'PUT')
    return fc.record({ desiredState: soundState, options: soundOptions }, { requiredKeys: ['desiredState'] });
  if (method === 'POST' && path === '/v1/units')
    return fc
      .uniqueArray(fc.record({ name: soundName, target: soundState, options: soundOptions }), {
        ...{ minLength: 1, maxLength: 3, selector: ({ name }) => name },
      })
      .map((units) => ({ units }));
  if (method === 'POST' && path.endsWith('/move')) return fc.record({ to: fc.constantFrom(ID, null) });
  if (method === 'PATCH' && path.startsWith('/v1/'))
    return fc.dictionary(soundKey, fc.constantFrom('a', 'b', null), { maxKeys: 3 });
  if (method === 'PATCH')
    return fc.array(
      fc.tuple(fc.constantFrom('add', 'replace', 'remove'), soundMachine, soundKey).map(([op, id, key]) => ({
        ...{ op, path: `/${id}/metadata/${key}`, value: 'a' },
      })),
      { maxLength: 3 },
    );
  return null;
}

function soundCase({ path, methods }: FuzzRoute): fc.Arbitrary<FuzzCase> {
  return fc.constantFrom(...(methods.length === 0 ? ['GET'] : methods)).chain((method) => {
    const sent = soundBody(method, path);
    return fc.record({
      method: fc.constant(method),
      target: fc
        .tuple(soundName, soundMachine)
        .map(([name, id]) => path.replace(':name', encodeURIComponent(name)).replace(':id', id)),
      headers: fc.constant([['Content-Type', 'application/json'] as const]),
      body:
        sent === null ? fc.constant(Buffer.alloc(0)) : sent.map((json) => Buffer.from(JSON.stringify(json))),
      chunked: fc.boolean(),
      leaves: fc.constant(false),
    });
  });
}

function wildCase({ path, methods }: FuzzRoute): fc.Arbitrary<FuzzCase> {
  return fc.record({
    method: fc.oneof(
      ...(methods.length === 0 ? [] : [{ weight: 7, arbitrary: fc.constantFrom(...methods) }]),
      { weight: 2, arbitrary: fc.constantFrom(...METHODS) },
    ),
    target: targetOf(path),
    headers: fc
      .tuple(
        fc.boolean(),
        fc.oneof(
          { weight: 2, arbitrary: fc.constant([]) },
          fc.array(fc.constantFrom(...HEADERS), { maxLength: 3 }),
        ),
      )
      .map(([json, others]) => [...(json ? [['Content-Type', 'application/json'] as const] : []), ...others]),
    body,
    chunked: fc.boolean(),
    leaves: fc.oneof(
      { weight: 30, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
  });
}

/** Whatever somebody may send to an API with these routes; a third of it is as it should be. */
export function fuzzCases(routes: readonly FuzzRoute[]): fc.Arbitrary<FuzzCase> {
  const route = fc.constantFrom(...routes);
  const wild = route.chain(wildCase);
  const lost = fc
    .tuple(wild, fc.webPath({ size: 'small' }))
    .map(([one, target]) => ({ ...one, target: `/${target}` }));
  return fc.oneof(
    { weight: 12, arbitrary: wild },
    { weight: 7, arbitrary: route.chain(soundCase) },
    { weight: 1, arbitrary: lost },
  );
}

/** The bytes of a request; `half`: its body breaks off in the middle. */
export function bytesOf({ method, target, headers, body: sent, chunked }: FuzzCase, half: boolean): Buffer {
  const whole = Buffer.isBuffer(sent) ? sent : made(sent);
  const length: readonly [string, string] = chunked
    ? ['Transfer-Encoding', 'chunked']
    : ['Content-Length', String(whole.length + Number(half))];
  const lines = [
    ['Host', 'convoy'] as const,
    ...headers,
    ...(whole.length === 0 && !half && !chunked ? [] : [length]),
  ];
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([name, text]) => `${name}: ${text}\r\n`).join('')}\r\n`;
  const start = Buffer.from(head, /[\u0100-\uffff]/.test(target) ? 'utf8' : 'latin1');
  if (!chunked) return Buffer.concat([start, half ? whole.subarray(0, whole.length / 2) : whole]);
  const parts: Buffer[] = [start];
  for (let at = 0; at < whole.length; at += 65_536) {
    const part = whole.subarray(at, at + 65_536);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat(half ? parts.slice(0, 2) : [...parts, Buffer.from('0\r\n\r\n')]);
}

function made({ size, deep }: { readonly size: number; readonly deep: boolean }): Buffer {
  if (deep)
    return Buffer.concat([Buffer.alloc(Math.ceil(size / 2), '['), Buffer.alloc(Math.floor(size / 2), ']')]);
  return Buffer.concat([
    Buffer.from('{"desiredState":"loaded","options":[]'),
    Buffer.alloc(size, ' '),
    Buffer.from('}'),
  ]);
}
