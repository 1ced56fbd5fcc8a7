import {
  type OptionRow,
  type OptionTable,
  type OptionValues,
  parseDuration,
  parseText,
  readOptions,
} from '../runtime/options.js';
import { DEFAULT_ENDPOINT } from './endpoint.js';

export const FLEET_ENDPOINT = 'unix:///var/run/fleet.sock';
const AS_CONFIGURED = 'as ssh is configured';

/** As Go reads a bool, and yes and no. */
export function parseBool(text: string): boolean {
  if (/^(1|t|true|y|yes|on)$/i.test(text)) return true;
  if (/^(0|f|false|n|no|off)$/i.test(text)) return false;
  throw new Error('expected yes or no');
}

function file(flag: string, help: string): OptionRow<string> {
  return { flag, help, parse: parseText };
}

const connection = {
  endpoint: {
    flag: '--endpoint <url>',
    help: 'where convoyd answers: unix:///path, http://host:port or https://host:port',
    parse: parseText,
  },
  ca: file('--ca-file <path>', 'certificate of the authority that signed the one of convoyd'),
  cert: file('--cert-file <path>', 'certificate to show to convoyd'),
  key: file('--key-file <path>', 'its key'),
  token: file('--token-file <path>', 'file with the token to show to convoyd; CONVOY_TOKEN holds one itself'),
  requestTimeout: {
    flag: '--request-timeout <time>',
    help: 'how long convoyd may take to begin an answer',
    parse: parseDuration,
    default: 15_000,
    defaultText: '15s',
  },
  debug: {
    flag: '--debug [bool]',
    help: 'tell each call of the API, and each use of ssh, on stderr',
    parse: parseBool,
    default: false,
  },
} satisfies OptionTable;

const ssh = {
  tunnel: file('--tunnel <host:port>', 'go through this machine, for the API and for ssh'),
  sshUsername: file('--ssh-username <name>', 'who to be on other machines'),
  sshTimeout: {
    flag: '--ssh-timeout <time>',
    help: 'how long ssh may take to connect',
    parse: parseDuration,
    default: 10_000,
    defaultText: '10s',
  },
  knownHosts: file('--known-hosts-file <path>', 'where host keys are'),
  strict: {
    flag: '--strict-host-key-checking [bool]',
    help: 'no: any host key will do',
    parse: parseBool,
  },
} satisfies OptionTable;

/** What fleetctl had and Convoy has no use for, so that old command lines and environments go on working. */
const former = {
  driver: { flag: '--driver <name>', help: 'API is the only one', parse: parseText, default: 'API' },
  experimentalApi: {
    flag: '--experimental-api [bool]',
    help: 'no effect',
    parse: parseBool,
    default: true,
    defaultText: '',
  },
  etcdPrefix: file('--etcd-key-prefix <prefix>', 'no effect'),
  etcdKey: file('--etcd-keyfile <path>', 'the same as --key-file'),
  etcdCert: file('--etcd-certfile <path>', 'the same as --cert-file'),
  etcdCa: file('--etcd-cafile <path>', 'the same as --ca-file'),
} satisfies OptionTable;

const table = { ...connection, ...ssh, ...former };
export type GlobalValues = OptionValues<typeof table>;

/** The options that every command has, as --help groups them, with the names they have in the environment. */
export function globalOptions(
  fleet: boolean,
): readonly { readonly title: string; readonly table: OptionTable }[] {
  const named = (rows: OptionTable): OptionTable =>
    Object.fromEntries(
      Object.entries(rows).map(([key, row]) => [
        key,
        { ...row, ...defaultOf(key, fleet), env: envNames(row, fleet)[0] ?? '' },
      ]),
    );
  return [
    { title: 'Global options:', table: named(connection) },
    { title: 'Global options about ssh:', table: named(ssh) },
    { title: "Global options of fleetctl's:", table: former },
  ];
}

/** What is not in the table because it hangs on the name of the program. */
function defaultOf(key: string, fleet: boolean): { readonly defaultText?: string } {
  const text = {
    endpoint: fleet ? FLEET_ENDPOINT : DEFAULT_ENDPOINT,
    sshUsername: fleet ? 'core' : AS_CONFIGURED,
    knownHosts: fleet ? '~/.fleetctl/known_hosts' : AS_CONFIGURED,
    strict: fleet ? 'yes' : AS_CONFIGURED,
  }[key];
  return text === undefined ? {} : { defaultText: text };
}

/** `given` is what commander read. Of the two environments the one of the name the program was called by wins. */
export function readGlobalOptions(
  given: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
  fleet: boolean,
): GlobalValues {
  const rows = Object.entries<OptionRow<unknown>>(table).map(([key, row]) => {
    const name = envNames(row, fleet).find((one) => env[one]);
    return [key, name === undefined ? row : { ...row, env: name }];
  });
  return readOptions(Object.fromEntries(rows) as typeof table, given, env);
}

/** `--key-file <path>` -> `CONVOY_KEY_FILE`, `FLEETCTL_KEY_FILE`. */
function envNames({ flag }: OptionRow<unknown>, fleet: boolean): string[] {
  const name = (flag.split(' ')[0] ?? '').replace(/^--/, '').replaceAll('-', '_').toUpperCase();
  if (Object.values<OptionRow<unknown>>(former).some((row) => row.flag === flag)) return [`FLEETCTL_${name}`];
  return fleet ? [`FLEETCTL_${name}`, `CONVOY_${name}`] : [`CONVOY_${name}`, `FLEETCTL_${name}`];
}
