import type { MetricFamilies } from '../runtime/prometheus.js';

/** What a process of a program that runs as several (jobs/processes.ts) and its parent say to each other. */

/** To the child: finish what is in flight, give the rest back, end. */
export type ToChild = 'stop';

export type ToParent =
  /** About once a second, and once more at the end. */
  | { readonly kind: 'numbers'; readonly families: MetricFamilies; readonly trouble: string | null }
  /** It ends by itself with this exit code: there is nothing left to do, or, with `usage`, it can never work so. */
  | { readonly kind: 'ended'; readonly code: number; readonly usage: string | null };

export interface Parent {
  /** How many processes the program runs as. */
  readonly processes: number;
  /** Calls back once the parent says so, or is gone. */
  onStop(callback: (why: string) => void): void;
  /** Resolves once it is on its way, or there is nobody to hear it. */
  tell(message: ToParent): Promise<void>;
}

/** How many processes the parent runs as; its own invention, no setting. */
const PARENT = 'ZH_PARENT';

export function childEnvironment(env: NodeJS.ProcessEnv, processes: number): NodeJS.ProcessEnv {
  return { ...env, [PARENT]: String(processes) };
}

/** null in a process that nobody of this program started. A parent that died before it was looked for still is one. */
export function parentOf(env: NodeJS.ProcessEnv): Parent | null {
  const processes = env[PARENT];
  if (processes === undefined || process.send === undefined) return null;
  return {
    processes: Number(processes),
    onStop(callback) {
      process.on('message', (message: ToChild) => {
        if (message === 'stop') callback('told to stop');
      });
      process.on('disconnect', () => callback('the process that started this one is gone'));
      if (!process.connected) callback('the process that started this one is gone');
    },
    tell: (message) =>
      new Promise((resolve) => {
        if (process.connected) process.send?.(message, () => resolve());
        else resolve();
      }),
  };
}
