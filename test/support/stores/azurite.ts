import { createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { freePort, type Ground } from '../../../agent/ground.js';
import { until } from '../until.js';

const PROGRAM = fileURLToPath(
  new URL('../../../node_modules/azurite/dist/src/blob/main.js', import.meta.url),
);

export interface Azurite {
  /** The endpoint with its account: `http://127.0.0.1:PORT/ACCOUNT`. */
  readonly url: string;
  readonly account: string;
  /** Base64; another one each time, so that whatever leaks it is found. */
  readonly key: string;
  readonly connectionString: string;
  readonly pid: number;
}

/** The account that every emulator has, with its key: what rclone asks for. https://learn.microsoft.com/azure/storage/common/storage-connect-azurite */
export const EMULATOR = {
  account: 'devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
};

/** Azurite's blob server, in memory, with one account of its own name. It slows down with the blobs it holds. `at`: instead of a free port. */
export async function startAzurite(
  ground: Ground,
  owner?: Pick<Azurite, 'account' | 'key'>,
  at?: number,
): Promise<Azurite> {
  const port = at ?? (await freePort());
  const { account, key } = owner ?? {
    account: `convoy${port}`,
    key: randomBytes(64).toString('base64'),
  };
  const child = ground.spawn(
    `azurite-${port}`,
    process.execPath,
    [
      ...[PROGRAM, '--blobHost', '127.0.0.1', '--blobPort', String(port), '--blobKeepAliveTimeout', '60'],
      ...['--inMemoryPersistence', '--silent', '--disableTelemetry', '--skipApiVersionCheck'],
    ],
    { ...process.env, NODE_ENV: 'production', AZURITE_ACCOUNTS: `${account}:${key}` },
  );
  let ended: string | null = null;
  child.once('exit', (code, signal) => {
    ended = String(signal ?? code);
  });
  await until(
    'azurite answers',
    () => {
      if (ended !== null) throw new Error(`azurite ended while starting (${ended})`);
      return accepts(port);
    },
    30_000,
  );
  const url = `http://127.0.0.1:${port}/${account}`;
  return {
    ...{ url, account, key, pid: child.pid ?? 0 },
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${url};`,
  };
}

/**
 * An account SAS that may do everything with blobs, of the form of version 2021-12-02, good until then (ms since 1970):
 * https://learn.microsoft.com/rest/api/storageservices/create-account-sas
 */
export function accountSas(
  { account, key }: Pick<Azurite, 'account' | 'key'>,
  untilMs = Date.now() + 3_600_000,
): string {
  const expiry = `${new Date(untilMs).toISOString().slice(0, 19)}Z`;
  const fields = {
    sp: 'rwdlac',
    ss: 'b',
    srt: 'sco',
    st: '',
    se: expiry,
    sip: '',
    spr: '',
    sv: '2021-12-02',
  };
  const text = [account, ...Object.values(fields), '', ''].join('\n');
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  const query = Object.entries({ ...fields, sig }).filter(([, value]) => value !== '');
  return query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
}

/** Azurite listens only when it is ready. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
