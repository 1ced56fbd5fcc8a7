#!/usr/bin/env node
import { openJob } from '../jobs/open-job.js';
import { EXIT_CODES, FINDING_REDIS, LISTEN, LOG_LEVEL } from '../jobs/options.js';
import { systemClock } from '../runtime/clock.js';
import { createLog } from '../runtime/log.js';
import { type Loop, startLoop } from '../runtime/loop.js';
import { runMain } from '../runtime/main.js';
import type { Meter } from '../runtime/meter.js';
import { type OptionTable, parseDuration, parseProgram, parseSwitch } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { createLook, createStats, type Picture } from './stats.js';
import { statsMetrics } from './stats-metrics.js';

const table = {
  interval: {
    flag: '--interval <duration>',
    env: 'ZH_INTERVAL',
    help: 'time between two lines; 2s if not given',
    parse: parseInterval,
  },
  json: {
    flag: '--json',
    env: 'ZH_JSON',
    help: 'one JSON object a line',
    parse: parseSwitch,
    default: false,
  },
  listen: LISTEN,
  logLevel: LOG_LEVEL,
} satisfies OptionTable;

const EPILOGUE = `Runs until it is told to stop; waits while Redis is away.
Examples: zh-stats
          zh-stats --interval 10s --json
          zh-stats --interval 1m --listen 127.0.0.1:9102
${FINDING_REDIS}
${EXIT_CODES}`;

await runMain('zh-stats', async () => {
  const { interval, json, listen, logLevel } = parseProgram(
    {
      name: 'zh-stats',
      description: 'Prints the progress of all migrations, a line each.',
      table,
      epilogue: EPILOGUE,
    },
    process.argv.slice(2),
    process.env,
  );
  const log = createLog('zh-stats', logLevel);
  const clock = systemClock();
  const shutdown = createShutdown(log);
  // Stopped after the queue is closed: a round may be waiting for Redis to be found.
  let loop: Loop | undefined;
  shutdown.onClose('loop', () => loop?.stop());
  const job = openJob(process.env, { clock, log, shutdown });
  const look = createLook(job.queue);
  await job.listen(listen, { look: numbersOf(look, job.meter) });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const stats = createStats({ look, json, say });
  loop = startLoop({ name: 'stats', intervalMs: interval ?? 2000, round: () => stats.round(), clock, log });
  await shutdown.begun();
  await shutdown.close();
  return 0;
});

/** Whoever asks has them as they are now; while Redis is away nothing is told of what is in it. */
function numbersOf(look: () => Promise<Picture>, meter: Meter): () => Promise<void> {
  let picture: Picture | null = null;
  statsMetrics(meter, () => picture);
  return async () => {
    picture = await look().catch(() => null);
  };
}

/** What is asked of Redis more often than this would be a load of its own. */
function parseInterval(text: string): number {
  const ms = parseDuration(text);
  if (ms < 100) throw new Error('expected at least 100ms');
  return ms;
}
