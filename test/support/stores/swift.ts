import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Ground } from '../../../agent/ground.js';
import { until } from '../until.js';
import type { KeystoneServer } from './keystone.js';

/**
 * A real OpenStack Swift: proxy, account, container and object server of Debian's packages, one replica on one
 * folder, with tempauth (v1 login), s3api, SLO, DLO, COPY, bulk and TempURL.
 */
export interface SwiftServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** v1: `ST_AUTH`. */
  readonly authUrl: string;
  /** `ST_USER`: may do all in its account. */
  readonly user: string;
  /** `ST_KEY`. */
  readonly key: string;
  /** Of the same account, and allowed nothing in it. */
  readonly stranger: { readonly user: string; readonly key: string };
  /** `http://127.0.0.1:PORT/v1/AUTH_test`. */
  readonly storageUrl: string;
  /** The same objects by S3's protocol; path style, and virtual-host style as BUCKET.s3.localhost. */
  readonly s3: {
    readonly endpoint: string;
    readonly accessKey: string;
    readonly secretKey: string;
    readonly region: string;
  };
  /** Makes Swift forget every token it gave, as if all had expired at once. */
  forgetTokens(): Promise<void>;
}

export interface SwiftOptions {
  /** Bytes of one object at most (5 GiB); more needs SLO. Kept objects of S3 parts too. */
  readonly maxFileSize?: number;
  /** Takes this Keystone's tokens too, for accounts KEY_<project>, and is in its catalog as RegionOne. */
  readonly keystone?: KeystoneServer;
  /**
   * HEAD of a container tells a length of 0. Debian's tells none and then, by a fault of eventlet, sends a stray chunk behind its
   * answer, over which a Go client such as rclone loses its connection.
   */
  readonly headsTellLength?: true;
}

const USER = 'test:tester';
const KEY = 'testing';
const STRANGER = { user: 'test:stranger', key: 'strange' };

/** Starts it on free ports of 127.0.0.1 and resolves when it answers. */
export async function startSwift(ground: Ground, options: SwiftOptions = {}): Promise<SwiftServer> {
  const folder = join(ground.dir, 'swift');
  const ports = await freePorts('proxy', 'account', 'container', 'object', 'memcached');
  mkdirSync(join(folder, 'devices', 'd1'), { recursive: true });
  for (const [file, text] of Object.entries(configuration(folder, ports, options)))
    writeFileSync(join(folder, file), text);

  const url = `http://127.0.0.1:${ports.proxy}`;
  const memcached = (): ChildProcess =>
    ground.spawn('memcached', 'memcached', [
      ...['-u', 'root', '-l', '127.0.0.1', '-p', String(ports.memcached), '-U', '0', '-m', '32'],
    ]);
  let memory = memcached();
  const servers = ground.spawn('swift', '/usr/bin/python3', [
    join(import.meta.dirname, 'swift-servers.py'),
    folder,
    ...[ports.account, ports.container, ports.object].map(String),
    ...(options.headsTellLength === true ? ['heads-tell-length'] : []),
  ]);
  await until(
    `Swift answers on port ${ports.proxy}`,
    () => {
      for (const child of [memory, servers])
        if (child.exitCode !== null || child.signalCode !== null) {
          const log = readFileSync(join(ground.dir, 'swift.log'), 'utf8');
          throw new Error(`Swift ended while starting: ${log.slice(-2000)}`);
        }
      return answers();
    },
    60_000,
  );
  if (options.keystone !== undefined)
    await options.keystone.offer('public', 'RegionOne', `${url}/v1/KEY_%(project_id)s`);

  /** Logs in and asks all servers, so that they are all there, and memcached too. */
  async function answers(): Promise<boolean> {
    const ask = (address: string, headers: Record<string, string>): Promise<Response> =>
      fetch(address, { headers, signal: AbortSignal.timeout(5_000) });
    try {
      const login = await ask(`${url}/auth/v1.0`, { 'x-auth-user': USER, 'x-auth-key': KEY });
      const token = login.headers.get('x-auth-token');
      const storageUrl = login.headers.get('x-storage-url');
      if (token === null || storageUrl === null) return false;
      // The proxy answers 503 as long as one of the servers behind it does not listen.
      await Promise.all([ports.container, ports.object].map((port) => ask(`http://127.0.0.1:${port}/`, {})));
      return (await ask(storageUrl, { 'x-auth-token': token })).ok;
    } catch {
      return false;
    }
  }

  return {
    url,
    port: ports.proxy,
    authUrl: `${url}/auth/v1.0`,
    user: USER,
    key: KEY,
    stranger: STRANGER,
    storageUrl: `${url}/v1/AUTH_test`,
    s3: { endpoint: url, accessKey: USER, secretKey: KEY, region: 'us-east-1' },
    async forgetTokens() {
      await ended(memory);
      memory = memcached();
      await until('tokens are given again', answers);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

async function freePorts<N extends string>(...names: readonly N[]): Promise<Record<N, number>> {
  const ports = await Promise.all(names.map(async (name) => [name, await freePort()] as const));
  return Object.fromEntries(ports) as Record<N, number>;
}

function configuration(
  folder: string,
  ports: Readonly<Record<'proxy' | 'account' | 'container' | 'object' | 'memcached', number>>,
  { maxFileSize, keystone }: SwiftOptions,
): Record<string, string> {
  const common = (port: number): string => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
swift_dir = ${folder}
devices = ${join(folder, 'devices')}
mount_check = false
disable_fallocate = true
log_level = ERROR
`;
  const storage = (name: 'account' | 'container' | 'object'): string => `${common(ports[name])}
[pipeline:main]
pipeline = ${name}-server
[app:${name}-server]
use = egg:swift#${name}
`;
  return {
    'swift.conf': `[swift-hash]
swift_hash_path_prefix = convoy
swift_hash_path_suffix = test
[swift-constraints]
${maxFileSize === undefined ? '' : `max_file_size = ${maxFileSize}`}
`,
    'account-server.conf': storage('account'),
    'container-server.conf': storage('container'),
    'object-server.conf': storage('object'),
    'proxy-server.conf': `${common(ports.proxy)}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl s3api ${keystone === undefined ? '' : 'authtoken keystoneauth '}tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# A machine that is busy with other tests is slow, not broken.
node_timeout = 60
conn_timeout = 20
error_suppression_limit = 1000000
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = ${KEY} .admin
user_test_stranger = ${STRANGER.key}
${keystone === undefined ? '' : keystoneFilters(keystone)}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${ports.memcached}
connect_timeout = 10
pool_timeout = 10
io_timeout = 10
# Each connection to a memcached that is gone counts as an error: after ten, no token would be kept for a minute.
error_suppression_limit = 1000000
[filter:s3api]
use = egg:swift#s3api
storage_domain = s3.localhost
${['catch_errors', 'gatekeeper', 'healthcheck', 'listing_formats', 'bulk', 'tempurl', 'copy', 'slo', 'dlo']
  .map((filter) => `[filter:${filter}]\nuse = egg:swift#${filter}\n`)
  .join('')}`,
  };
}

/** What Keystone said of a token is kept in memcached, as in a real cluster: a revoked one is good until it is forgotten. */
function keystoneFilters({ url, admin, role }: KeystoneServer): string {
  return `[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = ${url}
auth_type = password
auth_url = ${url}
username = ${admin.user}
password = ${admin.password}
project_name = admin
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
cache = swift.cache
[filter:keystoneauth]
use = egg:swift#keystoneauth
reseller_prefix = KEY
operator_roles = ${role}
`;
}
