import { readFileSync } from 'node:fs';
import type { EtcdAuth, EtcdTls } from '../registry/etcd-host.js';
import { messageOf, UsageError } from '../runtime/errors.js';
import { type OptionTable, parseText } from '../runtime/options.js';

/** Never options: a command line is for all to read. */
const PASSWORD = 'CONVOY_ETCD_PASSWORD';
const FLEET_PASSWORD = 'FLEET_ETCD_PASSWORD';

export const etcdAccessTable = {
  etcdCafile: {
    flag: '--etcd-cafile <file>',
    env: 'CONVOY_ETCD_CAFILE',
    help: "PEM of the authority that signs etcd's certificates (default: those this system trusts)",
    parse: parseText,
  },
  etcdCertfile: {
    flag: '--etcd-certfile <file>',
    env: 'CONVOY_ETCD_CERTFILE',
    help: 'PEM of the certificate to show to etcd',
    parse: parseText,
  },
  etcdKeyfile: {
    flag: '--etcd-keyfile <file>',
    env: 'CONVOY_ETCD_KEYFILE',
    help: 'PEM of the key to that certificate',
    parse: parseText,
  },
  etcdUsername: {
    flag: '--etcd-username <name>',
    env: 'CONVOY_ETCD_USERNAME',
    help: `user of etcd; the password is read from --etcd-password-file, or from ${PASSWORD} in the environment`,
    parse: parseText,
  },
  etcdPasswordFile: {
    flag: '--etcd-password-file <file>',
    env: 'CONVOY_ETCD_PASSWORD_FILE',
    help: 'file that holds the password alone; a newline at its end does not count',
    parse: parseText,
  },
} satisfies OptionTable;

export interface EtcdAccessOptions {
  readonly etcd: readonly string[];
  readonly etcdCafile?: string | undefined;
  readonly etcdCertfile?: string | undefined;
  readonly etcdKeyfile?: string | undefined;
  readonly etcdUsername?: string | undefined;
  readonly etcdPasswordFile?: string | undefined;
}

/**
 * What etcd wants to see. Takes the password out of `env`, so that nothing convoyd starts inherits it. `fleetPassword`
 * is of fleet's settings and counts when there is no other. Throws `UsageError` for options that do not go together,
 * files that cannot be read, and an environment in which no certificate would be checked.
 */
export function readEtcdAccess(
  options: EtcdAccessOptions,
  env: NodeJS.ProcessEnv,
  fleetPassword: string | null,
): { readonly tls?: EtcdTls; readonly auth?: EtcdAuth } {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0')
    throw new UsageError(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would switch off the check of certificates: take it out',
    );
  const own = env[PASSWORD] === '' ? undefined : env[PASSWORD];
  const fleets = options.etcdPasswordFile === undefined ? (fleetPassword ?? undefined) : undefined;
  const fromEnv = own ?? fleets;
  for (const name of [PASSWORD, FLEET_PASSWORD]) delete env[name];
  const tls = readTls(options);
  const auth = readAuth(options, fromEnv);
  return { ...(tls === undefined ? {} : { tls }), ...(auth === undefined ? {} : { auth }) };
}

function readTls({ etcd, ...files }: EtcdAccessOptions): EtcdTls | undefined {
  const { etcdCafile, etcdCertfile, etcdKeyfile } = files;
  const secure = etcd.filter((endpoint) => endpoint.startsWith('https:'));
  const plain = etcd.find((endpoint) => !endpoint.startsWith('https:'));
  if (secure.length > 0 && plain !== undefined)
    throw new UsageError(`--etcd: ${plain} is without TLS and ${secure[0]} is not: write all with https://`);
  if ((etcdCertfile === undefined) !== (etcdKeyfile === undefined))
    throw new UsageError('--etcd-certfile and --etcd-keyfile go together: give both, or neither');
  if (etcdCafile === undefined && etcdCertfile === undefined) return undefined;
  if (plain !== undefined)
    throw new UsageError(
      `--etcd: ${plain} is without TLS, so --etcd-cafile, --etcd-certfile and --etcd-keyfile say nothing: write https://, or leave them out`,
    );
  if (etcdCafile === undefined)
    throw new UsageError(
      '--etcd-certfile needs --etcd-cafile: the authority that signs the certificates of etcd',
    );
  return {
    ca: read('--etcd-cafile', etcdCafile),
    cert: etcdCertfile && read('--etcd-certfile', etcdCertfile),
    key: etcdKeyfile && read('--etcd-keyfile', etcdKeyfile),
  };
}

function readAuth(options: EtcdAccessOptions, fromEnv: string | undefined): EtcdAuth | undefined {
  const { etcdUsername: username, etcdPasswordFile: file } = options;
  if (file !== undefined && fromEnv !== undefined)
    throw new UsageError(`--etcd-password-file and ${PASSWORD} are both given: leave one out`);
  const password = file === undefined ? fromEnv : read('--etcd-password-file', file).replace(/\r?\n$/, '');
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined)
    throw new UsageError('a password for etcd is given, but no user: give --etcd-username too');
  if (password === undefined)
    throw new UsageError(
      `--etcd-username needs a password: give --etcd-password-file, or ${PASSWORD} in the environment`,
    );
  return { username, password };
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag}: ${messageOf(error)}`, { cause: error });
  }
}
