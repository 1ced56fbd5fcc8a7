/**
 * The whole API on a registry in memory, as a process of its own, so that its memory can be measured:
 * `node --expose-gc --import tsx fuzz-process.ts` with an IPC channel. Says `{ socket }` once it listens;
 * answers `revision` with that of the registry, and `memory` with what the process has in RAM after collecting garbage.
 */

import { join } from 'node:path';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { parse } from '../../../units/parse.js';
import { hashOf } from '../../../units/unit-file.js';
import { startFakeFleet } from '../../support/fake-fleet.js';

const MACHINE = 'a'.repeat(32);
const fleet = await startFakeFleet([{ id: MACHINE, ip: '10.0.0.1', metadata: { az: 'a' } }], { still: true });
const { unit } = parse('[Service]\nExecStart=/bin/true\n');
for (const name of ['placed.service', 'web@1.service']) {
  const { generation } = await fleet.registry.submitUnit(name, unit, 'launched');
  const why = 'test';
  const placement = {
    unit: name,
    machine: MACHINE,
    hash: hashOf(unit),
    target: 'launched',
    restarts: 0,
    why,
  } as const;
  await fleet.registry.commit(
    [
      {
        ...{
          kind: 'place',
          unit: name,
          machine: MACHINE,
          global: false,
          generation,
          revision: 0,
          why,
          placement,
        },
        ...{ stopBoundMs: null, failedOn: [] },
      },
    ],
    fleet.leader,
  );
}
const say = (told: object): void => void process.send?.(told);

process.on('message', (asked) => {
  if (asked === 'revision') void fleet.registry.readAll().then(({ revision }) => say({ revision }));
  else if (asked === 'memory') void collected().then((bytes) => say({ memory: bytes }));
});
await fleet.sessions[0]!.publish(
  ['placed.service', 'web@1.service'].map((name) => ({
    ...{ unit: name, machine: MACHINE, hash: hashOf(unit), load: 'loaded', active: 'active', sub: 'running' },
    ...{ reached: 'launched' as const, since: 0, exit: null, autoRestarts: 0, reason: '', heard: 1_000 },
  })),
  [],
);
const socket = join(fleet.dir, 'fuzz.sock');
await fleet.serve({ meter: prometheusMeter(), sockets: [{ path: socket, role: 'admin' }] });
say({ socket });

async function collected(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    global.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage.rss();
}
