#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { homedir, hostname, release, userInfo } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../runtime/clock.js';
import { createLog, LOG_LEVELS } from '../runtime/log.js';
import { runMain } from '../runtime/main.js';
import { type OptionRow, parseChoice, parseProgram, parseText } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { Journal } from './supervisor/journal.js';
import { Lease } from './supervisor/lease.js';
import { Notifier } from './supervisor/notify.js';
import { bootId, uptime } from './supervisor/processes.js';
import { lockFolder, type SocketServer, serve } from './supervisor/server.js';
import { Supervisor } from './supervisor/supervisor.js';

/** With no unit and no client for this long, nobody needs a supervisor; the next manager starts another. */
const IDLE_MS = 10_000;

const TABLE = {
  runDir: {
    flag: '--run-dir <dir>',
    help: 'socket, journal, logs and credentials of the units',
    parse: parseText,
    default: '/run/convoy',
  },
  unitRoot: {
    flag: '--unit-root <dir>',
    help: 'what %t, %S, %C, %L and %E of units are below',
    parse: parseText,
    default: '/',
  },
  logLevel: {
    flag: '--log-level <level>',
    help: 'how much is logged to stderr',
    parse: parseChoice(LOG_LEVELS),
    default: 'info',
  } as OptionRow<(typeof LOG_LEVELS)[number]> & { default: (typeof LOG_LEVELS)[number] },
} as const;

void runMain('convoy-supervisor', async () => {
  const options = parseProgram(
    {
      name: 'convoy-supervisor',
      description: 'Runs units without systemd. convoyd starts it when it is needed; it outlives convoyd.',
      table: TABLE,
    },
    process.argv.slice(2),
    process.env,
  );
  const { runDir } = options;
  const log = createLog('supervisor', options.logLevel);
  const clock = systemClock();
  const shutdown = createShutdown(log);
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  // Two managers may start one each: the first has the folder, the other is not needed.
  if (!(await lockFolder(runDir))) return 0;

  let server: SocketServer | undefined;
  const boot = bootId();
  const lease = new Lease({
    file: join(runDir, 'supervisor-lease.json'),
    boot,
    uptime,
    clock,
    onOver: () => supervisor.endLeaseBound(),
  });
  const supervisor: Supervisor = new Supervisor({
    runDir,
    environment: process.env,
    clock,
    uptime,
    notifier: new Notifier({ runDir, environment: process.env, clock, log }),
    leaseHeld: () => lease.held,
    log,
    newInvocation: () => randomUUID().replaceAll('-', ''),
    journal: new Journal(join(runDir, 'units'), boot),
    specifiers: specifiers(options.unitRoot),
    onChange: () => server?.announceChange(),
  });
  supervisor.adopt();

  const leaveIfIdle = async (): Promise<void> => {
    await clock.sleep(IDLE_MS, shutdown.signal).catch(() => undefined);
    if (supervisor.size === 0 && server?.clients === 0) shutdown.begin();
  };
  server = await serve(
    runDir,
    {
      list: () => supervisor.list(),
      load: (unit) => nothing(supervisor.load(unit)),
      start: async ({ name, options: start }) => nothing(await supervisor.start(name, start)),
      stop: async ({ name }) => nothing(await supervisor.stop(name)),
      reload: async ({ name }) => nothing(await supervisor.reload(name)),
      holdLease: ({ until }) => nothing(lease.hold(until)),
      unload: async ({ name }) => nothing(await supervisor.unload(name)),
      retire: () => nothing(void setImmediate(() => shutdown.begin())),
    },
    () => void leaveIfIdle(),
    log,
  );
  void leaveIfIdle();
  log.info({ runDir, units: supervisor.size, pid: process.pid }, 'supervisor is up');
  await shutdown.begun();
  server.close();
  return 0;
});

function nothing(_: unknown): null {
  return null;
}

function specifiers(root: string) {
  const { username, uid, gid } = userInfo();
  return {
    machineId: machineId(),
    bootId: bootId().replaceAll('-', ''),
    hostName: hostname(),
    kernel: release(),
    user: username,
    uid,
    group: groupName(gid),
    gid,
    home: homedir(),
    root,
  };
}

function machineId(): string | null {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    return null;
  }
}

function groupName(gid: number): string {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(gid));
  return line?.split(':')[0] ?? String(gid);
}
