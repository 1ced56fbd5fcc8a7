import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host, Hosts } from './hosts.js';

/** SSH servers on all hosts that let root of every host in, by a key that its agent holds. */
export interface Ssh {
  /** Runs a command on a host, with the agent at hand. */
  as(host: Host, ...command: string[]): ReturnType<Host['exec']>;
  /** What is started outside to run a command of a host on a terminal, by ssh from another. */
  onTerminal(from: Host, to: Host, ...command: string[]): string[];
  /** Writes down the key of a host for fleetctl on another, as if it had been asked and told yes. */
  knows(host: Host, other: Host): Promise<void>;
  /** Gives the host another key, as a machine that was made anew has. */
  replaceKey(host: Host): Promise<void>;
}

const AGENT = '/run/ssh-agent.sock';
/** Of the terminals of the tests. */
const TERM = 'tmux-256color';
/** Of whoever asks, on each host. */
export const HOME = '/run/operator';

/** dropbear serves: it comes without a service that would start on the machine the tests run on. */
export async function serveSsh(hosts: Hosts): Promise<Ssh> {
  const key = '/shared/client-key';
  const first = hosts.host(1);
  mkdirSync(join(hosts.shared, 'units'));
  await first.ask('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key);
  writeFileSync(
    join(hosts.shared, 'serve-ssh'),
    `set -e
mkdir -p -m 700 ~root/.ssh ${HOME}/.fleetctl
install -m 600 ${key}.pub ~root/.ssh/authorized_keys
rm -f /etc/host-key
dropbearkey -t ed25519 -f /etc/host-key
systemctl stop ssh-server ssh-agent 2>/dev/null || true
systemd-run --quiet --collect --unit=ssh-server dropbear -F -E -s -r /etc/host-key -p 22
rm -f ${AGENT}
systemd-run --quiet --collect --unit=ssh-agent ssh-agent -D -a ${AGENT}
while [ ! -S ${AGENT} ]; do read -rt 0.05 <> <(:) || true; done
SSH_AUTH_SOCK=${AGENT} ssh-add -q ${key}
`,
  );
  const serve = async (host: Host): Promise<void> => void (await host.ask('bash', '/shared/serve-ssh'));
  await Promise.all(hosts.all.map(serve));
  return {
    as: (host, ...command) => host.exec('env', `SSH_AUTH_SOCK=${AGENT}`, `HOME=${HOME}`, ...command),
    onTerminal: (from, to, ...command) =>
      from.commandLine(
        ...['env', `SSH_AUTH_SOCK=${AGENT}`, `HOME=${HOME}`, `TERM=${TERM}`, 'ssh', '-t'],
        ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
        ...[`root@${to.ip}`, ...command],
      ),
    async knows(host, other) {
      await host.ask('sh', '-c', `ssh-keyscan -t ed25519 ${other.ip} >> ${HOME}/.fleetctl/known_hosts`);
    },
    replaceKey: serve,
  };
}
