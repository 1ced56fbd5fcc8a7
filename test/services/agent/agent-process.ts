/**
 * An agent as a process of its own, for a test to kill: on a registry in memory it places the units given as JSON
 * and runs them with the real supervisor of the folder. Says `up` once all of them have been started.
 *
 *     node --import tsx agent-process.ts RUN_DIR '[{"name": "a.service", "text": "[Service]..."}]'
 */
import { openMarkedSupervisor } from '../../support/supervisor.js';
import { until } from '../../support/until.js';
import { openPlacedCluster, startTestAgent } from './agent-kit.js';

const [runDir = '', json = '[]'] = process.argv.slice(2);
const units = JSON.parse(json) as { name: string; text: string }[];
const cluster = await openPlacedCluster();
const manager = await openMarkedSupervisor(runDir);
startTestAgent(cluster.client(), manager);
for (const { name, text } of units) await cluster.place(name, text);
await until('all were started', async () => {
  const there = await manager.list();
  return there.length === units.length && there.every(({ active }) => active === 'active');
});
process.stdout.write('up\n');
