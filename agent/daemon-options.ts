import { existsSync } from 'node:fs';
import { UsageError } from '../runtime/errors.js';
import { LOG_LEVELS } from '../runtime/log.js';
import {
  type OptionTable,
  parseChoice,
  parseDuration,
  parseListen,
  parsePath,
  parseSwitch,
  parseText,
} from '../runtime/options.js';
import { etcdAccessTable } from './etcd-access.js';
import { FLEET_CONF } from './fleet-conf.js';
import { parseMachineId, parseMetadata } from './identity.js';

const UNIT_MANAGERS = ['systemd', 'supervisor'] as const;
/** Where clients of fleet look for it. */
export const FLEET_SOCKET = '/run/fleet.sock';
/** What firewalls have to let through between machines. */
export const PEER_PORT = 7373;
export type UnitManagerName = (typeof UNIT_MANAGERS)[number];

/** convoyd's options; the names in the environment are those of /etc/convoy/convoyd.env too. */
export const daemonTable = {
  etcd: {
    flag: '--etcd <urls>',
    env: 'CONVOY_ETCD',
    help: 'etcd v3 endpoints, separated by commas',
    parse: parseEndpoints,
    default: ['http://127.0.0.1:2379'],
  },
  ...etcdAccessTable,
  etcdPrefix: {
    flag: '--etcd-prefix <prefix>',
    env: 'CONVOY_ETCD_PREFIX',
    help: 'where all keys are',
    parse: parsePrefix,
    default: '/convoy/',
  },
  machineId: {
    flag: '--machine-id <id>',
    env: 'CONVOY_MACHINE_ID',
    help: '32 hexadecimal digits (default: /etc/machine-id)',
    parse: parseMachineId,
  },
  metadata: {
    flag: '--metadata <pairs>',
    env: 'CONVOY_METADATA',
    help: 'what this machine is, such as az=a,disk=ssd',
    parse: parseMetadata,
    default: {},
    defaultText: '',
  },
  publicIp: {
    flag: '--public-ip <address>',
    env: 'CONVOY_PUBLIC_IP',
    help: "where others reach this machine's API and services (default: the default route's IPv4 address)",
    parse: parseText,
  },
  listen: {
    flag: '--listen <host:port>',
    env: 'CONVOY_LISTEN',
    help: 'serve the API on this TCP address too; beyond loopback with --tls-cert, and --tls-ca or --api-tokens',
    parse: parseListen,
  },
  peerListen: {
    flag: '--peer-listen <host:port>',
    env: 'CONVOY_PEER_LISTEN',
    help: `where other machines of the cluster ask this one, who know its secret from etcd; none: nowhere (default: the public IP, port ${PEER_PORT})`,
    parse: (text: string) => (text === 'none' ? text : parseListen(text)),
  },
  tlsCert: {
    flag: '--tls-cert <file>',
    env: 'CONVOY_TLS_CERT',
    help: 'PEM of the certificate of the API on TCP',
    parse: parseText,
  },
  tlsKey: {
    flag: '--tls-key <file>',
    env: 'CONVOY_TLS_KEY',
    help: 'PEM of the key to that certificate, for its owner only',
    parse: parseText,
  },
  tlsCa: {
    flag: '--tls-ca <file>',
    env: 'CONVOY_TLS_CA',
    help: 'PEM of the authority that signs the certificates of callers (OU=convoy-read, convoy-operate or convoy-admin)',
    parse: parseText,
  },
  apiTokens: {
    flag: '--api-tokens <file>',
    env: 'CONVOY_API_TOKENS',
    help: 'lines NAME ROLE TOKEN, for its owner only; roles: read, operate, admin',
    parse: parseText,
  },
  runDir: {
    flag: '--run-dir <dir>',
    env: 'CONVOY_RUN_DIR',
    help: 'sockets and what a reboot may clear',
    parse: parsePath,
    default: '/run/convoy',
  },
  stateDir: {
    flag: '--state-dir <dir>',
    env: 'CONVOY_STATE_DIR',
    help: 'what has to survive a reboot',
    parse: parsePath,
    default: '/var/lib/convoy',
  },
  unitManager: {
    flag: '--unit-manager <name>',
    env: 'CONVOY_UNIT_MANAGER',
    help: `what runs units: ${UNIT_MANAGERS.join(' or ')} (default: systemd if it runs this machine)`,
    parse: parseChoice(UNIT_MANAGERS),
  },
  neverLead: {
    flag: '--never-lead',
    env: 'CONVOY_NEVER_LEAD',
    help: 'this machine runs units, but never decides where units go; some machine has to',
    parse: parseSwitch,
    default: false,
  },
  fleetSocket: {
    flag: '--fleet-socket <path>',
    env: 'CONVOY_FLEET_SOCKET',
    help: `answer where fleet did too, once fleet is gone: ${FLEET_SOCKET}`,
    parse: parseFleetSocket,
  },
  fleetConfig: {
    flag: '--fleet-config <file>',
    env: 'CONVOY_FLEET_CONFIG',
    help: `fleet's configuration file; what it and FLEET_* variables say counts where nothing else is said (default: ${FLEET_CONF} if there is one)`,
    parse: parseText,
  },
  drainOnStop: {
    flag: '--drain-on-stop',
    env: 'CONVOY_DRAIN_ON_STOP',
    help: 'stop the units of this machine, for others to take over, when convoyd is told to stop',
    parse: parseSwitch,
    default: false,
  },
  unitRoot: {
    flag: '--unit-root <dir>',
    env: 'CONVOY_UNIT_ROOT',
    help: "where %E, %S, %t of the supervisor's units begin",
    parse: parsePath,
    default: '/',
  },
  ttl: {
    flag: '--ttl <duration>',
    env: 'CONVOY_TTL',
    help: 'lease of this machine and of the leader',
    parse: parseTtl,
    default: 10_000,
    defaultText: '10s',
  },
  grace: {
    flag: '--grace <duration>',
    env: 'CONVOY_GRACE',
    help: 'how long a lost machine keeps its units',
    parse: parseDuration,
    default: 5_000,
    defaultText: '5s',
  },
  logLevel: {
    flag: '--log-level <level>',
    env: 'CONVOY_LOG_LEVEL',
    help: LOG_LEVELS.join(', '),
    parse: parseChoice(LOG_LEVELS),
    default: 'info',
  },
  dev: {
    flag: '--dev',
    help: 'bring a private etcd and Redis, gone when convoyd ends, and say how to reach them',
    parse: parseSwitch,
    default: false,
  },
} satisfies OptionTable;

