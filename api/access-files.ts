import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { messageOf, UsageError } from '../runtime/errors.js';
import { type Access, parseTokens, type ServerTls, type Token } from './access.js';

/** Paths; absent: not given. */
export interface AccessFiles {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly apiTokens?: string | undefined;
}

/**
 * Reads whom the API is to believe. Throws `UsageError`, one sentence each, for files that are missing, malformed, open
 * to others where they are secret, or that do not go together.
 */
export function readAccess(files: AccessFiles): Access {
  return { tokens: readTokens(files.apiTokens), tls: readTls(files) };
}

function readTokens(file: string | undefined): readonly Token[] {
  if (file === undefined) return [];
  const text = readSecret('--api-tokens', file);
  return understood(`--api-tokens: ${file}`, () => parseTokens(text));
}

function readTls({ tlsCert, tlsKey, tlsCa }: AccessFiles): ServerTls | null {
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError('--tls-cert and --tls-key go together: give both, or neither');
  if (tlsCert === undefined || tlsKey === undefined) {
    if (tlsCa === undefined) return null;
    throw new UsageError('--tls-ca needs --tls-cert and --tls-key: client certificates are part of TLS');
  }
  const [cert, key] = [read('--tls-cert', tlsCert), readSecret('--tls-key', tlsKey)];
  const [own] = certificates('--tls-cert', tlsCert, cert) as [X509Certificate];
  const privateKey = understood(`--tls-key: ${tlsKey} is no private key in PEM`, () => createPrivateKey(key));
  if (!own.checkPrivateKey(privateKey))
    throw new UsageError(`--tls-key: ${tlsKey} is not the key to the certificate ${tlsCert}`);
  const ca = tlsCa === undefined ? null : read('--tls-ca', tlsCa);
  if (tlsCa !== undefined && ca !== null)
    for (const authority of certificates('--tls-ca', tlsCa, ca))
      if (!authority.ca)
        throw new UsageError(`--tls-ca: ${tlsCa} holds a certificate that may sign no others`);
  return { cert, key, ca };
}

/** All certificates of a PEM file, which has to hold one. */
function certificates(flag: string, file: string, pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new UsageError(`${flag}: ${file} holds no certificate in PEM`);
  return understood(`${flag}: ${file}`, () => blocks.map((block) => new X509Certificate(block)));
}

function readSecret(flag: string, file: string): string {
  const text = read(flag, file);
  if ((statSync(file).mode & 0o077) !== 0)
    throw new UsageError(`${flag}: ${file} is open to others than its owner: chmod 600 ${file}`);
  return text;
}

function read(flag: string, file: string): string {
  return understood(flag, () => readFileSync(file, 'utf8'));
}

function understood<T>(what: string, attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    throw new UsageError(`${what}: ${messageOf(error)}`, { cause: error });
  }
}
