import type { OperatorQueue } from '../jobs/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import { silentLog } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import type { ApiClient } from './client.js';
import { clusterLine } from './cluster-text.js';
import { createFleetLook } from './dashboard/fleet-look.js';
import { unlessGivenUp } from './dashboard/given-up.js';
import { createLook, createStats } from './stats.js';

export interface TopLinesOptions {
  readonly queue: OperatorQueue;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly say: (line: string) => void;
}

/**
 * Says a line about the cluster whenever its counts change, and one about each migration that runs at every interval,
 * until the signal fires. What cannot be read is said once, and waited for.
 */
export async function topLines(options: TopLinesOptions, signal: AbortSignal): Promise<void> {
  const { queue, api, clock, intervalMs, say } = options;
  const fleet = createFleetLook({ api, clock });
  const stats = createStats({ look: createLook(queue), json: false, say });
  let said = '';

  async function tellCluster(stopping: AbortSignal): Promise<void> {
    let line: string;
    try {
      line = clusterLine(await fleet.look({ conditions: [] }, stopping));
    } catch (error) {
      if (kindOf(error) === 'aborted') throw error;
      line = `cluster: ${messageOf(error)}`;
    }
    if (line !== said) say(line);
    said = line;
  }

  // Each by itself: one may not be answered for long.
  const rounds = [tellCluster, (stopping: AbortSignal) => unlessGivenUp(stats.round(), stopping)];
  const loops = rounds.map((round) => startLoop({ name: 'top', intervalMs, round, clock, log: silentLog }));
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  await Promise.all(loops.map((loop) => loop.stop()));
  await fleet.close();
}
