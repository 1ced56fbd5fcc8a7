import { readdirSync } from 'node:fs';
import type { Meter } from './meter.js';

/** What any process tells of itself, under the names Prometheus's own clients use. */
export function processMetrics(meter: Meter): void {
  const one = (value: number) => [{ labels: {}, value }];
  const startedAt = Date.now() / 1000 - process.uptime();

  meter.reading(
    'counter',
    { name: 'process_cpu_seconds_total', help: 'User and system CPU time spent, in seconds.' },
    () => one((process.cpuUsage().user + process.cpuUsage().system) / 1e6),
  );
  meter.reading(
    'gauge',
    { name: 'process_resident_memory_bytes', help: 'Memory this process has in RAM.' },
    () => one(process.memoryUsage.rss()),
  );
  meter.reading('gauge', { name: 'process_open_fds', help: 'Open file descriptors.' }, () =>
    one(openFiles()),
  );
  meter.reading(
    'gauge',
    {
      name: 'process_start_time_seconds',
      help: 'Start time of the process since the Unix epoch, in seconds.',
      together: 'min',
    },
    () => one(startedAt),
  );
}

/** 0 on a system without /proc. */
function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
