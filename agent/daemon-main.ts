#!/usr/bin/env node
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../runtime/clock.js';
import { createLog, LOG_LEVELS } from '../runtime/log.js';
import { runMain } from '../runtime/main.js';
import {
  type OptionTable,
  parseChoice,
  parseDuration,
  parseProgram,
  parseSwitch,
  parseText,
} from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { apiSocket, type DaemonOptions, startDaemon, unitSocket } from './daemon.js';
import { freePort, openGround, startEtcd, startRedis } from './ground.js';
import { parseMachineId, parseMetadata, readMachineId, readPublicIp } from './identity.js';
import { takeSockets } from './inherited-sockets.js';
import { ensurePrograms, linkPrograms } from './programs.js';

const table = {
  etcd: {
    flag: '--etcd <urls>',
    env: 'CONVOY_ETCD',
    help: 'etcd v3 endpoints, separated by commas',
    parse: parseEndpoints,
    default: ['http://127.0.0.1:2379'],
  },
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
  },
  publicIp: {
    flag: '--public-ip <address>',
    env: 'CONVOY_PUBLIC_IP',
    help: "where others reach this machine's services (default: the default route's IPv4 address)",
    parse: parseText,
  },
  listen: {
    flag: '--listen <host:port>',
    env: 'CONVOY_LISTEN',
    help: 'serve the API on this loopback address too',
    parse: parseListen,
  },
  runDir: {
    flag: '--run-dir <dir>',
    env: 'CONVOY_RUN_DIR',
    help: 'sockets and what a reboot may clear',
    parse: parseText,
    default: '/run/convoy',
  },
  stateDir: {
    flag: '--state-dir <dir>',
    env: 'CONVOY_STATE_DIR',
    help: 'what has to survive a reboot',
    parse: parseText,
    default: '/var/lib/convoy',
  },
  unitRoot: {
    flag: '--unit-root <dir>',
    env: 'CONVOY_UNIT_ROOT',
    help: 'where %E, %S, %t of units begin',
    parse: parseText,
    default: '/',
  },
  ttl: {
    flag: '--ttl <duration>',
    env: 'CONVOY_TTL',
    help: 'lease of this machine and of the leader',
    parse: parseTtl,
    default: 10_000,
  },
  grace: {
    flag: '--grace <duration>',
    env: 'CONVOY_GRACE',
    help: 'how long a lost machine keeps its units',
    parse: parseDuration,
    default: 5_000,
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

await runMain('convoyd', async () => {
  const version = readVersion();
  const { dev, logLevel, ttl, grace, publicIp, machineId, listen, ...rest } = parseProgram(
    {
      name: 'convoyd',
      description: 'Agent, scheduler and API of one machine. Units go on when convoyd stops.',
      table,
      epilogue: 'Exit codes: 0 stopped by a signal, 1 could not run, 2 wrong usage.',
    },
    process.argv.slice(2),
    process.env,
  );
  const log = createLog('convoyd', logLevel);
  const shutdown = createShutdown(log);
  const options: DaemonOptions = {
    ...rest,
    machineId: machineId ?? readMachineId(),
    publicIp: publicIp ?? (dev ? '127.0.0.1' : readPublicIp()),
    listen: listen ?? null,
    ttlMs: ttl,
    graceMs: grace,
    version,
    listening: takeSockets(process.env, process.pid, [apiSocket(rest.runDir), unitSocket(rest.runDir)]),
  };
  try {
    await startDaemon(dev ? await onOwnGround(options) : options, systemClock(), log, shutdown);
    await new Promise<void>((resolve) =>
      shutdown.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
  } finally {
    await shutdown.close();
  }
  return 0;

  /** etcd, Redis and all folders on a ground that ends with this process. */
  async function onOwnGround(plain: DaemonOptions): Promise<DaemonOptions> {
    ensurePrograms((line) => process.stderr.write(`${line}\n`));
    const ground = openGround('convoy-dev');
    shutdown.onClose('ground', () => ground.close());
    const [etcd, redis] = await Promise.all([startEtcd(ground), startRedis(ground)]);
    const runDir = join(ground.dir, 'run');
    const programs = linkPrograms(ground.dir);
    Object.assign(process.env, ground.mark, { PATH: `${programs}:${process.env.PATH}` });
    const settings = join(ground.dir, 'root/etc/convoy');
    mkdirSync(settings, { recursive: true });
    writeFileSync(
      join(settings, 'zh.env'),
      `REDIS_URL=${redis.url}
`,
    );
    process.stdout.write(
      [
        '# A private etcd, Redis and convoyd; they end with this process. In another shell:',
        `export PATH=${programs}:$PATH`,
        `export CONVOY_ENDPOINT=unix://${apiSocket(runDir)}`,
        `export REDIS_URL=${redis.url}`,
        '',
      ].join('\n'),
    );
    return {
      ...plain,
      etcd: [etcd.url],
      runDir,
      stateDir: join(ground.dir, 'state'),
      unitRoot: join(ground.dir, 'root'),
      listen: plain.listen ?? { host: '127.0.0.1', port: await freePort() },
    };
  }
});

function readVersion(): string {
  const file = join(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function parseEndpoints(text: string): string[] {
  const urls = text.split(',').map((url) => url.trim());
  if (!urls.every((url) => /^https?:\/\/[^/]+$/.test(url)))
    throw new Error('expected http://host:port, separated by commas');
  return urls;
}

function parsePrefix(text: string): string {
  if (!/^\/([^/]+\/)+$/.test(text)) throw new Error('expected a prefix such as /convoy/');
  return text;
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw new Error('expected host:port');
  return { host: match[1] ?? match[2] ?? '', port };
}

/** etcd grants whole seconds, and the trust window needs room for a margin. */
function parseTtl(text: string): number {
  const ms = parseDuration(text);
  if (ms < 2000 || ms % 1000 !== 0) throw new Error('expected whole seconds, at least 2s');
  return ms;
}
