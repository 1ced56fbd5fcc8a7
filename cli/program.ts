import { Command as Commander, CommanderError } from 'commander';
import { messageOf, UsageError } from '../runtime/errors.js';
import { addOptions, type OptionTable, readOptions } from '../runtime/options.js';
import type { Command, Context } from './command.js';
import { type Grammar, readCommandLine } from './command-line.js';
import { type CommandGroup, FLEET_COMMANDS, groupsFor } from './commands.js';
import { contextOf } from './context.js';
import { globalOptions, readGlobalOptions } from './global-options.js';
import { isClientError, openMeans } from './settings.js';
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
  for (const { title, commands } of groupsFor(fleet)) {
    for (const row of commands) {
      const action = subcommand(program, row, { title, name });
      action.allowExcessArguments(fleet).action(async () => {
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
  }

  try {
    const words = readCommandLine(argv, grammarOf(groupsFor(fleet), fleet));
    await program.parseAsync(words.length === 0 ? ['--help'] : words, { from: 'user' });
  } catch (error) {
    if (isClientError(error)) {
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
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || WIDTH, WIDTH) })
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

/** Adds a row to the program; the first word of `migration create` becomes a command with commands of its own. */
function subcommand(
  program: Commander,
  row: Command,
  { title, name }: { title: string; name: string },
): Commander {
  const words = row.name.split(' ');
  const last = words.pop() ?? '';
  let parent = program;
  for (const word of words)
    parent =
      parent.commands.find((known) => known.name() === word) ??
      parent
        .command(word)
        .description(`commands about ${word.endsWith('s') ? word : `a ${word}`}`)
        .helpGroup(title)
        .addHelpText('after', epilogue(name, row));
  const command = parent
    .command(`${last} ${row.arguments}`.trim())
    .description(row.summary)
    .addHelpText('after', epilogue(name, row));
  if (words.length === 0) command.helpGroup(title);
  if (row.extraOptions) command.allowUnknownOption();
  return addOptions(command, row.options);
}

function epilogue(name: string, { examples, exitCodes }: Command): string {
  return `
Examples:
${examples.map((line) => `  ${line.replace(/^convoyctl\b/, name)}\n`).join('')}
Global options, such as where convoyd is: ${name} --help
${EXIT_CODES}${exitCodes === undefined ? '' : `,\n  ${exitCodes}`}.`;
}

/** What `readCommandLine` has to know of these commands. */
export function grammarOf(groups: readonly CommandGroup[], fleet: boolean): Grammar {
  const commands = new Map<string, OptionTable>();
  for (const { name, options } of groups.flatMap((group) => group.commands)) {
    const [word = '', ...more] = name.split(' ');
    const prefixed = Object.entries(options).map(([key, row]) => [[...more, key].join(' '), row]);
    commands.set(word, { ...commands.get(word), ...Object.fromEntries(prefixed) });
  }
  const globals = Object.assign({}, ...globalOptions(fleet).map(({ table }) => table)) as OptionTable;
  return { globals, commands, preferred: fleet ? FLEET_COMMANDS : [] };
}
