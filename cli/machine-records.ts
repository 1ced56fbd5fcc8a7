import type { MachineReport } from '../api/wire.js';
import { permanent, UsageError } from '../runtime/errors.js';
import { command } from './command.js';
import { mayGoAhead, yes } from './confirm.js';
import { findMachine, labelOf } from './machine-label.js';
import { few } from './select.js';
import { counted } from './table.js';

/** What is remembered of machines: their metadata, and that they were ever there. */

export const setMetadata = command({
  options: {},
  examples: [
    'convoyctl machines set-metadata 472d6cb2 zone=b disk=ssd',
    'convoyctl machines set-metadata 472d6cb2 disk-',
  ],
  run: async ({ api, out }, [argument = '', ...args]) => {
    const changes = Object.fromEntries(args.map(readChange));
    const { id } = findMachine(await api.machineReports(), argument);
    await api.patchMetadata(id, changes);
    const machine = findMachine(await api.machineReports(), id);
    const metadata = Object.entries(machine.metadata)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`);
    out(`Machine ${labelOf(machine)} has ${metadata.length === 0 ? 'no metadata' : metadata.join(',')}`);
    return 0;
  },
});

/** `zone=b` or `zone-`; null: is to be removed. */
function readChange(text: string): [string, string | null] {
  const [, key, value] = /^([A-Za-z0-9_.-]+)=(.+)$/s.exec(text) ?? [];
  if (key !== undefined && value !== undefined) return [key, value];
  const [, removed] = /^([A-Za-z0-9_.-]+)-$/.exec(text) ?? [];
  if (removed !== undefined) return [removed, null];
  throw new UsageError(
    `metadata "${text}": expected KEY=VALUE, or KEY- to remove it; keys are of letters, digits, "_", "." and "-"`,
  );
}

export const forget = command({
  options: { yes },
  examples: ['convoyctl machines forget 472d6cb2'],
  run: async (context, args, options) => {
    const { api, out } = context;
    const all = await api.machineReports();
    const machines = [...new Set(args.map((arg) => findMachine(all, arg)))];
    const units = await api.unitReports();
    for (const machine of machines)
      refuseToForget(
        machine,
        units.filter((unit) => unit.machine === machine.id).map(({ record }) => record.name),
      );
    const question = machines.length === 1 ? 'Forget it?' : `Forget these ${machines.length} machines?`;
    const list = machines.map((machine) => `Machine ${labelOf(machine)} will be forgotten`);
    if (!(await mayGoAhead(context, { question, list, yes: options.yes, unnamed: false }))) return 1;
    for (const machine of machines) {
      await api.forgetMachine(machine.id);
      out(`Machine ${labelOf(machine)} is forgotten`);
    }
    return 0;
  },
});

function refuseToForget(machine: MachineReport, units: readonly string[]): void {
  const label = labelOf(machine);
  const short = machine.id.slice(0, 8);
  if (machine.alive)
    throw permanent(
      `machine ${label} is alive: convoyctl drain ${short}, stop its convoyd, and forget it then`,
    );
  if (units.length > 0)
    throw permanent(
      `machine ${label} has ${counted(units.length, 'unit')} placed on it (${few(units)}): convoyctl evict ${short} starts them elsewhere, and forget it then`,
    );
}
