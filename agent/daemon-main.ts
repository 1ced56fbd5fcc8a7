#!/usr/bin/env node
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAccess } from '../api/access-files.js';
import { choosePeerListen } from '../api/peer-server.js';
import { systemClock } from '../runtime/clock.js';
import { createLog } from '../runtime/log.js';
import { runMain } from '../runtime/main.js';
import { parseProgram, type Settings } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { apiSocket, unitSocket } from './api-sockets.js';
import type { DaemonOptions } from './daemon.js';
import { chooseUnitManager, daemonTable, FLEET_SOCKET, PEER_PORT } from './daemon-options.js';
import { readEtcdAccess } from './etcd-access.js';
import { NO_FLEET, readFleetSettings } from './fleet-conf.js';
import { readFleetConf } from './fleet-conf-file.js';
import { openGround, startEtcd, startRedis } from './ground.js';
import { readMachineId, readPublicIp } from './identity.js';
import { takeSockets } from './inherited-sockets.js';
import { openUnitManager } from './open-unit-manager.js';
import { ensurePrograms, linkPrograms } from './programs.js';

void runMain('convoyd', async () => {
  const version = readVersion();
  const own = readCommandLine({});
  // --dev has nothing to do with what fleet did on this machine.
  const fleet = own.dev ? NO_FLEET : readFleetSettings(readFleetConf(own.fleetConfig), process.env);
  const { dev, logLevel, ttl, grace, machineId, listen, unitManager, fleetConfig, ...rest } = readCommandLine(
    fleet.settings,
  );
  const publicIp = rest.publicIp ?? (dev ? '127.0.0.1' : readPublicIp());
  const log = createLog('convoyd', logLevel);
  for (const warning of fleet.warnings) log.warn({}, warning);
  const shutdown = createShutdown(log);
  const listening = takeSockets(process.env, process.pid, [
    ...[apiSocket(rest.runDir), unitSocket(rest.runDir), rest.fleetSocket ?? FLEET_SOCKET],
  ]);
  const options: DaemonOptions = {
    ...rest,
    ...readEtcdAccess(rest, process.env, fleet.etcdPassword),
    unitManager: chooseUnitManager(unitManager, { unitRoot: rest.unitRoot, dev }),
    machineId: machineId ?? readMachineId(),
    publicIp,
    listen: listen ?? null,
    peerListen: choosePeerListen(rest.peerListen, publicIp, PEER_PORT),
    access: readAccess(rest),
    ttlMs: ttl,
    graceMs: grace,
    version,
    listening,
    fleetSocket: rest.fleetSocket ?? (listening.has(FLEET_SOCKET) ? FLEET_SOCKET : null),
  };
  try {
    const settled = dev ? await onOwnGround(options) : options;
    const clock = systemClock();
    // A supervisor takes its time to start: the rest of convoyd, most of its code, is loaded meanwhile.
    const manager = openUnitManager(settled, clock, log.child({ part: settled.unitManager }));
    manager.catch(() => undefined);
    const { startDaemon } = await import('./daemon.js');
    await startDaemon(settled, clock, log, shutdown, () => manager);
    await shutdown.begun();
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
    };
  }
});

function readCommandLine(settings: Settings) {
  return parseProgram(
    {
      name: 'convoyd',
      description: 'Agent, scheduler and API of one machine. Units go on when convoyd stops.',
      table: daemonTable,
      epilogue: 'Exit codes: 0 stopped by a signal, 1 could not run, 2 wrong usage.',
    },
    process.argv.slice(2),
    process.env,
    settings,
  );
}

function readVersion(): string {
  const file = join(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
