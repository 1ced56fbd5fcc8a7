import { transient } from '../../runtime/errors.js';
import { type Bus, MANAGER } from './bus.js';

/** systemd's own words; `done` is the only good one. */
export type JobResult = string;

export interface Jobs {
  /**
   * Enqueues a job for a unit (StartUnit, StopUnit, ReloadUnit) and resolves with its result when it is over. Says so
   * as soon as systemd has it: from then on it is carried out whatever becomes of us.
   */
  run(bus: Bus, member: string, unit: string, onTaken?: () => void): Promise<JobResult>;
  /** What systemd said with JobRemoved. */
  removed(job: string, result: JobResult): void;
  /** The bus is gone: nobody will say what becomes of the jobs. They go on. */
  lost(): void;
}

interface Waiting {
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: Error) => void;
}

export function createJobs(): Jobs {
  const waiting = new Map<string, Waiting[]>();
  return {
    run(bus, member, unit, onTaken) {
      return new Promise((resolve, reject) => {
        const call = { ...MANAGER, member, signature: 'ss', body: [unit, 'replace'] };
        bus
          .call(call, (job) => {
            // Here and not later: the job's end may be the very next message. Jobs that are alike are one.
            waiting.set(String(job), [...(waiting.get(String(job)) ?? []), { resolve, reject }]);
            onTaken?.();
          })
          .catch(reject);
      });
    },
    removed(job, result) {
      for (const { resolve } of waiting.get(job) ?? []) resolve(result);
      waiting.delete(job);
    },
    lost() {
      const error = transient('the bus went away while a job was under way', { code: 'unreachable' });
      for (const { reject } of [...waiting.values()].flat()) reject(error);
      waiting.clear();
    },
  };
}
