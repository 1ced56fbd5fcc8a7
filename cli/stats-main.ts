#!/usr/bin/env node
import { locateRedis } from '../jobs/discover.js';
import { RedisQueue } from '../jobs/redis-queue.js';
import { systemClock } from '../runtime/clock.js';
import { createLog } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import { runMain } from '../runtime/main.js';
import { type OptionTable, parseDuration, parseProgram, parseSwitch } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { createStats } from './stats.js';

const table = {
  interval: {
    flag: '--interval <duration>',
    env: 'ZH_INTERVAL',
    help: 'time between two lines, such as 2s',
    parse: parseDuration,
    default: 2000,
  },
  json: {
    flag: '--json',
    env: 'ZH_JSON',
    help: 'one JSON object a line',
    parse: parseSwitch,
    default: false,
  },
} satisfies OptionTable;

const EPILOGUE = `Redis is found through REDIS_URL, else as service "redis" of the convoyd at CONVOY_API.
Runs until it is told to stop; waits while Redis is away.

Examples:
  zh-stats
  zh-stats --interval 10s --json

Exit codes: 0 told to stop, 1 failed, 2 wrong usage.`;

await runMain('zh-stats', async () => {
  const { interval, json } = parseProgram(
    {
      name: 'zh-stats',
      description: 'Prints the progress of all migrations, a line each.',
      table,
      epilogue: EPILOGUE,
    },
    process.argv.slice(2),
    process.env,
  );
  const log = createLog('zh-stats', 'info');
  const clock = systemClock();
  const shutdown = createShutdown(log);
  const discovery = { env: process.env, clock, random: Math.random, log };
  const queue = new RedisQueue({
    timeoutMs: 5_000,
    locate: () => locateRedis(discovery, shutdown.signal),
  });
  shutdown.onClose('queue', () => queue.close());
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const stats = createStats({ queue, clock, json, say });
  const loop = startLoop({ name: 'stats', intervalMs: interval, round: () => stats.round(), clock, log });
  shutdown.onClose('loop', () => loop.stop());
  await new Promise((resolve) => shutdown.signal.addEventListener('abort', resolve, { once: true }));
  await shutdown.close();
  return 0;
});
