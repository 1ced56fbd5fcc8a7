import * as v from 'valibot';
import type { ApiContext } from './context.js';
import { json, listed, nothing, operation, resource } from './operation.js';
import { machinesToReport } from './reports.js';
import { type Call, param, type Route, refuse } from './route.js';
import { listOf, MachineReport, MetadataPatch } from './schemas.js';

/** What the operator may want of a machine. `drain` takes no new units either. */
const WISHES = {
  cordon: { id: 'cordonMachine', wish: { cordoned: true }, summary: 'No new units come to the machine.' },
  drain: {
    id: 'drainMachine',
    wish: { cordoned: true, draining: true },
    summary: 'No new units come to the machine, and those it has are moved elsewhere.',
  },
  uncordon: {
    id: 'uncordonMachine',
    wish: { cordoned: false, draining: false },
    summary: 'The machine takes units again.',
  },
} as const;

/** What fleet's API takes too. */
const METADATA_KEY = /^[A-Za-z0-9_.-]+$/;

/**
 * `/v1/machines`: machines that ever joined, and which of them leads; cordon, drain, uncordon, evict, forget, and the
 * metadata the operator sets.
 */
export function machineRoutes({ registry }: ApiContext): Route[] {
  async function reports(call: Call): Promise<{ machines: MachineReport[]; revision: number }> {
    const { machines, known, revision } = await registry.readMachines(call.signal);
    // Later than the revision that is told, so that events after it tell of any leader that came since.
    const leader = await registry.readLeader();
    return { machines: machinesToReport(machines, known, leader?.machine ?? null), revision };
  }

  const list = operation({
    id: 'listMachines',
    summary: 'Machines that ever joined, there or not, by id.',
    role: 'unit',
    answer: listed(v.strictObject({ machines: listOf(MachineReport) })),
    errors: [],
    async handle(call) {
      const { machines, revision } = await reports(call);
      return { json: { machines }, revision };
    },
  });

  const read = operation({
    id: 'readMachine',
    summary: 'One machine.',
    role: 'unit',
    answer: json(MachineReport),
    errors: ['not-found'],
    async handle(call) {
      const id = param(call, 'id');
      const report = (await reports(call)).machines.find((machine) => machine.id === id);
      if (report === undefined) throw refuse(404, 'not-found', `there is no machine ${id}`);
      return report;
    },
  });

  const forget = operation({
    id: 'forgetMachine',
    summary: 'Forgets a machine that is gone and has no units.',
    role: 'admin',
    answer: nothing,
    errors: ['not-found', 'alive', 'in-use'],
    handle: (call) => registry.forgetMachine(param(call, 'id')),
  });

  const changeMetadata = operation({
    id: 'changeMetadata',
    summary: 'Sets or hides metadata of a machine key by key, all or none; what is not named stays.',
    role: 'admin',
    body: MetadataPatch,
    answer: nothing,
    errors: [],
    async handle(call, { body }) {
      const machine = param(call, 'id');
      const bad = Object.keys(body).find((key) => !METADATA_KEY.test(key));
      if (bad !== undefined)
        throw refuse(
          400,
          'bad-body',
          `${JSON.stringify(bad)}: expected a key of letters, digits, ".", "_" and "-"`,
        );
      await registry.patchMetadata(Object.entries(body).map(([key, value]) => ({ machine, key, value })));
    },
  });

  const evict = operation({
    id: 'evictMachine',
    summary: 'Gives up a machine that is gone: its units are placed elsewhere without waiting for it.',
    role: 'admin',
    answer: nothing,
    errors: ['not-found', 'alive'],
    handle: (call) => registry.evictMachine(param(call, 'id')),
  });

  const wishes = Object.entries(WISHES).map(([verb, { id, wish, summary }]) =>
    resource(`/v1/machines/:id/${verb}`, {
      POST: operation({
        ...{ id, summary, role: 'admin', answer: nothing, errors: ['not-found'] },
        role: 'admin',
        handle: (call) => registry.changeMachine(param(call, 'id'), wish),
      }),
    }),
  );

  return [
    resource('/v1/machines', { GET: list }),
    resource('/v1/machines/:id', { GET: read, DELETE: forget }),
    resource('/v1/machines/:id/metadata', { PATCH: changeMetadata }),
    ...wishes,
    resource('/v1/machines/:id/evict', { POST: evict }),
  ];
}
