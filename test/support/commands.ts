import { Command as Commander } from 'commander';
import { type ApiClient, openClient } from '../../cli/client.js';
import type { Context, Terminal } from '../../cli/command.js';
import { groupsFor, loadCommands } from '../../cli/commands.js';
import { systemClock } from '../../runtime/clock.js';
import { messageOf, UsageError } from '../../runtime/errors.js';
import { addOptions, readOptions } from '../../runtime/options.js';
import type { CliResult } from './convoyctl.js';

/** What is different from a plain pipe. */
export interface Surroundings {
  readonly fleet?: boolean;
  readonly terminal?: Terminal;
  /** The one of stderr. */
  readonly errTerminal?: Terminal;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly ask?: Context['ask'];
  /** The user's Ctrl-C. */
  readonly interrupted?: AbortSignal;
  /** Called with all that has been printed so far. */
  readonly onStdout?: (soFar: string) => void;
}

/** Runs commands in this process: much faster than convoyctl, which is the same commands in a process. */
export function commandRunner(
  endpoint: () => string,
): (args: readonly string[], surroundings?: Surroundings) => Promise<CliResult> {
  return async (args, surroundings = {}) => {
    const [name = '', ...more] = args;
    const entries = groupsFor(false).flatMap(({ commands }) => commands);
    const named = entries.filter((one) => one.name === name || one.name === `${name} ${more[0]}`);
    const [row] = await loadCommands(named);
    if (row === undefined) throw new Error(`there is no command ${name}`);
    const api = openClient(endpoint());
    const printed = { stdout: '', stderr: '' };
    const print = (stream: keyof typeof printed, text: string): void => {
      printed[stream] += text;
      if (stream === 'stdout') surroundings.onStdout?.(printed.stdout);
    };
    const context = contextOf(api, print, surroundings);
    try {
      const command = addOptions(new Commander(name).exitOverride(), row.options)
        .allowExcessArguments(false)
        .configureOutput({ writeErr: () => undefined });
      if (row.arguments !== '') command.arguments(row.arguments);
      command.action(() => undefined).parse(args.slice(row.name.split(' ').length), { from: 'user' });
      const exit = await row.run(
        context,
        command.args,
        readOptions(row.options, command.opts(), context.env),
      );
      return { ...printed, exit };
    } catch (error) {
      return {
        stdout: printed.stdout,
        stderr: `${printed.stderr}convoyctl: ${messageOf(error)}\n`,
        exit: error instanceof UsageError ? 2 : 1,
      };
    } finally {
      await api.close();
    }
  };
}

function contextOf(
  api: ApiClient,
  print: (stream: 'stdout' | 'stderr', text: string) => void,
  {
    fleet = false,
    terminal,
    errTerminal,
    ask = null,
    interrupted,
    cwd = process.cwd(),
    env = {},
  }: Surroundings,
): Context {
  const decoder = new TextDecoder();
  return {
    version: 'convoyctl test',
    api,
    ssh: {
      run: () => Promise.reject(new Error('there is no ssh here')),
      stream: () => {
        throw new Error('there is no tunnel here');
      },
    },
    out: (text) => print('stdout', `${text}\n`),
    err: (text) => print('stderr', `${text}\n`),
    write: async (chunk) =>
      print('stdout', typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })),
    fleet,
    terminal: { out: terminal ?? null, err: errTerminal ?? null },
    ask,
    interrupted: () => interrupted ?? new AbortController().signal,
    clock: systemClock(),
    env,
    cwd,
  };
}
