import { readFileSync, readlinkSync } from 'node:fs';
import { UsageError } from '../runtime/errors.js';

const FIRST_FD = 3;

/**
 * The listening unix sockets that systemd hands over (LISTEN_FDS, see sd_listen_fds(3)), path -> descriptor; none
 * when the variables are meant for another process. They are taken out of `env`: what this process starts must not
 * take them for its own. Throws `UsageError` for a socket at no path of `served`.
 */
export function takeSockets(
  env: NodeJS.ProcessEnv,
  pid: number,
  served: readonly string[],
): ReadonlyMap<string, number> {
  const count = env.LISTEN_PID === String(pid) ? Number(env.LISTEN_FDS) : 0;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const sockets = new Map<string, number>();
  for (let fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
    const path = pathOf(fd);
    if (path === undefined || !served.includes(path))
      throw new UsageError(
        `systemd hands over a socket at ${path ?? 'no path'}, but convoyd serves ${served.join(' and ')}: correct ListenStream= of convoyd.socket, or --run-dir`,
      );
    sockets.set(path, fd);
  }
  return sockets;
}

/** Node tells the address of a TCP socket only; the kernel lists the others by inode. */
function pathOf(fd: number): string | undefined {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  return readFileSync('/proc/self/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[6] === inode)?.[7];
}
