import { settledOf } from '../jobs/progress.js';
import type { MigrationStatus, OperatorQueue } from '../jobs/work-queue.js';
import { ConvoyError, messageOf, UsageError } from '../runtime/errors.js';
import { type OptionRow, parseText } from '../runtime/options.js';
import { type Context, command } from './command.js';
import { imageLines } from './migration-images.js';
import { shownMigration } from './migration-json.js';
import { failureCount, stateWords, statusLines } from './migration-text.js';
import { statusOf, withQueue } from './queue.js';
import { sideBySide } from './side-by-side.js';
import { formatTable } from './table.js';
import { TEXT_OR_JSON } from './text-or-json.js';

export const list = command({
  options: {},
  examples: ['convoyctl migration list'],
  run: async (context) => {
    const rows = [['MIGRATION', 'STATE', 'IMAGES', 'TILES', 'SETTLED', 'FAILURES']];
    const code = await withQueue(context, (queue) =>
      eachMigration(context, queue, (status) => {
        const { definition, images: planned, tiles } = status;
        const counts = [planned.total, tiles.total, settledOf(tiles), failureCount(status)];
        rows.push([definition.name, stateWords(status), ...counts.map(String)]);
      }),
    );
    await context.write(formatTable(rows));
    return code;
  },
});

const image: OptionRow<string> = {
  flag: '--image <id>',
  help: 'tell of this image of the migration instead',
  parse: parseText,
};

export const status = command({
  options: { image, output: TEXT_OR_JSON },
  examples: [
    'convoyctl migration status zoom',
    'convoyctl migration status -o json',
    'convoyctl migration status zoom --image abc',
  ],
  run: async (context, [name], options) => {
    if (options.image !== undefined && name === undefined)
      throw new UsageError('--image: of which migration? (convoyctl migration status NAME --image ID)');
    return withQueue(context, async (queue) => {
      if (name !== undefined && options.image !== undefined) {
        for (const line of await imageLines(queue, name, options.image, options.output)) context.out(line);
        return 0;
      }
      const workers = await queue.workers();
      const show = (current: MigrationStatus): void => {
        if (options.output === 'json') context.out(JSON.stringify(shownMigration(current, workers)));
        else for (const line of statusLines(current, workers)) context.out(line);
      };
      if (name === undefined) return eachMigration(context, queue, show);
      show(await statusOf(queue, name));
      return 0;
    });
  },
});

/** One that Redis lost is told on stderr, and hides no other. Answers the exit code. */
async function eachMigration(
  context: Context,
  queue: OperatorQueue,
  show: (status: MigrationStatus) => void,
): Promise<number> {
  let code = 0;
  const names = await queue.migrations();
  if (names.length === 0) context.err('There is no migration');
  const found = await sideBySide(names, (name) =>
    statusOf(queue, name).catch((error: unknown) => {
      if (error instanceof ConvoyError && error.code === 'lost') return error;
      throw error;
    }),
  );
  for (const status of found) {
    if (!(status instanceof ConvoyError)) show(status);
    else {
      context.err(`convoyctl: ${messageOf(status)}`);
      code = 1;
    }
  }
  return code;
}
