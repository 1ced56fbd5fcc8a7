import type { UnitReport } from '../api/wire.js';
import { ConvoyError } from '../runtime/errors.js';
import { type OptionRow, parseChoice, parseInteger, parseSwitch, parseText } from '../runtime/options.js';
import { LOG_OUTPUTS, type LogOutput, sinceProblem } from '../units/unit-log.js';
import type { LogRequest } from './client.js';
import { type Context, command } from './command.js';
import { MachineNames } from './machine-names.js';
import { type MachineLog, mergeLogs } from './merge-logs.js';
import { selectUnit } from './select.js';

export const machineOption = {
  flag: '--machine <id>',
  help: 'of the machine whose id begins so (a global unit runs on several)',
  parse: parseText,
} satisfies OptionRow<string>;

/** What fleet's way over ssh needed; taken and not used. */
export const sshPortOption = {
  flag: '--ssh-port <port>',
  help: "fleetctl's; nothing goes over ssh here",
  parse: parseInteger(1, 65_535),
} satisfies OptionRow<number>;

const outputOption = {
  flag: '--output <form>',
  help: `${LOG_OUTPUTS.join(', ')}: as journalctl, but cat is what the unit wrote and nothing else; machines without systemd know cat and json`,
  parse: parseChoice(LOG_OUTPUTS),
  defaultText: 'short, or cat without systemd',
} satisfies OptionRow<LogOutput>;

export const journal = command({
  options: {
    lines: {
      flag: '--lines <n>',
      help: 'how many of the last lines',
      parse: parseInteger(0, 100_000),
      defaultText: '10, or all with --since',
    },
    follow: {
      flag: '--follow',
      help: 'go on with new lines until interrupted',
      parse: parseSwitch,
      default: false,
    },
    short: { flag: '-f, --f', help: 'the same as --follow', parse: parseSwitch, default: false },
    output: outputOption,
    since: {
      flag: '--since <time>',
      help: 'nothing older, as journalctl reads times: "2026-11-20 18:00", yesterday, -1h; not without systemd',
      parse: parseSince,
    },
    machine: machineOption,
    sudo: {
      flag: '--sudo',
      help: "fleetctl's; convoyd may read the journal anyway",
      parse: parseSwitch,
      default: false,
    },
    sshPort: sshPortOption,
  },
  examples: [
    'convoyctl journal --lines=50 web.service',
    'convoyctl journal -f web.service',
    'convoyctl journal --since=-1h --output=short-iso web@1',
    'convoyctl journal --machine 472d6cb2 everywhere.service',
  ],
  run: async (context, args, options) => {
    const [arg] = args;
    if (arg === undefined || args.length > 1) {
      context.err('One unit file must be provided.');
      return 1;
    }
    const name = await selectUnit(context, arg);
    const unit = await context.api.unit(name);
    if (unit === null) {
      context.err(`Unit ${name} does not exist.`);
      return 1;
    }
    if (unit.states.length === 0) {
      context.err(`Unit ${name} does not appear to be running.`);
      return 1;
    }
    const holders = holdersOf(unit, options.machine);
    if (holders.length === 0) {
      context.err(`Unit ${name} is not on a machine ${options.machine}.`);
      return 1;
    }
    const request: LogRequest = {
      follow: options.follow || options.short,
      ...(options.lines === undefined ? {} : { lines: options.lines }),
      ...(options.output === undefined ? {} : { output: options.output }),
      ...(options.since === undefined ? {} : { since: options.since }),
    };
    const [machine = '', ...others] = holders;
    if (others.length > 0) return copyLogs(context, name, holders, request);
    await copyLog(context, name, { ...request, machine });
    return 0;
  },
});

function parseSince(text: string): string {
  const problem = sinceProblem(text);
  if (problem !== null) throw new Error(problem.replace(/, got .*/, ''));
  return text;
}

/** The machines that have it, by id: those meant by `asked`, else the one it is placed on, or all of a global. */
export function holdersOf({ machine, record, states }: UnitReport, asked: string | undefined): string[] {
  const holders = states.map((state) => state.machine).sort();
  if (asked !== undefined) return holders.filter((id) => id.startsWith(asked.replace(/\.\.\..*$/, '')));
  return !record.global && machine !== null && holders.includes(machine) ? [machine] : holders;
}

/** Prints the log of a unit on one machine. */
export async function copyLog(
  context: Context,
  name: string,
  request: LogRequest & { readonly machine: string },
): Promise<void> {
  for await (const chunk of await context.api.log(name, request)) await context.write(chunk);
}

/**
 * Prints the logs of a unit on several machines, each line after its machine's name: by time, or as they come if they
 * are followed. A log that cannot be had is told; the others are shown. Answers the exit code.
 */
async function copyLogs(
  context: Context,
  name: string,
  holders: readonly string[],
  request: LogRequest,
): Promise<number> {
  const { api, clock } = context;
  const names = new MachineNames(api);
  let code = 0;
  const read = async (machine: string): Promise<MachineLog> => {
    const label = await names.short(machine);
    const lines: string[] = [];
    try {
      for await (const line of linesOf(await api.log(name, { ...request, machine })))
        if (request.follow) await context.write(`${label}: ${line}\n`);
        else lines.push(line);
    } catch (error) {
      if (!(error instanceof ConvoyError)) throw error;
      context.err(`${label}: ${error.message}`);
      code = 1;
    }
    return { label, lines };
  };
  const logs = await Promise.all(holders.map(read));
  for (const line of mergeLogs(logs, clock.now())) await context.write(`${line}\n`);
  return code;
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
