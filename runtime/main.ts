import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { messageOf, UsageError } from './errors.js';

/**
 * Runs a program's body and ends the process with its exit code. A usage error is one sentence and 2, any
 * other error one sentence and 1; a stack is shown only for a bug (an error that is not ours) with CONVOY_DEBUG.
 */
export async function runMain(name: string, body: () => Promise<number>): Promise<never> {
  leaveHungUpTerminals();
  // `convoyctl list-units | head`: who reads no more ends it, without a word; and so does a terminal that has hung up.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || (error.code === 'EIO' && process.stdout.isTTY)) process.exit(0);
    throw error;
  });
  let code: number;
  try {
    code = await body();
  } catch (error) {
    process.stderr.write(`${name}: ${messageOf(error)}\n`);
    if (process.env.CONVOY_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    code = error instanceof UsageError ? 2 : 1;
  }
  await Promise.all([process.stdout, process.stderr].map(flushed));
  process.exit(code);
}

/**
 * As it ends Node 20 sets terminals back as they were, and aborts over one that has hung up (nodejs/node#58200): one that
 * is closed it leaves alone.
 */
function leaveHungUpTerminals(): void {
  const terminals = [0, 1, 2].filter((stream) => isatty(stream));
  process.on('exit', () => {
    for (const stream of terminals) if (!isatty(stream)) closeSync(stream);
  });
}

/** A pipe's writes are asynchronous: exiting before they are out would cut the output. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
