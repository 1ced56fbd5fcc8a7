import { settledOf } from '../jobs/progress.js';
import type { FailureFilter, OperatorQueue } from '../jobs/work-queue.js';
import { permanent } from '../runtime/errors.js';
import { type OptionRow, parseText } from '../runtime/options.js';
import { type Command, type Context, command } from './command.js';
import { migrationCreate } from './migration-create.js';
import { stateWords, statusLines } from './migration-text.js';
import { withQueue } from './queue.js';
import { formatTable } from './table.js';
import { TEXT_OR_JSON } from './text-or-json.js';

const reason: OptionRow<string> = {
  flag: '--reason <word>',
  help: 'only failures with this reason, such as http-404',
  parse: parseText,
};
const image: OptionRow<string> = {
  flag: '--image <id>',
  help: 'only failures of this image',
  parse: parseText,
};

const list = command({
  name: 'migration list',
  arguments: '',
  summary: 'list the migrations',
  options: {},
  examples: ['convoyctl migration list'],
  run: async (context) => {
    const rows = [['MIGRATION', 'STATE', 'IMAGES', 'TILES', 'SETTLED', 'FAILED']];
    await withQueue(context, async (queue) => {
      for (const name of await queue.migrations()) {
        const status = await statusOf(queue, name);
        const { images, tiles } = status;
        const counts = [images.total, tiles.total, settledOf(tiles), tiles.failed];
        rows.push([name, stateWords(status), ...counts.map(String)]);
      }
    });
    await context.write(formatTable(rows));
    return 0;
  },
});

const status = command({
  name: 'migration status',
  arguments: '[name]',
  summary: 'show how a migration (or each of them) stands: states, rate, failures, workers',
  options: { output: TEXT_OR_JSON },
  examples: ['convoyctl migration status zoom', 'convoyctl migration status -o json'],
  run: async (context, [name], options) => {
    await withQueue(context, async (queue) => {
      const workers = await queue.workers();
      for (const each of name === undefined ? await queue.migrations() : [name]) {
        const current = await statusOf(queue, each);
        if (options.output === 'json') context.out(JSON.stringify({ ...current, workers }));
        else for (const line of statusLines(current, workers)) context.out(line);
      }
    });
    return 0;
  },
});

async function statusOf(queue: OperatorQueue, name: string) {
  const found = await queue.status(name);
  if (found === null) throw permanent(`there is no migration ${name}`, { code: 'not-found' });
  return found;
}

const failures = command({
  name: 'migration failures',
  arguments: '<name>',
  summary: 'list what could not be migrated, and why',
  options: { output: TEXT_OR_JSON, reason, image },
  examples: [
    'convoyctl migration failures zoom',
    'convoyctl migration failures zoom --reason http-404 -o json',
  ],
  run: async (context, [name = ''], options) => {
    await withQueue(context, async (queue) => {
      const rows = [['LANE', 'IMAGE', 'FIRST', 'COUNT', 'REASON', 'STATUS', 'ATTEMPTS']];
      const flush = async (): Promise<void> => context.write(formatTable(rows.splice(0)));
      for await (const failure of queue.failures(name, filterOf(options))) {
        const { lane, first, count, status: httpStatus, attempt } = failure;
        if (options.output === 'json') context.out(JSON.stringify(failure));
        else
          rows.push([
            lane,
            failure.image,
            `${first}`,
            `${count}`,
            failure.reason,
            `${httpStatus || '-'}`,
            `${attempt}`,
          ]);
        if (rows.length > PAGE_ROWS) await flush();
      }
      if (options.output === 'text') await flush();
    });
    return 0;
  },
});

/** Rows that are aligned together: failures may be millions, and are not held in memory. */
const PAGE_ROWS = 1000;

const retry = command({
  name: 'migration retry',
  arguments: '<name>',
  summary: 'put failed tiles and descriptors back to work, with no attempts counted',
  options: { reason, image },
  examples: ['convoyctl migration retry zoom', 'convoyctl migration retry zoom --reason http-503'],
  run: async (context, [name = ''], options) => {
    const count = await withQueue(context, (queue) => queue.requeueFailures(name, filterOf(options)));
    context.out(`Put ${count} failures of migration ${name} back to work`);
    return 0;
  },
});

function filterOf(options: {
  readonly reason: string | undefined;
  readonly image: string | undefined;
}): FailureFilter {
  return {
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.image === undefined ? {} : { image: options.image }),
  };
}

interface Change {
  readonly verb: 'pause' | 'resume' | 'cancel';
  readonly summary: string;
  readonly done: string;
  readonly change: (queue: OperatorQueue, name: string, why: string) => Promise<void>;
}

function changing({ verb, summary, done, change }: Change): Command {
  return command({
    name: `migration ${verb}`,
    arguments: '<name>',
    summary,
    options: {},
    examples: [`convoyctl migration ${verb} zoom`],
    run: async (context: Context, [name = '']) => {
      const why = `by ${context.env.USER || 'an operator'} with convoyctl`;
      await withQueue(context, (queue) => change(queue, name, why));
      context.out(`${done} migration ${name}`);
      return 0;
    },
  });
}

const pause = changing({
  verb: 'pause',
  summary: 'stop the work until it is resumed; workers finish the tiles in flight',
  done: 'Paused',
  change: (queue, name, why) => queue.pause(name, why),
});
const resume = changing({
  verb: 'resume',
  summary: 'go on with a paused migration',
  done: 'Resumed',
  change: (queue, name) => queue.resume(name),
});
const cancel = changing({
  verb: 'cancel',
  summary: 'give up what is left to do, for good; the record and the failures stay',
  done: 'Cancelled',
  change: (queue, name, why) => queue.cancel(name, why),
});

export const migrationCommands: readonly Command[] = [
  migrationCreate,
  list,
  status,
  pause,
  resume,
  failures,
  retry,
  cancel,
];
