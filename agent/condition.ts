import { cpus, freemem, loadavg, totalmem, uptime } from 'node:os';

/**
 * How busy this machine is. Memory in bytes, `up` in seconds. `freemem` is the kernel's MemAvailable, which counts
 * the caches that would be given up.
 */
export function localCondition() {
  const [oneMinute = 0, fiveMinutes = 0, quarterHour = 0] = loadavg();
  return {
    cpus: cpus().length,
    load: { oneMinute, fiveMinutes, quarterHour },
    memory: { total: totalmem(), available: freemem() },
    up: uptime(),
  };
}
