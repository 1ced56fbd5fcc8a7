#!/usr/bin/env node
import { openQueue } from '../jobs/open-queue.js';
import { EXIT_CODES, FINDING_REDIS, LOG_LEVEL } from '../jobs/options.js';
import { systemClock } from '../runtime/clock.js';
import { createLog } from '../runtime/log.js';
import { type Loop, startLoop } from '../runtime/loop.js';
import { runMain } from '../runtime/main.js';
import { type OptionTable, parseDuration, parseProgram, parseSwitch } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { createStats } from './stats.js';

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
  logLevel: LOG_LEVEL,
} satisfies OptionTable;

const EPILOGUE = `Runs until it is told to stop; waits while Redis is away.
Examples: zh-stats
          zh-stats --interval 10s --json
${FINDING_REDIS}
${EXIT_CODES}`;

await runMain('zh-stats', async () => {
  const { interval, json, logLevel } = parseProgram(
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
  const queue = openQueue(process.env, { clock, log, shutdown });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const stats = createStats({ queue, json, say });
  loop = startLoop({ name: 'stats', intervalMs: interval ?? 2000, round: () => stats.round(), clock, log });
  await shutdown.begun();
  await shutdown.close();
  return 0;
});

/** What is asked of Redis more often than this would be a load of its own. */
function parseInterval(text: string): number {
  const ms = parseDuration(text);
  if (ms < 100) throw new Error('expected at least 100ms');
  return ms;
}
