/**
 * A leader as a process of its own, to be frozen: `node --import tsx leader-process.ts ENDPOINT PREFIX MACHINE TTL`.
 * Writes one JSON line per fact. `trusted` is sampled every few ms while it leads, with /proc/uptime's clock, which
 * all processes share. When it is over it tries to commit, once as it is and once blind to its own doubts.
 */
import { readFileSync } from 'node:fs';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aPlace } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';

const [endpoint = '', prefix = '', machine = '', ttl = ''] = process.argv.slice(2);
const uptime = (): number => Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1000;
const say = (fact: object): void => void process.stdout.write(`${JSON.stringify(fact)}\n`);

const registry = await openEtcdRegistry({
  ...{ endpoints: [endpoint], prefix, clock: systemClock(), log: silentLog, memory: memoryOfMachine() },
});
const term = await registry.campaign(machine, Number(ttl), new AbortController().signal);
const unit = await registry.readUnit('a.service');
const decision = aPlace('a.service', machine, unit?.record.generation ?? 0);

let trustedAt = 0;
let samples = 0;
while (term.trusted()) {
  trustedAt = uptime();
  samples += 1;
  if (samples === 10) say({ fact: 'leads' });
  await new Promise((resolve) => setTimeout(resolve, 5));
}
say({ fact: 'over', trustedAt, samples });
const honest = await registry.commit([decision], term);
const blind = { ...term, trusted: () => true, lost: new AbortController().signal };
const forced = await registry.commit([decision], blind);
say({ fact: 'commits', honest: honest.kind, forced: forced.kind, trusted: term.trusted() });
await registry.close();