/** /var/run is the same folder under its old name. */
function parseFleetSocket(text: string): string {
  if (!text.startsWith('/')) throw new Error(`expected an absolute path such as ${FLEET_SOCKET}`);
  return text.replace(/^\/var\/run\//, '/run/');
}

/**
 * Which unit manager: as asked, else systemd where it runs this machine (sd_booted(3)). --dev, and
 * units in a folder of their own, need the supervisor: throws `UsageError` if they are to be systemd's.
 */
export function chooseUnitManager(
  asked: UnitManagerName | undefined,
  { unitRoot, dev }: { readonly unitRoot: string; readonly dev: boolean },
): UnitManagerName {
  if (dev && asked === 'systemd')
    throw new UsageError(
      '--dev runs units in a private folder, which --unit-manager systemd cannot: leave one out',
    );
  if (dev) return 'supervisor';
  const chosen = asked ?? (existsSync('/run/systemd/system') ? 'systemd' : 'supervisor');
  if (chosen === 'systemd' && unitRoot !== '/')
    throw new UsageError(
      '--unit-root is for --unit-manager supervisor: systemd runs units on the whole machine',
    );
  return chosen;
}

function parseEndpoints(text: string): string[] {
  const urls = text.split(',').map((url) => url.trim());
  if (!urls.every((url) => /^https?:\/\/[^/]+$/.test(url)))
    throw new Error('expected http://host:port or https://host:port, separated by commas');
  return urls;
}

function parsePrefix(text: string): string {
  if (!/^\/([^/]+\/)+$/.test(text)) throw new Error('expected a prefix such as /convoy/');
  return text;
}

/** etcd grants whole seconds, and the trust window needs room for a margin. */
function parseTtl(text: string): number {
  const ms = parseDuration(text);
  if (ms < 2000 || ms % 1000 !== 0) throw new Error('expected whole seconds, at least 2s');
  return ms;
}
