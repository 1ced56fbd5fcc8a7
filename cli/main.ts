#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Command as Commander, CommanderError } from 'commander';
import { systemClock } from '../runtime/clock.js';
import { messageOf, UsageError } from '../runtime/errors.js';
import { runMain } from '../runtime/main.js';
import { addOptions, type OptionTable, parseText, readOptions } from '../runtime/options.js';
import { type ApiClient, DEFAULT_ENDPOINT, openClient } from './client.js';
import type { Command, Context, Terminal } from './command.js';
import { eventCommands } from './events.js';
import { journalCommands } from './journal.js';
import { listCommands } from './lists.js';
import { machineRecordCommands } from './machine-records.js';
import { machineCommands } from './machines.js';
import { migrationCommands } from './migration.js';
import { moveCommands } from './moves.js';
import { rejoinCommands } from './rejoin.js';
import { reloadCommands } from './reload.js';
import { statusCommands } from './status.js';
import { unitCommands } from './units.js';

const COMMANDS: readonly Command[] = [
  ...unitCommands,
  ...reloadCommands,
  ...moveCommands,
  ...listCommands,
  ...machineCommands,
  ...machineRecordCommands,
  ...rejoinCommands,
  ...statusCommands,
  ...eventCommands,
  ...journalCommands,
  ...migrationCommands,
];

const EXIT_CODES = 'Exit codes: 0 done, 1 failed, 2 wrong usage';

const globalOptions = {
  endpoint: {
    flag: '--endpoint <url>',
    env: 'CONVOY_ENDPOINT',
    help: 'where convoyd answers: unix:///path or http://host:port; FLEETCTL_ENDPOINT is read too',
    parse: parseText,
    default: DEFAULT_ENDPOINT,
  },
} satisfies OptionTable;

function version(): string {
  const file = join(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Runs one command line and answers its exit code. */
async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let code = 0;
  const program = new Commander('convoyctl')
    .description('Controls the units, machines and migrations of a Convoy cluster.')
    .version(`convoyctl ${version()}`, '-v, --version', 'print the version')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: () => undefined })
    .addHelpText('after', `\n${EXIT_CODES}; 3 timed out waiting (Convoy's own commands).`)
    .allowExcessArguments(false);
  addOptions(program, globalOptions);
  program
    .command('version')
    .description('print the version')
    .action(() => void process.stdout.write(`convoyctl ${version()}\n`));

  for (const row of COMMANDS) {
    const action = subcommand(program, row);
    action.action(async () => {
      const endpoint = { ...env, CONVOY_ENDPOINT: env.CONVOY_ENDPOINT || env.FLEETCTL_ENDPOINT };
      const api = openClient(readOptions(globalOptions, program.opts(), endpoint).endpoint);
      try {
        code = await row.run(contextOf(api, env), action.args, readOptions(row.options, action.opts(), env));
      } finally {
        await api.close();
      }
    });
  }

  try {
    await program.parseAsync(argv.length === 0 ? ['--help'] : completed(argv), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') throw new UsageError('which command? (see convoyctl --help)');
    throw new UsageError(
      `${messageOf(error)
        .replace(/^error: /, '')
        .replaceAll('\n', ' ')} (see convoyctl --help)`,
    );
  }
  return code;
}

/** Adds a row to the program; the first word of `migration create` becomes a command with commands of its own. */
function subcommand(program: Commander, row: Command): Commander {
  const words = row.name.split(' ');
  const name = words.pop() ?? '';
  let parent = program;
  for (const word of words)
    parent =
      parent.commands.find((known) => known.name() === word) ??
      parent.command(word).description(`commands about a ${word}`);
  const command = parent
    .command(`${name} ${row.arguments}`.trim())
    .description(row.summary)
    .addHelpText(
      'after',
      `\nExamples:\n${row.examples.map((line) => `  ${line}\n`).join('')}\n${EXIT_CODES}${
        row.exitCodes === undefined ? '' : `, ${row.exitCodes}`
      }.`,
    );
  return addOptions(command, row.options);
}

/** As fleetctl did: the beginning of a command's name stands for it if no other begins so. */
function completed(argv: readonly string[]): string[] {
  const names = ['help', 'version', ...new Set(COMMANDS.map(({ name }) => name.split(' ')[0] ?? ''))];
  const at = argv.findIndex((arg, index) => !arg.startsWith('-') && argv[index - 1] !== '--endpoint');
  const word = argv[at];
  if (word === undefined || names.includes(word)) return [...argv];
  const matches = names.filter((name) => name.startsWith(word));
  return matches.length === 1 ? argv.with(at, matches[0] ?? '') : [...argv];
}

function contextOf(api: ApiClient, env: NodeJS.ProcessEnv): Context {
  return {
    api,
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    write: (chunk) =>
      new Promise((resolve, reject) => {
        process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    fleet: false,
    terminal: { out: terminalOf(process.stdout, env), err: terminalOf(process.stderr, env) },
    ask: process.stdin.isTTY && process.stderr.isTTY ? ask : null,
    interrupted,
    clock: systemClock(),
    env,
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
  process.stderr.write(`${question} [y/N] `);
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}

/** `convoyctl list-units | head`: who reads no more ends it, without a word. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

await runMain('convoyctl', () => main(process.argv.slice(2), process.env));
