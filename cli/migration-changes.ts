import { settledOf } from '../jobs/progress.js';
import type { OperatorQueue } from '../jobs/work-queue.js';
import { type Command, command } from './command.js';
import { mayGoAhead, yes } from './confirm.js';
import { limitWords, parseBandwidth, parseRps } from './limit-text.js';
import { operatorWords } from './operator.js';
import { statusOf, withQueue } from './queue.js';
import { printable } from './store-text.js';
import { counted } from './table.js';

export const limit = command({
  options: {
    rps: {
      flag: '--rps <n>',
      help: 'most requests a second to the source; off: as many as may be',
      parse: parseRps,
    },
    bandwidth: {
      flag: '--bandwidth <rate>',
      help: 'most bytes a second with K, M or G, which are decimal: 10M is 10 MB/s; off: as many as may be',
      parse: parseBandwidth,
    },
  },
  examples: [
    'convoyctl migration limit zoom --rps 500 --bandwidth 10M',
    'convoyctl migration limit zoom --rps off',
    'convoyctl migration limit zoom',
  ],
  run: async (context, [name = ''], { rps, bandwidth }) => {
    await withQueue(context, async (queue) => {
      const now = (await statusOf(queue, name)).limit;
      const next = {
        requestsPerSecond: rps === undefined ? now.requestsPerSecond : rps,
        bytesPerSecond: bandwidth === undefined ? now.bytesPerSecond : bandwidth,
      };
      if (rps !== undefined || bandwidth !== undefined) await queue.limit(name, next);
      context.out(`Limit of migration ${name}: ${limitWords(next)}`);
    });
    return 0;
  },
});

const NOT_ACCEPTED = {
  whole: 'none of its tiles is missing',
  unsettled: 'tiles of it are still to come: accept it when they are done or failed',
  unknown: 'the migration has no such image',
} as const;

export const accept = command({
  options: {},
  examples: ['convoyctl migration accept zoom abc', 'convoyctl migration accept zoom abc def ghi'],
  exitCodes: '1 also if one of them could not be accepted',
  run: async (context, [name = '', ...ids]) => {
    let refused = 0;
    await withQueue(context, async (queue) => {
      for (const id of ids) {
        const answer = await queue.accept(name, id);
        if (answer === 'accepted') context.out(`${printable(id)}: accepted`);
        else {
          refused++;
          context.err(`${printable(id)}: not accepted (${answer}): ${NOT_ACCEPTED[answer]}`);
        }
      }
    });
    return refused === 0 ? 0 : 1;
  },
});

export const close = command({
  options: { yes },
  examples: ['convoyctl migration close zoom'],
  run: async (context, [name = ''], options) =>
    withQueue(context, async (queue) => {
      const { planClosed, planOpen, images } = await statusOf(queue, name);
      if (planClosed) {
        context.out(`The plan of migration ${name} is closed already`);
        return 0;
      }
      const lists =
        planOpen.length === 0
          ? ['No list of images was read']
          : planOpen.map((list) => `Not read to its end: ${printable(list)}`);
      const question = `Close the plan of migration ${name} with ${counted(images.total, 'image')}?`;
      if (!(await mayGoAhead(context, { question, list: lists, yes: options.yes, unnamed: false }))) return 1;
      await queue.closePlan(name, null);
      for (const line of [...lists, `Closed the plan of migration ${name}`]) context.out(line);
      return 0;
    }),
});

interface Change {
  readonly verb: 'pause' | 'resume';
  readonly done: string;
  readonly change: (queue: OperatorQueue, name: string, why: string) => Promise<void>;
}

function changing({ verb, done, change }: Change): Command {
  return command({
    options: {},
    examples: [`convoyctl migration ${verb} zoom`],
    run: async (context, [name = '']) => {
      await withQueue(context, (queue) => change(queue, name, operatorWords(context.env, 'convoyctl')));
      context.out(`${done} migration ${name}`);
      return 0;
    },
  });
}

export const pause = changing({
  verb: 'pause',
  done: 'Paused',
  change: (queue, name, why) => queue.pause(name, why),
});
export const resume = changing({
  verb: 'resume',
  done: 'Resumed',
  change: (queue, name) => queue.resume(name),
});

export const cancel = command({
  options: { yes },
  examples: ['convoyctl migration cancel zoom'],
  run: async (context, [name = ''], options) =>
    withQueue(context, async (queue) => {
      const { tiles } = await statusOf(queue, name);
      const left = tiles.total - settledOf(tiles);
      const list = [`${left} of ${counted(tiles.total, 'tile')} will never be migrated`];
      const question = `Cancel migration ${name} for good?`;
      if (!(await mayGoAhead(context, { question, list, yes: options.yes, unnamed: false }))) return 1;
      await queue.cancel(name, operatorWords(context.env, 'convoyctl'));
      context.out(`Cancelled migration ${name}`);
      return 0;
    }),
});
