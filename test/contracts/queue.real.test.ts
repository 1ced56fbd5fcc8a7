import { Socket } from 'node:net';
import { afterEach, beforeAll } from 'vitest';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { WorkQueue } from '../../jobs/work-queue.js';
import { type TestServer, testRedis, useGround } from '../support/services.js';
import { queueContract } from './queue-contract.js';

const ground = useGround('queue-contract');
let redis: TestServer;
const opened: WorkQueue[] = [];
beforeAll(async () => {
  redis = await testRedis(ground);
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()));
});

/** One command of Redis's inline form, past the client under test. */
function tell(command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new Socket().once('error', reject).connect(redis.port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.write(`${command}\r\n`);
  });
}

queueContract(async () => {
  await tell('FLUSHALL');
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5000 });
  opened.push(queue);
  return {
    queue,
    // Leases run on Redis's clock, which only time moves.
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 5)),
    flush: () => tell('FLUSHALL'),
    async restart() {
      await redis.kill();
      await redis.restart();
    },
  };
});
