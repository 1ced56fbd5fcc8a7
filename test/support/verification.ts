import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Ground } from '../../agent/ground.js';
import { openRoute } from '../../jobs/route.js';
import type { Lane, WorkQueue } from '../../jobs/work-queue.js';
import { createWorker } from '../../jobs/worker.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { silentMeter } from '../../runtime/meter.js';
import { type JobProgram, startJob } from './migration-processes.js';
import { program } from './programs.js';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs zh-verify to its end; its output. */
export function zhVerify(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const child = spawn(process.execPath, [program('jobs/verify-main.js'), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text.err += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });
}

/** Copies what there is to copy, by the programs a user runs: tiles and then descriptors, until nothing is left. */
export async function copyByPrograms(
  ground: Ground,
  migration: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const jobs: readonly JobProgram[] = ['import-blobs', 'upload-dzis'];
  for (const job of jobs) {
    const code = await startJob(ground, job, ['--migration', migration, '--until-empty'], env).ended;
    if (code !== 0) throw new Error(`zh-${job} ended with ${code}`);
  }
}

/** The same by workers of this process, which is faster; failures are no matter. */
export async function copyAll(
  queue: WorkQueue,
  migration: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const lanes: readonly Lane[] = ['tiles', 'descriptors'];
  const [clock, random, log] = [systemClock(), Math.random, silentLog];
  for (const lane of lanes)
    await createWorker({
      ...{ queue, lane, migration, id: randomUUID(), clock, random, log },
      ...{ concurrency: 16, skipExisting: false, untilEmpty: true },
      openRoute: (definition, hooks) =>
        openRoute(definition, { clock, random, log, env, meter: silentMeter, ...hooks }),
    }).run(new AbortController().signal);
}
