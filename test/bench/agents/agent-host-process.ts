/**
 * Some of the bench's machines: a convoyd each, whole but for the unit manager, which starts everything at once. Arguments:
 * etcd's URL, a folder, the first machine's number, how many. Starts some at a time, as they share one thread here: tells its parent
 * how many serve, and starts more when it is told that those have joined.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { startDaemon } from '../../../agent/daemon.js';
import { systemClock } from '../../../runtime/clock.js';
import { createLog } from '../../../runtime/log.js';
import { createShutdown } from '../../../runtime/shutdown.js';
import { openMemoryUnits } from '../../fakes/memory-unit-manager.js';
import { machineId, runDirOf } from './machines.js';

const [url = '', dir = '', first = '', count = ''] = process.argv.slice(2);
const clock = systemClock();
const log = createLog('convoyd', 'info');
const shutdown = createShutdown(log);

const AT_ONCE = 10;

async function start(number: number): Promise<void> {
  const units = openMemoryUnits(clock);
  await startDaemon(
    {
      ...{ etcd: [url], etcdPrefix: '/convoy/', machineId: machineId(number), publicIp: '127.0.0.1' },
      ...{ metadata: {}, listen: null, access: { tokens: [], tls: null }, peerListen: null },
      ...{ runDir: runDirOf(dir, number), stateDir: join(runDirOf(dir, number), 'state') },
      ...{ unitManager: 'supervisor', unitRoot: '/', ttlMs: 10_000, graceMs: 5_000, drainOnStop: false },
      ...{ version: 'bench', listening: new Map(), fleetSocket: null, neverLead: false },
    },
    clock,
    log.child({ machine: number }),
    shutdown,
    async () => units.manager(),
  );
}

process.on('disconnect', () => process.exit());
const numbers = Array.from({ length: Number(count) }, (_, index) => Number(first) + index);
for (let started = 0; started < numbers.length; started += AT_ONCE) {
  await Promise.all(numbers.slice(started, started + AT_ONCE).map(start));
  const joined = once(process, 'message');
  process.send?.(Math.min(started + AT_ONCE, numbers.length));
  await joined;
}
