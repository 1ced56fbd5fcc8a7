import { UsageError } from '../runtime/errors.js';

/** How ssh is to be used for all machines; what is absent is as ssh itself is configured. */
export interface SshSettings {
  readonly username: string | undefined;
  readonly timeoutMs: number;
  readonly knownHosts: string | undefined;
  /** `false`: any host key will do. */
  readonly strict: boolean | undefined;
  /** The machine in between. */
  readonly tunnel: Bastion | undefined;
}

export interface Bastion {
  readonly host: string;
  readonly user: string | undefined;
  readonly port: string | undefined;
}

export interface SshTarget {
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: string | undefined;
  readonly forwardAgent?: boolean;
}

const HOST = /^[A-Za-z0-9_][A-Za-z0-9_.:%-]*$/;

/** `host`, `host:port`, `[v6]:port`, with `user@` before it if need be. */
export function parseBastion(text: string): Bastion {
  const match =
    /^(?:([A-Za-z0-9_][\w.-]*)@)?(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9_][\w.-]*))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw new UsageError(`--tunnel "${text}": expected host or host:port`);
  return { host: match[2] ?? match[3] ?? '', user: match[1], port: match[4] };
}

/** The arguments of ssh that reach a machine, up to and with its name; through the bastion if there is one. */
export function argumentsFor(target: SshTarget, settings: SshSettings): string[] {
  const { tunnel } = settings;
  return [
    ...optionsFor(target, settings),
    ...(tunnel === undefined ? [] : ['-o', `ProxyCommand=${proxyCommand(tunnel, settings)}`]),
    ...(target.forwardAgent ? ['-A'] : []),
    hostOf(target),
  ];
}

/** The same for the bastion itself; `more` are options of its own. */
export function argumentsForBastion(
  bastion: Bastion,
  settings: SshSettings,
  more: readonly string[],
): string[] {
  return [...optionsFor(bastion, settings), ...more, hostOf(bastion)];
}

function optionsFor({ user, port }: SshTarget, settings: SshSettings): string[] {
  const { username, timeoutMs, knownHosts, strict } = settings;
  const login = user ?? username;
  const options = [`ConnectTimeout=${Math.max(1, Math.ceil(timeoutMs / 1000))}`];
  if (strict === false)
    options.push(
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'GlobalKnownHostsFile=/dev/null',
    );
  else {
    if (strict === true) options.push('StrictHostKeyChecking=ask');
    if (knownHosts !== undefined) options.push(`UserKnownHostsFile="${knownHosts}"`);
  }
  return [
    ...options.flatMap((option) => ['-o', option]),
    ...(login === undefined ? [] : ['-l', login]),
    ...(port === undefined ? [] : ['-p', port]),
  ];
}

/** ssh gives it to a shell, after putting the target's host and port in the place of %h and %p. */
function proxyCommand(bastion: Bastion, settings: SshSettings): string {
  const words = argumentsForBastion(bastion, settings, []).map((word) => quoted(word).replaceAll('%', '%%'));
  return ['ssh', '-W', "'[%h]:%p'", ...words].join(' ');
}

/** What begins with a dash would be an option: registries and command lines may hold anything. */
function hostOf({ host }: SshTarget): string {
  if (!HOST.test(host)) throw new UsageError(`"${host}" is no name or address of a machine`);
  return host;
}

/** A word for a shell. */
export function quoted(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** For a shell on the bastion: the first of these sockets that is there, as a stream. */
export function forwardCommand(sockets: readonly string[]): string {
  const program =
    'p=$(command -v convoyctl || command -v fleetctl) || { echo "there is no convoyctl here" >&2; exit 127; }';
  const list = sockets.map(quoted).join(' ');
  const open = `for s in ${list}; do if [ -S "$s" ]; then exec "$p" fd-forward "$s"; fi; done`;
  const script = `PATH=$PATH:/usr/local/bin; ${program}; ${open}; echo "there is no socket ${sockets.join(' or ')} here" >&2; exit 1`;
  return `sh -c ${quoted(script)}`;
}
