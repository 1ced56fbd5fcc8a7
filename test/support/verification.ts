import { spawn } from 'node:child_process';
import type { Ground } from '../../agent/ground.js';
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

/** Copies what there is to copy, tiles and then descriptors, and resolves when nothing is left. */
export async function copyAll(
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
