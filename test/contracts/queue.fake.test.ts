import { MemoryQueue } from '../fakes/memory-queue.js';
import { manualClock } from '../support/clock.js';
import { queueContract } from './queue-contract.js';

queueContract(async () => {
  const clock = manualClock();
  const queue = new MemoryQueue(clock);
  return { queue, pass: (ms) => clock.advance(ms), flush: async () => queue.flush() };
});
