import type { Inspector } from '../../support/queue-inspector.js';

/** A number that Redis tells of itself. */
export async function redisInfo(admin: Inspector, part: 'memory' | 'cpu', field: string): Promise<number> {
  const text = String(await admin.command('INFO', part));
  return Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(text)?.[1]);
}

/** User and system seconds of its process so far. */
export async function redisCpu(admin: Inspector): Promise<number> {
  return (await redisInfo(admin, 'cpu', 'used_cpu_user')) + (await redisInfo(admin, 'cpu', 'used_cpu_sys'));
}
