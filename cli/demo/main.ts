#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openGround, startEtcd } from '../../agent/ground.js';
import { ensurePrograms } from '../../agent/programs.js';
import { systemClock } from '../../runtime/clock.js';
import { UsageError } from '../../runtime/errors.js';
import { createLog } from '../../runtime/log.js';
import { runMain } from '../../runtime/main.js';
import { type OptionTable, parseProgram, parseSwitch, parseText } from '../../runtime/options.js';
import { createShutdown } from '../../runtime/shutdown.js';
import { renderInput } from './render.js';
import { serveSource } from './source.js';
import { voyage } from './voyage.js';

const table = {
  source: {
    flag: '--source <url>',
    help: 'migrate from here instead of the rendered images',
    parse: parseText,
  },
  ids: { flag: '--ids <file>', help: 'the list of image ids to go with --source', parse: parseText },
  destination: {
    flag: '--destination <url>',
    help: 'to here (default: a folder that ends with the demo)',
    parse: parseText,
  },
  fullSpeed: {
    flag: '--full-speed',
    help: 'do not hold importers to 15 tiles/s',
    parse: parseSwitch,
    default: false,
  },
  calm: { flag: '--calm', help: 'cut no machine off half-way', parse: parseSwitch, default: false },
} satisfies OptionTable;

/** Two tiles the source does not have, as in any real source of this size. */
const LEFT_OUT = new Set(['Fj2_files/13/8_9.jpg', 'Fj2_files/13/12_3.jpg']);

const say = (line: string): void => void process.stdout.write(`${line}\n`);

void runMain('demo', async () => {
  const options = parseProgram(
    {
      name: 'npm run demo --',
      description:
        'Three machines, an elected scheduler and a migration of Deep Zoom images, verified at the end.',
      table,
      epilogue: 'Exit code: 0 everything is accounted for, 1 something is not or went wrong, 2 wrong usage.',
    },
    process.argv.slice(2),
    process.env,
  );
  if ((options.source === undefined) !== (options.ids === undefined))
    throw new UsageError('--source and --ids go together: give both, or neither');
  ensurePrograms(say);

  const shutdown = createShutdown(createLog('demo', 'warn'));
  try {
    const input =
      options.source !== undefined && options.ids !== undefined
        ? { url: options.source, ids: resolve(options.ids) }
        : await ownInput(shutdown.onClose);
    const ground = openGround('convoy-demo');
    shutdown.onClose('ground', () => ground.close());
    say('\nStarting a private etcd.');
    const etcd = await startEtcd(ground);
    return await voyage({
      ground,
      etcd: etcd.url,
      source: input.url,
      ids: input.ids,
      destination: options.destination ?? `file://${join(ground.dir, 'destination')}`,
      maxRps: options.fullSpeed ? null : 15,
      calm: options.calm,
      clock: systemClock(),
      signal: shutdown.signal,
    });
  } finally {
    await shutdown.close();
  }
});

/** The rendered pyramids, served over HTTP in zoom.it's layout. */
async function ownInput(
  onClose: (name: string, close: () => void) => void,
): Promise<{ url: string; ids: string }> {
  const folder = await renderInput(say);
  const source = await serveSource(folder, LEFT_OUT);
  onClose('source', source.close);
  const images = (await readFile(join(folder, 'total.txt'), 'utf8')).trim().split('\n').length;
  say(`Serving ${images} images at ${source.url}; two tiles of one are left out on purpose.`);
  return { url: source.url, ids: join(folder, 'total.txt') };
}
