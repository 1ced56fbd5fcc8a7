import { describe, expect, test } from 'vitest';
import { canonicalQuery, encodePath, sha256, signer, UNSIGNED_PAYLOAD } from '../../../stores/s3/sign.js';

// AWS's Signature Version 4 test suite (aws-sig-v4-test-suite, published with the AWS General Reference): the cases
// whose paths need no normalising, which S3 does not do.
const SUITE = {
  credentials: {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken: null,
  },
  nowMs: Date.UTC(2015, 7, 30, 12, 36, 0),
};
const TOKEN =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==';
const UNRESERVED = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

interface SuiteCase {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly token?: string;
  readonly signed: string;
  readonly signature: string;
}

const CASES: readonly SuiteCase[] = [
  {
    name: 'post-vanilla',
    method: 'POST',
    signed: 'host;x-amz-date',
    signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  },
  {
    name: 'get-vanilla-query-order-key-case',
    query: [
      ['Param2', 'value2'],
      ['Param1', 'value1'],
    ],
    signed: 'host;x-amz-date',
    signature: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  },
  {
    name: 'get-vanilla-query-order-value',
    query: [
      ['Param1', 'value2'],
      ['Param1', 'value1'],
    ],
    signed: 'host;x-amz-date',
    signature: '5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694',
  },
  {
    name: 'get-vanilla-query-unreserved',
    query: [[UNRESERVED, UNRESERVED]],
    signed: 'host;x-amz-date',
    signature: '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
  },
  {
    name: 'get-vanilla-utf8-query',
    query: [['ሴ', 'bar']],
    signed: 'host;x-amz-date',
    signature: '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
  },
  {
    name: 'get-unreserved',
    path: `/${UNRESERVED}`,
    signed: 'host;x-amz-date',
    signature: '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
  },
  {
    name: 'get-header-value-trim',
    headers: { 'my-header1': ' value1', 'my-header2': ' "a   b   c"' },
    signed: 'host;my-header1;my-header2;x-amz-date',
    signature: 'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  },
  {
    name: 'post-header-key-sort',
    method: 'POST',
    headers: { 'my-header1': 'value1' },
    signed: 'host;my-header1;x-amz-date',
    signature: 'c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c',
  },
  {
    name: 'post-x-www-form-urlencoded',
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'Param1=value1',
    signed: 'content-type;host;x-amz-date',
    signature: 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  },
  {
    name: 'post-sts-header-before',
    method: 'POST',
    token: TOKEN,
    signed: 'host;x-amz-date;x-amz-security-token',
    signature: '85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead',
  },
];

describe('AWS SigV4 test suite', () => {
  test.each(CASES)('$name', ({ method, path, query, headers, body, token, signed, signature }) => {
    const sign = signer({ ...SUITE.credentials, sessionToken: token ?? null }, 'us-east-1', 'service');
    const added = sign(
      {
        method: method ?? 'GET',
        path: encodePath(path ?? '/'),
        query: canonicalQuery(query ?? []),
        headers: { host: 'example.amazonaws.com', ...headers },
        payloadHash: sha256(body ?? ''),
      },
      SUITE.nowMs,
    );
    expect(added).toEqual({
      'x-amz-date': '20150830T123600Z',
      ...(token === undefined ? {} : { 'x-amz-security-token': token }),
      authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${signed}, Signature=${signature}`,
    });
  });
});

// Amazon S3 API Reference, "Signature Calculations for the Authorization Header", its four examples.
const S3 = {
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    sessionToken: null,
  },
  nowMs: Date.UTC(2013, 4, 24),
};

describe('the examples of the S3 API Reference', () => {
  const signatureOf = (
    method: string,
    key: string,
    query: readonly (readonly [string, string])[],
    headers: Readonly<Record<string, string>>,
    body = '',
  ): string | undefined => {
    const payloadHash = sha256(body);
    const added = signer(
      S3.credentials,
      'us-east-1',
      's3',
    )(
      {
        ...{ method, path: `/${encodePath(key)}`, query: canonicalQuery(query), payloadHash },
        headers: {
          ...{ host: 'examplebucket.s3.amazonaws.com', 'x-amz-content-sha256': payloadHash, ...headers },
        },
      },
      S3.nowMs,
    );
    return added.authorization?.split('Signature=')[1];
  };

  test('GET Object with a range', () => {
    expect(signatureOf('GET', 'test.txt', [], { range: 'bytes=0-9' })).toBe(
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
  });

  test('PUT Object, a key with a $', () => {
    const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
    expect(signatureOf('PUT', 'test$file.text', [], headers, 'Welcome to Amazon S3.')).toBe(
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    );
  });

  test('GET Bucket Lifecycle: a parameter without a value', () => {
    expect(signatureOf('GET', '', [['lifecycle', '']], {})).toBe(
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    );
  });

  test('GET Bucket: parameters in order', () => {
    const query = [
      ['prefix', 'J'],
      ['max-keys', '2'],
    ] as const;
    expect(signatureOf('GET', '', query, {})).toBe(
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    );
  });
});

describe('beyond the vectors', () => {
  const request = {
    ...{ method: 'GET', path: '/x', query: '', headers: { host: 'h' }, payloadHash: UNSIGNED_PAYLOAD },
  };

  test('one signer turns to the next day as a fresh one would', () => {
    const kept = signer(S3.credentials, 'us-east-1', 's3');
    for (const nowMs of [S3.nowMs + 86_399_999, S3.nowMs + 86_400_000, S3.nowMs + 86_401_000, S3.nowMs])
      expect(kept(request, nowMs)).toEqual(signer(S3.credentials, 'us-east-1', 's3')(request, nowMs));
  });

  test('a path keeps its slashes and encodes all that S3 encodes', () => {
    expect(encodePath("a/b c/%25+#?&=;:@$,!'()*~ä🚀")).toBe(
      'a/b%20c/%2525%2B%23%3F%26%3D%3B%3A%40%24%2C%21%27%28%29%2A~%C3%A4%F0%9F%9A%80',
    );
  });

  test('a parameter comes before a longer one that begins with it, though "=" sorts after "-"', () => {
    expect(
      canonicalQuery([
        ['a-b', '1'],
        ['a', '2'],
      ]),
    ).toBe('a=2&a-b=1');
  });
});
