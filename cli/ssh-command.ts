import { connect } from 'node:net';
import type { WireMachine } from '../api/wire.js';
import { messageOf, UsageError } from '../runtime/errors.js';
import { type OptionRow, parseInteger, parseSwitch, parseText } from '../runtime/options.js';

import { type Context, command } from './command.js';
import { MachineNames } from './machine-names.js';
import { unitNamed } from './unit-args.js';

const port: OptionRow<number> = {
  flag: '--ssh-port <port>',
  help: 'where sshd listens (default: as ssh is configured)',
  parse: parseInteger(1, 65_535),
};
const forwardAgent = {
  flag: '-A, --forward-agent',
  help: 'let the machine use the ssh agent here',
  parse: parseSwitch,
  default: false,
} satisfies OptionRow<boolean>;

export const ssh = command({
  options: {
    machine: {
      flag: '--machine <id>',
      help: 'the machine whose id begins so',
      parse: parseText,
    } as OptionRow<string>,
    unit: {
      flag: '--unit <name>',
      help: 'the machine that the unit is on',
      parse: parseText,
    } as OptionRow<string>,
    forwardAgent,
    forwardAgentToo: { ...forwardAgent, flag: '--A', help: 'the same as -A' },
    port,
  },
  examples: [
    'convoyctl ssh 472d6cb2',
    'convoyctl ssh web.service systemctl status web.service',
    "convoyctl ssh --unit web.service 'journalctl -n 50 | grep -i error'",
    'convoyctl --tunnel bastion.example.com ssh web.service -- ls -A /srv',
  ],
  exitCodes: "the command's own otherwise, 255 if ssh did not reach the machine",
  extraOptions: true,
  run: async (context, args, options) => {
    const { machine, unit } = options;
    if (machine !== undefined && unit !== undefined) {
      context.err('Both machine and unit flags provided, please specify only one.');
      return 1;
    }
    const named = machine !== undefined || unit !== undefined;
    const [first, ...rest] = args;
    if (!named && first?.startsWith('-'))
      throw new UsageError(`unknown option '${first}' (see convoyctl help ssh)`);
    let found: WireMachine;
    try {
      found = await find(context, {
        machine: machine ?? (named ? undefined : first),
        unit: unit ?? (named ? undefined : first),
      });
    } catch (error) {
      context.err(`Unable to proceed: ${messageOf(error)}`);
      return 1;
    }
    if (found.primaryIP === undefined) {
      context.err('Could not determine address of machine.');
      return 1;
    }
    const sshPort = options.port ?? (context.fleet ? 22 : undefined);
    const target = {
      host: found.primaryIP,
      forwardAgent: options.forwardAgent || options.forwardAgentToo,
      ...(sshPort === undefined ? {} : { port: String(sshPort) }),
    };
    return context.ssh.run(target, (named ? args : rest).join(' '));
  },
});

interface Wanted {
  readonly machine: string | undefined;
  readonly unit: string | undefined;
}

/** The machine that is meant. Throws what there is to say about a word that is none, or too many. */
async function find(context: Context, { machine, unit }: Wanted): Promise<WireMachine> {
  if (!machine && !unit) throw new Error('one machine or unit must be provided');
  const machines = await context.api.machines();
  const begun = machine === undefined ? [] : machines.filter(({ id }) => id.startsWith(machine));
  const [match] = begun;
  const hosts = unit === undefined ? [] : await machinesOf(context, unitNamed(unit, context));
  if (begun.length === 1 && match !== undefined) {
    if (hosts.length === 0) return match;
    throw new Error(`${machine} is a machine and a unit: say which with --machine or --unit`);
  }
  const [host] = hosts;
  if (host === undefined) {
    if (begun.length > 1 && !context.fleet)
      throw new Error(
        `machine ${machine} could be any of ${begun.map(({ id }) => id).join(', ')}: give more of its id`,
      );
    throw new Error('could not find matching unit or machine');
  }
  if (hosts.length > 1) {
    const names = new MachineNames(context.api);
    const list = await Promise.all(hosts.map((id) => names.short(id)));
    throw new Error(
      `unit ${unit} runs on ${hosts.length} machines (${list.join(', ')}): give one of them instead`,
    );
  }
  return machines.find(({ id }) => id === host) ?? { id: host };
}

/** Where a unit is, or is to be; a global one wherever it runs. */
async function machinesOf({ api }: Context, name: string): Promise<readonly string[]> {
  const unit = await api.unit(name);
  if (unit === null) return [];
  return unit.machine === null ? [...new Set(unit.states.map(({ machine }) => machine))] : [unit.machine];
}

export const fdForward = command({
  options: {},
  examples: ['ssh bastion convoyctl fd-forward /run/convoy/api.sock'],
  run: (context, [path = '']) =>
    new Promise((resolve) => {
      const socket = connect({ path: path.replace(/^unix:\/\//, ''), allowHalfOpen: true });
      socket.once('error', (error) => {
        context.err(`Unable to forward ${path}: ${messageOf(error)}`);
        resolve(1);
      });
      socket.once('connect', () => {
        process.stdin.pipe(socket);
        socket.pipe(process.stdout, { end: false });
      });
      socket.once('end', () => resolve(0));
    }),
});
