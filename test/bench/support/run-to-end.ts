import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '../../../agent/ground.js';

/** What a program needed from its start to its end. */
export interface Usage {
  readonly seconds: number;
  /** User and system time of the program and of all it started. */
  readonly cpuSeconds: number;
}

/**
 * Runs a program to its end; rejects with the end of its log if it fails. Its CPU time is what the kernel adds to this process's
 * account of ended children: no other may end meanwhile.
 */
export async function runToEnd(
  ground: Ground,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onStart: (pid: number) => void = () => undefined,
): Promise<Usage> {
  const before = endedChildrenSeconds();
  const began = performance.now();
  const name = `run-${++runs}`;
  const child = ground.spawn(name, command, args, env);
  if (child.pid !== undefined) onStart(child.pid);
  const code = await exitOf(child);
  const seconds = (performance.now() - began) / 1000;
  if (code !== 0) {
    const log = readFileSync(join(ground.dir, `${name}.log`), 'utf8');
    throw new Error(`${command} ended with ${code}: ${log.slice(-2000)}`);
  }
  return { seconds, cpuSeconds: endedChildrenSeconds() - before };
}

let runs = 0;

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? String(signal)));
  });
}

/** proc(5): cutime and cstime, the 16th and 17th field, in ticks of 10 ms. */
function endedChildrenSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
