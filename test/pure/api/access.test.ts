import { describe, expect, test } from 'vitest';
import {
  identify,
  lacksRole,
  parseTokens,
  type Shown,
  type Token,
  vouchedCaller,
  vouchFor,
} from '../../../api/access.js';
import { type Caller, ROLES } from '../../../api/route.js';

const SECRET = { alice: 'a'.repeat(32), oscar: 'o'.repeat(32) };
const TOKENS: readonly Token[] = [
  { name: 'alice', role: 'admin', secret: SECRET.alice },
  { name: 'oscar', role: 'operate', secret: SECRET.oscar },
];
const NOTHING: Shown = { authorization: undefined, certificate: null };
const certificate = (CN: string, ...OU: string[]): Shown['certificate'] => ({
  subject: { CN, OU },
  problem: null,
});
const bearer = (secret: string): string => `Bearer ${secret}`;

describe('who is asking', () => {
  test.each<[string, Partial<Shown>, Caller]>([
    ['a token', { authorization: bearer(SECRET.alice) }, { name: 'alice', role: 'admin' }],
    [
      'however it is written',
      { authorization: `bearer  ${SECRET.oscar} ` },
      { name: 'oscar', role: 'operate' },
    ],
    ['a certificate', { certificate: certificate('bob', 'convoy-read') }, { name: 'bob', role: 'read' }],
    [
      'one with other units beside ours',
      { certificate: certificate('bob', 'Sales', 'convoy-operate', 'admin') },
      { name: 'bob', role: 'operate' },
    ],
    [
      'a token before a certificate',
      { authorization: bearer(SECRET.oscar), certificate: certificate('bob', 'convoy-admin') },
      { name: 'oscar', role: 'operate' },
    ],
  ])('%s', (_, shown, caller) => {
    expect(identify({ ...NOTHING, ...shown }, TOKENS)).toEqual(caller);
  });

  test.each<[string, Partial<Shown>, number, string]>([
    ['nothing', {}, 401, 'show a token'],
    ['a wrong token', { authorization: bearer('x'.repeat(32)) }, 401, 'this token is not accepted'],
    [
      'the beginning of one',
      { authorization: bearer(SECRET.alice.slice(1)) },
      401,
      'this token is not accepted',
    ],
    ['an empty one', { authorization: 'Bearer ' }, 401, 'this token is not accepted'],
    ['a password', { authorization: `Basic ${SECRET.alice}` }, 401, 'this token is not accepted'],
    [
      'a wrong token beside a good certificate',
      { authorization: bearer('x'.repeat(32)), certificate: certificate('bob', 'convoy-admin') },
      401,
      'this token is not accepted',
    ],
    [
      'a wrong certificate beside a good token',
      {
        authorization: bearer(SECRET.alice),
        certificate: { subject: { CN: 'eve', OU: 'convoy-admin' }, problem: 'SELF_SIGNED' },
      },
      401,
      'this certificate is not accepted: SELF_SIGNED',
    ],
    ['a certificate without a role', { certificate: certificate('bob', 'admin') }, 403, 'gives no role'],
    ['with a role there is not', { certificate: certificate('bob', 'convoy-root') }, 403, 'gives no role'],
    ['with the role of machines', { certificate: certificate('b', 'convoy-machine') }, 403, 'gives no role'],
    ['with the role of units', { certificate: certificate('bob', 'convoy-unit') }, 403, 'gives no role'],
    ['with two', { certificate: certificate('bob', 'convoy-read', 'convoy-admin') }, 403, 'gives no role'],
    [
      'without a name',
      { certificate: { subject: { OU: 'convoy-read' }, problem: null } },
      403,
      'the certificate without a CN',
    ],
  ])('%s is refused', (_, shown, status, sentence) => {
    expect(() => identify({ ...NOTHING, ...shown }, TOKENS)).toThrow(
      expect.objectContaining({ status, message: expect.stringContaining(sentence) }),
    );
  });

  test('no refusal shows what was given', () => {
    const secret = 'x'.repeat(32);
    expect(() => identify({ ...NOTHING, authorization: bearer(secret) }, TOKENS)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    );
  });

  test('what a machine says of a caller is what the other one understands', () => {
    for (const role of ROLES)
      for (const name of ['alice', '/run/convoy/api.sock', 'Jo Ä, admin', '%'])
        expect(vouchedCaller('m1', vouchFor({ name, role }))).toEqual({ name, role, through: 'm1' });
  });

  test.each([undefined, '', 'admin', 'root eve', 'read %E0%A4%A', 'read a b'])(
    'a machine that asks for %j has to say for whom',
    (vouched) => {
      expect(() => vouchedCaller('m1', vouched)).toThrow(
        expect.objectContaining({ status: 403, message: expect.stringContaining('has to say for whom') }),
      );
    },
  );
});

test('each role may do what those before it may', () => {
  const allowed = ROLES.map((role) => ROLES.filter((needed) => !lacksRole({ name: 'x', role }, needed)));
  expect(allowed).toEqual([
    ['unit'],
    ['unit', 'read'],
    ['unit', 'read', 'operate'],
    ['unit', 'read', 'operate', 'admin'],
  ]);
  expect(lacksRole({ name: 'bob', role: 'read' }, 'operate')).toMatchObject({
    ...{ status: 403, code: 'role', message: 'bob has the role read: this needs the role operate' },
  });
});

describe('a file of tokens', () => {
  test('has a line for each; empty lines and comments do not count', () => {
    const text = `# who\n\nalice admin ${SECRET.alice}\r\n  oscar\toperate  ${SECRET.oscar}\n`;
    expect(parseTokens(text)).toEqual(TOKENS);
  });

  test.each([
    ['', 'no line NAME ROLE TOKEN in it'],
    ['# nobody\n', 'no line NAME ROLE TOKEN in it'],
    ['\nalice admin\n', 'line 2: expected NAME ROLE TOKEN'],
    [`alice admin ${SECRET.alice} more`, 'line 1: expected NAME ROLE TOKEN'],
    [`alice root ${SECRET.alice}`, 'line 1: expected one of read, operate, admin as the role'],
    [`alice unit ${SECRET.alice}`, 'line 1: expected one of read, operate, admin as the role'],
    ['alice admin sesame', 'line 1: the token is shorter than 16 characters'],
    [`alice admin ${SECRET.alice}"`, 'line 1: a token is of letters, digits'],
    [`a read ${SECRET.alice}\nb admin ${SECRET.alice}`, 'line 2: the token stands there twice'],
  ])('%j is refused', (text, sentence) => {
    const refused = expect.objectContaining({ message: expect.stringContaining(sentence) });
    expect(() => parseTokens(text)).toThrow(refused);
    expect(() => parseTokens(text)).not.toThrow(SECRET.alice);
  });
});
