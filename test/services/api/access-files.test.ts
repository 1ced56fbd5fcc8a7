import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AccessFiles, readAccess } from '../../../api/access-files.js';
import { addressForOthers, reasonsForDistrust } from '../../../api/advertise.js';
import { makeAuthority } from '../../support/certificates.js';
import { useGround } from '../../support/services.js';

const ground = useGround('access-files');
const SECRET = 's'.repeat(32);
const authority = makeAuthority(join(ground.dir, 'certificates'));
const host = authority.issue('host1', 'IP:127.0.0.1', 'convoy-machine');
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
  expect(access).toMatchObject({ tokens: [{ name: 'alice', role: 'admin' }], tls: { ofMachine: true } });
  expect(readAccess({ tlsCert: other.cert, tlsKey: other.key }).tls).toMatchObject({
    ca: null,
    ofMachine: false,
  });
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

describe('what other machines are told, and think of it', () => {
  test.each([
    [['unix:///run/convoy/api.sock'], '10.0.0.5', ''],
    [['unix:///run/convoy/api.sock', 'https://0.0.0.0:7070'], '10.0.0.5', 'https://10.0.0.5:7070'],
    [['https://[::]:7070'], '10.0.0.5', 'https://10.0.0.5:7070'],
    [['https://[::]:7070'], 'fd00::5', 'https://[fd00::5]:7070'],
    [['https://10.0.0.6:7070'], '10.0.0.5', 'https://10.0.0.6:7070'],
    [['http://127.0.0.1:7070'], '10.0.0.5', ''],
    [['https://[::1]:7070'], '10.0.0.5', ''],
    [['http://127.0.0.1:7070'], '127.0.0.1', 'http://127.0.0.1:7070'],
  ])('served at %j by a machine at %s: %j', (addresses, publicIp, address) => {
    expect(addressForOthers(addresses, publicIp)).toBe(address);
  });

  test('a certificate that others will not trust is told at the start, and so is one that is no machine’s', () => {
    const access = readAccess(tls);
    const [here, now] = ['https://127.0.0.1:7070', Date.now()];
    expect(reasonsForDistrust(access, here, now)).toEqual([]);
    expect(reasonsForDistrust(access, 'https://10.0.0.5:7070', now)).toEqual([
      expect.stringContaining('--tls-cert is not for 10.0.0.5'),
    ]);
    expect(reasonsForDistrust(access, here, now + 2 * 86_400_000)).toEqual([
      expect.stringContaining('nobody trusts it any more'),
    ]);
    const plain = { tlsCert: other.cert, tlsKey: other.key };
    expect(reasonsForDistrust(readAccess(plain), here, now)).toEqual([
      expect.stringContaining('no OU=convoy-machine'),
    ]);
    const cluster = file('cluster', `cluster machine ${SECRET}\n`);
    expect(reasonsForDistrust(readAccess({ ...plain, apiTokens: cluster }), here, now)).toEqual([]);
    expect(reasonsForDistrust(readAccess({}), 'http://127.0.0.1:7070', now)).toEqual([]);
  });
});
