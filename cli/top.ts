import { parseSwitch } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { command } from './command.js';
import { parseInterval } from './interval.js';
import { operatorWords } from './operator.js';
import { isPaintable } from './paintable.js';
import { withQueue } from './queue.js';

export const top = command({
  options: {
    once: {
      flag: '--once',
      help: 'print what it would show first as text, and end: 100 x 30 where there is no terminal, or COLUMNS x LINES',
      parse: parseSwitch,
      default: false,
    },
    interval: {
      flag: '--interval <duration>',
      help: 'time between two looks, at least 100ms; 500ms if not given. Not on a terminal, or on one that is dumb, between lines, then 2s: one for each migration that runs, and one whenever the counts of the cluster have changed (convoyctl events tells more)',
      parse: parseInterval,
    },
  },
  examples: [
    'convoyctl top',
    'convoyctl top --once | head -3',
    'COLUMNS=160 LINES=50 convoyctl top --once',
    'convoyctl top --interval 1m >>fleet.log',
  ],
  run: (context, _args, { once, interval }) =>
    withQueue(context, async (queue) => {
      const { api, clock, env, cwd, terminal, out, write } = context;
      const sources = { queue, api, clock };
      if (once) {
        const { frameOnce } = await import('./dashboard/once.js');
        await write(await frameOnce(sources, { page: 'fleet', env, terminal: terminal.out }));
        return 0;
      }
      // Only here: no other command needs a log, which takes as long to load as much of the rest.
      const { silentLog } = await import('../runtime/log.js');
      const { signal } = createShutdown(silentLog);
      if (isPaintable(env)) {
        const { showDashboard } = await import('./dashboard/show.js');
        const by = operatorWords(env, 'convoyctl top');
        const intervalMs = interval ?? 500;
        await showDashboard(sources, { page: 'fleet', intervalMs, env, signal, log: null, by, cwd });
      } else {
        const { topLines } = await import('./top-lines.js');
        await topLines({ queue, api, clock, say: out, intervalMs: interval ?? 2000 }, signal);
      }
      return 0;
    }),
});
