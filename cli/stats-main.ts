#!/usr/bin/env node
import { openJob } from '../jobs/open-job.js';
import { EXIT_CODES, FINDING_REDIS, LISTEN, LOG_LEVEL } from '../jobs/options.js';
import { systemClock } from '../runtime/clock.js';
import { UsageError } from '../runtime/errors.js';
import { createLog } from '../runtime/log.js';
import { type Loop, startLoop } from '../runtime/loop.js';
import { runMain } from '../runtime/main.js';
import type { Meter } from '../runtime/meter.js';
import { type OptionTable, parseProgram, parseSwitch } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { divertedLog } from './dashboard/diverted-log.js';
import { parseInterval } from './interval.js';
import { isPaintable } from './paintable.js';
import { createLook, createStats, type Picture } from './stats.js';
import { statsMetrics } from './stats-metrics.js';

const table = {
  once: {
    flag: '--once',
    help: 'print what the dashboard would show first as text, and end: 100 x 30 where there is no terminal, or COLUMNS x LINES',
    parse: parseSwitch,
    default: false,
  },
  interval: {
    flag: '--interval <duration>',
    env: 'ZH_INTERVAL',
    help: 'time between two looks, at least 100ms; if not given 500ms, and 2s between lines',
    parse: parseInterval,
  },
  json: {
    flag: '--json',
    env: 'ZH_JSON',
    help: 'lines, also on a terminal: one JSON object each',
    parse: parseSwitch,
    default: false,
  },
  listen: LISTEN,
  logLevel: LOG_LEVEL,
} satisfies OptionTable;

const EPILOGUE = `On a terminal it is a dashboard of the migrations and the fleet that carries them; ? there tells its keys, and NO_COLOR is
respected. Elsewhere, and on a terminal that can do nothing (TERM=dumb), it prints a line about each migration that runs at
every interval, and one about any other when it changes. Runs until it is told to stop; waits while Redis is away.
Examples: zh-stats
          zh-stats --once
          zh-stats --interval 10s --json
          zh-stats --interval 1m --listen 127.0.0.1:9102
${FINDING_REDIS}
The fleet is asked of the convoyd at CONVOY_API, or at CONVOY_ENDPOINT with convoyctl's other settings (CONVOY_TOKEN, ...).
${EXIT_CODES}`;

void runMain('zh-stats', async () => {
  const { once, interval, json, listen, logLevel } = parseProgram(
    {
      name: 'zh-stats',
      description: 'Shows the progress of all migrations.',
      table,
      epilogue: EPILOGUE,
    },
    process.argv.slice(2),
    process.env,
  );
  if (once && json) throw new UsageError('--once prints a picture, and --json lines: leave one of them out');
  const { env } = process;
  const paints = !json && !once && isPaintable(env);
  const diverted = divertedLog(createLog('zh-stats', logLevel));
  const { log } = diverted;
  const clock = systemClock();
  const shutdown = createShutdown(log);
  // Stopped after the queue is closed: a round may be waiting for Redis to be found.
  let loop: Loop | undefined;
  shutdown.onClose('loop', () => loop?.stop());
  const job = openJob(env, { clock, log, shutdown, impatient: once || paints });
  const look = createLook(job.queue);
  await job.listen(listen, { look: numbersOf(look, job.meter) });
  if (once || paints) {
    const { printFrame, showStats } = await import('./stats-dashboard.js');
    const needs = { env, queue: job.queue, clock, shutdown };
    await (once ? printFrame(needs) : showStats(needs, interval, diverted));
  } else {
    const say = (line: string): void => void process.stdout.write(`${line}\n`);
    const stats = createStats({ look, json, say });
    loop = startLoop({ name: 'stats', intervalMs: interval ?? 2000, round: () => stats.round(), clock, log });
    await shutdown.begun();
  }
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
