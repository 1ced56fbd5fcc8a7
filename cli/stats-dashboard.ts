import { existsSync } from 'node:fs';
import type { OperatorQueue } from '../jobs/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import type { Shutdown } from '../runtime/shutdown.js';
import type { ApiClient } from './client.js';
import type { DivertedLog } from './dashboard/diverted-log.js';
import { frameOnce } from './dashboard/once.js';
import type { Sources } from './dashboard/sources.js';
import { DEFAULT_ENDPOINT } from './endpoint.js';
import { readGlobalOptions } from './global-options.js';
import { operatorWords } from './operator.js';
import { openMeans } from './settings.js';

/** zh-stats as a picture. */
export interface StatsNeeds {
  readonly env: NodeJS.ProcessEnv;
  readonly queue: OperatorQueue;
  readonly clock: Clock;
  readonly shutdown: Shutdown;
}

export async function printFrame(needs: StatsNeeds): Promise<void> {
  const terminal = process.stdout.isTTY ? process.stdout : null;
  process.stdout.write(await frameOnce(sourcesOf(needs), { page: 'migration', env: needs.env, terminal }));
}

/** Until it is left. */
export async function showStats(
  needs: StatsNeeds,
  interval: number | undefined,
  log: DivertedLog,
): Promise<void> {
  // Only here: what paints takes longer to load than all the rest.
  const { showDashboard } = await import('./dashboard/show.js');
  const { env, shutdown } = needs;
  await showDashboard(sourcesOf(needs), {
    ...{ page: 'migration', intervalMs: interval ?? 500 },
    ...{ env, signal: shutdown.signal, log },
    ...{ by: operatorWords(env, 'zh-stats'), cwd: process.cwd() },
  });
}

function sourcesOf({ env, queue, clock, shutdown }: StatsNeeds): Sources {
  const api = convoydOf(env);
  if (api !== null) shutdown.onClose('api', () => api.close());
  return { queue, api, clock };
}

/**
 * The convoyd that unit programs are given (`CONVOY_API`), else convoyctl's, as its settings in the environment say it is
 * reached. null: none is named, and none is where convoyd usually answers.
 */
function convoydOf(env: NodeJS.ProcessEnv): ApiClient | null {
  const values = readGlobalOptions({}, env, false);
  const usual = existsSync(DEFAULT_ENDPOINT.replace('unix://', '')) ? DEFAULT_ENDPOINT : undefined;
  const endpoint = env.CONVOY_API || values.endpoint || usual;
  if (endpoint === undefined) return null;
  const err = (line: string): void => void process.stderr.write(`${line}\n`);
  return openMeans({ ...values, endpoint }, { env, fleet: false, err }).api;
}
