import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf, permanent, UsageError } from '../runtime/errors.js';
import { type ApiClient, openClient } from './client.js';
import { DEFAULT_ENDPOINT, parseEndpoint, readEndpoint } from './endpoint.js';
import { FLEET_ENDPOINT, type GlobalValues } from './global-options.js';
import { logLine } from './log-line.js';
import { openSsh, type Ssh } from './ssh.js';
import { parseBastion, type SshSettings } from './ssh-line.js';

const [FLEET_SOCKET, CONVOY_SOCKET] = [FLEET_ENDPOINT, DEFAULT_ENDPOINT].map((url) =>
  url.replace('unix://', ''),
) as [string, string];

export interface Means {
  readonly api: ApiClient;
  readonly ssh: Ssh;
}

export interface SettingsOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly fleet: boolean;
  readonly err: (line: string) => void;
}

/**
 * What commands work with, from the global options. Nothing is sent yet. Errors are those of `readEndpoint` and
 * `openConnection`, and sentences about files; called by fleet's name, one that begins as fleetctl's did.
 */
export function openMeans(values: GlobalValues, options: SettingsOptions): Means {
  try {
    return open(values, options);
  } catch (cause) {
    if (!options.fleet) throw cause;
    throw permanent(`Unable to initialize client: ${messageOf(cause)}`, { code: 'client', cause });
  }
}

function open(values: GlobalValues, { env, fleet, err }: SettingsOptions): Means {
  checkDriver(values.driver, fleet);
  const debug = values.debug ? (line: string) => err(logLine('DEBUG', line, new Date())) : undefined;
  const settings = sshSettings(values, fleet);
  const ssh = openSsh(settings, debug);
  const { tunnel } = settings;
  const { text, sockets } = endpointOf(values, { fleet, tunnelled: tunnel !== undefined, err });
  const [ca, cert, key] = [
    values.ca ?? values.etcdCa,
    values.cert ?? values.etcdCert,
    values.key ?? values.etcdKey,
  ];
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError('--cert-file and --key-file: one is nothing without the other');
  const token = tokenOf(values.token, env);
  const api = openClient(text, {
    answerMs: values.requestTimeout,
    ...(ca === undefined ? {} : { ca: contentOf('--ca-file', ca) }),
    ...(cert === undefined ? {} : { cert: contentOf('--cert-file', cert) }),
    ...(key === undefined ? {} : { key: contentOf('--key-file', key) }),
    ...(token === undefined ? {} : { token }),
    ...(tunnel === undefined ? {} : { tunnel: (endpoint) => ssh.stream(tunnel, endpoint, sockets) }),
    ...(debug === undefined ? {} : { debug }),
  });
  return { api, ssh };
}

function checkDriver(driver: string, fleet: boolean): void {
  if (/^api$/i.test(driver)) return;
  if (/^etcd$/i.test(driver))
    throw new UsageError(
      'driver "etcd" is no more: what fleet kept in etcd v2 is not what convoyd keeps; use API',
    );
  throw new UsageError(
    fleet ? `unrecognized driver "${driver}"` : `--driver "${driver}": API is the only one`,
  );
}

interface Where {
  readonly fleet: boolean;
  readonly tunnelled: boolean;
  readonly err: (line: string) => void;
}

/** The endpoint, and the sockets it may mean on a bastion. */
function endpointOf(
  values: GlobalValues,
  { fleet, tunnelled, err }: Where,
): { text: string; sockets: string[] } {
  const [given, ...others] = values.endpoint?.split(',') ?? [];
  if (given === undefined) {
    // On a bastion nobody knows yet what is there.
    if (fleet && tunnelled) return { text: FLEET_ENDPOINT, sockets: [FLEET_SOCKET, CONVOY_SOCKET] };
    const text = fleet && existsSync(FLEET_SOCKET) ? FLEET_ENDPOINT : DEFAULT_ENDPOINT;
    return { text, sockets: [CONVOY_SOCKET, FLEET_SOCKET] };
  }
  if (others.length > 0)
    err(logLine('WARN', `of the endpoints only the first is used: ${given}`, new Date()));
  if (fleet) {
    const endpoint = parseEndpoint(given);
    if (typeof endpoint === 'string') throw new UsageError(endpoint);
  }
  const endpoint = readEndpoint(given);
  return { text: given, sockets: endpoint.kind === 'unix' ? [endpoint.path] : [] };
}

function sshSettings(values: GlobalValues, fleet: boolean): SshSettings {
  return {
    username: values.sshUsername ?? (fleet ? 'core' : undefined),
    timeoutMs: values.sshTimeout,
    knownHosts: values.knownHosts ?? (fleet ? join(homedir(), '.fleetctl/known_hosts') : undefined),
    strict: values.strict ?? (fleet ? true : undefined),
    tunnel: values.tunnel === undefined ? undefined : parseBastion(values.tunnel),
  };
}

function tokenOf(path: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const token = path === undefined ? env.CONVOY_TOKEN : contentOf('--token-file', path).trim();
  if (!token && path === undefined) return undefined;
  if (!token || !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError(
      `${path === undefined ? 'CONVOY_TOKEN' : `--token-file ${path}`}: expected one word, the token`,
    );
  return token;
}

function contentOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`${flag}: ${messageOf(cause)}`, { cause });
  }
}
