/**
 * In a pid namespace of its own, whose next pid can be set: a program of a ground ends, a stranger gets its pid, the ground is
 * closed. Prints the pid, the stranger's, and whether the stranger is `alive` or `dead`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { openGround } from '../../../agent/ground.js';
import { type Identity, identify } from '../../../agent/supervisor/processes.js';
import { alive } from '../../support/supervisor.js';

/**
 * A stranger with that pid, or none: a thread of this process or of tsx's compiler may have got the pid first, and keeps it.
 * The kernel's start times are in hundredths of a second: the stranger starts in another one.
 */
async function startAgain({ pid, startTime }: Identity): Promise<ChildProcess | undefined> {
  for (let left = 10; left > 0; left -= 1) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
    if (child.pid === pid && identify(pid)?.startTime !== startTime) return child;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  return undefined;
}

const ground = openGround('convoy-pid-again');
for (let left = 20; left > 0; left -= 1) {
  const short = ground.spawn('short', 'true', []);
  const identity = identify(short.pid as number);
  await once(short, 'exit');
  const stranger = await startAgain(identity as Identity);
  if (stranger === undefined) continue;
  await ground.close();
  console.log(short.pid, stranger.pid, alive(stranger.pid as number) ? 'alive' : 'dead');
  stranger.kill('SIGKILL');
  process.exit();
}
throw new Error('no pid was to be had twice');
