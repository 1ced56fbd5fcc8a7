import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type AccessFiles, readAccess } from '../../../api/access-files.js';
import { makeAuthority } from '../../support/certificates.js';
import { useGround } from '../../support/services.js';

const ground = useGround('access-files');
const SECRET = 's'.repeat(32);
const authority = makeAuthority(join(ground.dir, 'certificates'));
const host = authority.issue('host1', 'IP:127.0.0.1');
const other = authority.issue('other', 'IP:127.0.0.1');
const tls = { tlsCert: host.cert, tlsKey: host.key };
const folder = join(ground.dir, 'folder');
mkdirSync(folder);

/** A file of this text and mode. */
function file(name: string, text: string, mode = 0o600): string {
  const path = join(ground.dir, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}
const words = file('words', 'hello\n');
const tokens = file('tokens', `alice admin ${SECRET}\n`);
const openTokens = file('open-tokens', `alice admin ${SECRET}\n`, 0o640);
const openKey = file('open.key', readFileSync(host.key, 'utf8'), 0o644);
const mangled = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

test('all there is', () => {
  const access = readAccess({ ...tls, tlsCa: authority.cert, apiTokens: tokens });
  expect(access).toMatchObject({
    tokens: [{ name: 'alice', role: 'admin' }],
    tls: { ca: readFileSync(authority.cert, 'utf8') },
  });
  expect(readAccess({ tlsCert: other.cert, tlsKey: other.key }).tls).toMatchObject({ ca: null });
  expect(readAccess({})).toEqual({ tokens: [], tls: null });
});

test('an authority is told from its successor: both are believed', () => {
  const both = file(
    'both.crt',
    `${readFileSync(authority.cert, 'utf8')}# next\n${readFileSync(authority.cert, 'utf8')}`,
  );
  expect(readAccess({ ...tls, tlsCa: both }).tls?.ca).toContain('# next');
});

test.each<[string, AccessFiles, string]>([
  ['half of TLS', { tlsCert: host.cert }, '--tls-cert and --tls-key go together: give both, or neither'],
  ['the other half', { tlsKey: host.key }, '--tls-cert and --tls-key go together: give both, or neither'],
  ['an authority alone', { tlsCa: authority.cert }, '--tls-ca needs --tls-cert and --tls-key'],
  ['no such file', { ...tls, tlsCert: '/nowhere.crt' }, '--tls-cert: ENOENT: no such file or directory'],
  ['a folder', { ...tls, tlsKey: folder }, '--tls-key: EISDIR'],
  ['no certificate', { ...tls, tlsCert: words }, `--tls-cert: ${words} holds no certificate in PEM`],
  ['a mangled one', { ...tls, tlsCert: file('mangled.crt', mangled) }, 'mangled.crt: error:'],
  ['no key', { ...tls, tlsKey: words }, `--tls-key: ${words} is no private key in PEM`],
  ['the key to another', { ...tls, tlsKey: other.key }, `is not the key to the certificate ${host.cert}`],
  [
    'a key open to all',
    { ...tls, tlsKey: openKey },
    `is open to others than its owner: chmod 600 ${openKey}`,
  ],
  ['no authority', { ...tls, tlsCa: host.cert }, 'holds a certificate that may sign no others'],
  ['an empty authority', { ...tls, tlsCa: file('empty', '') }, 'holds no certificate in PEM'],
  ['no such tokens', { apiTokens: '/nowhere' }, '--api-tokens: ENOENT'],
  ['tokens open to the group', { apiTokens: openTokens }, `chmod 600 ${openTokens}`],
  ['no tokens', { apiTokens: words }, `--api-tokens: ${words}: line 1: expected NAME ROLE TOKEN`],
])('%s: one sentence', (_, files, sentence) => {
  const said = expect.objectContaining({ code: 'usage', message: expect.stringContaining(sentence) });
  expect(() => readAccess(files)).toThrow(said);
  expect(() => readAccess(files)).not.toThrow(/\n|sssss/);
});
