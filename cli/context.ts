import { isatty } from 'node:tty';
import { systemClock } from '../runtime/clock.js';
import type { Context, Terminal } from './command.js';

type Surroundings = Pick<Context, 'api' | 'ssh' | 'env' | 'fleet' | 'version'>;

/** What a command of this process works with. */
export function contextOf({ api, ssh, env, fleet, version }: Surroundings): Context {
  return {
    ...{ api, ssh, env, fleet, version },
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    write: (chunk) =>
      new Promise((resolve, reject) => {
        process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    terminal: { out: terminalOf(process.stdout, env), err: terminalOf(process.stderr, env) },
    // Not asked of `process.stdin`, which would open it.
    ask: isatty(0) && isatty(2) ? ask : null,
    interrupted,
    clock: systemClock(),
    cwd: process.cwd(),
  };
}

function terminalOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Terminal | null {
  if (!stream.isTTY) return null;
  return {
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
    write: (text) => void stream.write(text),
    colours: !env.NO_COLOR && env.TERM !== 'dumb',
  };
}

function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}

/** Line by line, as the terminal gives it, so that Ctrl-C ends the program. The end of the input is no. */
async function ask(question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline');
  process.stderr.write(`${question} [y/N] `);
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}
