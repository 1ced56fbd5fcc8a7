import { Command as Commander, CommanderError } from 'commander';
import { ConvoyError, messageOf, UsageError } from '../runtime/errors.js';
import { addOptions, type OptionTable, readOptions } from '../runtime/options.js';
import type { Command, Context } from './command.js';
import { commandIn, type Grammar, readCommandLine } from './command-line.js';
import {
  type CommandEntry,
  FLEET_COMMANDS,
  groupsFor,
  type LoadedCommand,
  loadCommands,
} from './commands.js';
import { globalOptions, readGlobalOptions } from './global-options.js';
import { versionLine } from './version.js';

const EXIT_CODES = 'Exit codes: 0 done, 1 failed, 2 wrong usage';
const WIDTH = 100;
const err = (line: string): void => void process.stderr.write(`${line}\n`);

export type ProgramOptions = Pick<Context, 'env' | 'fleet' | 'version'>;

/** Runs one command line and answers its exit code; throws a `UsageError` for one that means nothing. */
export async function runProgram(argv: readonly string[], given: ProgramOptions): Promise<number> {
  const { env, fleet } = given;
  const name = fleet ? 'fleetctl' : 'convoyctl';
  let code = 0;
  const program = frame(name, given);
  const groups = groupsFor(fleet);
  const entries = groups.flatMap(({ commands }) => commands);
  const named = commandIn(argv, grammarOf(entries, fleet));
  const wanted = await loadCommands(entries.filter((entry) => wordsOf(entry)[0] === named));
  for (const row of wanted) {
    const action = addCommand(program, row, { helpAfter: epilogue(name, row) }).allowExcessArguments(fleet);
    if (row.extraOptions) action.allowUnknownOption();
    addOptions(action, row.options).action(async () => {
      const [{ openMeans }, { contextOf }] = await Promise.all([
        import('./settings.js'),
        import('./context.js'),
      ]);
      const values = readGlobalOptions(program.opts(), env, fleet);
      const { api, ssh } = openMeans(values, { env, fleet, err });
      try {
        const options = readOptions(row.options, action.opts(), env);
        code = await row.run(contextOf({ ...given, api, ssh }), action.args, options);
      } finally {
        api.close();
      }
    });
  }
  // Help lists all, and what is like a mistyped one is told.
  if (wanted.length === 0)
    for (const { title, commands } of groups)
      for (const entry of commands) addCommand(program, entry, { title });

  try {
    const words = readCommandLine(argv, grammarOf(wanted.length === 0 ? entries : wanted, fleet));
    await program.parseAsync(words.length === 0 ? ['--help'] : words, { from: 'user' });
  } catch (error) {
    // A sentence of `openMeans` under fleet's name: it stands alone, as fleetctl's did.
    if (error instanceof ConvoyError && error.code === 'client') {
      err(error.message);
      return 1;
    }
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') throw new UsageError(`which command? (see ${name} --help)`);
    const message = messageOf(error).replace(/^error: /, '');
    throw new UsageError(`${message.replaceAll('\n', ' ')} (see ${name} --help)`);
  }
  return code;
}

function frame(name: string, given: ProgramOptions): Commander {
  const { fleet } = given;
  const program = new Commander(name)
    .description(`Controls the units, machines and migrations of a Convoy cluster.\n${versionLine(given)}`)
    .version(versionLine(given), '-v, --version', 'print the version')
    .exitOverride()
    .configureHelp({
      helpWidth: Math.min(process.stdout.columns || WIDTH, WIDTH),
      // Whether one has options is not known yet, and all have the global ones.
      subcommandTerm: (command) =>
        `${command.name()} ${command.usage().replace(/^\[options\] ?(\[command\])?/, '')}`.trim(),
    })
    .configureOutput({ writeErr: () => undefined })
    .addHelpText(
      'after',
      `
Each option with an env can be set there; one on the command line wins, an empty variable is none.
The beginning of a command's name stands for it if no other command begins so.

Examples:
  ${name} start web.service
  ${name} list-units
  ${name} --tunnel bastion.example.com status web.service
  ${name} --endpoint https://10.0.0.7:7443 --ca-file ca.pem --token-file token list-machines

${EXIT_CODES}; some commands have more: ${name} help COMMAND.`,
    );
  for (const { title, table } of globalOptions(fleet)) {
    program.optionsGroup(title);
    addOptions(program, table);
  }
  program.commandsGroup('Help:').helpCommand('help [command]', 'tell more about a command');
  return program;
}

/** Adds an entry to the program; the first word of `migration create` becomes a command with commands of its own. */
function addCommand(
  program: Commander,
  entry: CommandEntry,
  { title = '', helpAfter = '' }: { title?: string; helpAfter?: string },
): Commander {
  const [word, last] = wordsOf(entry);
  let parent = program;
  if (last !== undefined)
    parent =
      program.commands.find((known) => known.name() === word) ??
      program
        .command(word)
        .description(`commands about ${word.endsWith('s') ? word : `a ${word}`}`)
        .helpGroup(title)
        .addHelpText('after', helpAfter);
  return parent
    .command(`${last ?? word} ${entry.arguments}`.trim())
    .description(entry.summary)
    .helpGroup(title)
    .addHelpText('after', helpAfter);
}

/** `migration create` -> `migration`, `create` */
function wordsOf({ name }: CommandEntry): [word: string, last?: string] {
  const [word = '', last] = name.split(' ');
  return last === undefined ? [word] : [word, last];
}

function epilogue(name: string, { examples, exitCodes }: Command): string {
  return `
Examples:
${examples.map((line) => `  ${line.replace(/^convoyctl\b/, name)}\n`).join('')}
Global options, such as where convoyd is: ${name} --help
${EXIT_CODES}${exitCodes === undefined ? '' : `,\n  ${exitCodes}`}.`;
}

/** What `readCommandLine` has to know of these commands; of those that are not loaded it knows no flags. */
export function grammarOf(
  entries: readonly (CommandEntry & Partial<LoadedCommand>)[],
  fleet: boolean,
): Grammar {
  const commands = new Map<string, OptionTable>();
  for (const entry of entries) {
    const [word, last] = wordsOf(entry);
    const prefixed = Object.entries(entry.options ?? {}).map(([key, row]) => [`${last ?? ''} ${key}`, row]);
    commands.set(word, { ...commands.get(word), ...Object.fromEntries(prefixed) });
  }
  const globals = Object.assign({}, ...globalOptions(fleet).map(({ table }) => table)) as OptionTable;
  return { globals, commands, preferred: fleet ? FLEET_COMMANDS : [] };
}
