import { type Command, command } from './command.js';
import { MachineNames } from './machine-names.js';
import { formatTable } from './table.js';

const services = command({
  name: 'services',
  arguments: '[name]',
  summary: 'list where services answer right now',
  options: {},
  examples: ['convoyctl services', 'convoyctl services redis'],
  run: async (context, [name]) => {
    const entries = await context.api.services(name);
    const machines = new MachineNames(context.api);
    const rows = [['SERVICE', 'UNIT', 'MACHINE', 'ADDRESS']];
    for (const { service, unit, machine, host, port } of entries)
      rows.push([
        service,
        unit,
        await machines.short(machine),
        `${host.includes(':') ? `[${host}]` : host}:${port}`,
      ]);
    await context.write(formatTable(rows));
    return 0;
  },
});

export const serviceCommands: readonly Command[] = [services];
