import { readdirSync, readFileSync } from 'node:fs';
import { until } from './until.js';

/** SIGSTOP; resolves when every thread stands still. `kill` returns before that, and a busy thread may still answer. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until(`process ${pid} stands still`, () =>
    readdirSync(`/proc/${pid}/task`).every((thread) => stateOf(pid, thread) === 'T'),
  );
}

/** A thread that has ended meanwhile stands still too. */
function stateOf(pid: number, thread: string): string {
  try {
    return (
      /\) (\w)/.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').replace(/^.*\)/s, ')'))?.[1] ??
      'T'
    );
  } catch {
    return 'T';
  }
}
