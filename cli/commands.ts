import type { Command } from './command.js';
import { completionCommands } from './completion.js';
import { eventCommands } from './events.js';
import { journalCommands } from './journal.js';
import { listCommands } from './lists.js';
import { machineRecordCommands } from './machine-records.js';
import { machineCommands } from './machines.js';
import { migrationCommands } from './migration.js';
import { moveCommands } from './moves.js';
import { rejoinCommands } from './rejoin.js';
import { reloadCommands } from './reload.js';
import { forwardCommands, sshCommands } from './ssh-command.js';
import { statusCommands } from './status.js';
import { storeCommands } from './store.js';
import { topCommands } from './top.js';
import { unitCommands } from './units.js';
import { aboutCommands, formerCommands } from './version.js';

export interface CommandGroup {
  /** As --help shows it. */
  readonly title: string;
  readonly commands: readonly Command[];
}

const GROUPS: readonly CommandGroup[] = [
  { title: 'Units:', commands: [...unitCommands, ...reloadCommands, ...moveCommands] },
  { title: 'Lists:', commands: listCommands },
  { title: 'How units are:', commands: [...statusCommands, ...journalCommands, ...eventCommands] },
  { title: 'Machines:', commands: [...machineCommands, ...machineRecordCommands, ...sshCommands] },
  { title: 'Cluster:', commands: [...topCommands, ...rejoinCommands, ...forwardCommands] },
  { title: 'Migrations:', commands: [...migrationCommands, ...storeCommands] },
  { title: 'Help:', commands: [...aboutCommands, ...completionCommands, ...formerCommands] },
];

/** What fleetctl 1.0 had. */
export const FLEET_COMMANDS: readonly string[] = [
  ...['cat', 'destroy', 'fd-forward', 'journal', 'list-machines', 'list-unit-files', 'list-units', 'load'],
  ...['restart', 'ssh', 'start', 'status', 'stop', 'submit', 'unload', 'verify', 'version', 'help'],
];

/** All commands by group; under fleet's name its own come first and Convoy's apart. */
export function groupsFor(fleet: boolean): readonly CommandGroup[] {
  if (!fleet) return GROUPS;
  const isFleets = ({ name }: Command): boolean => FLEET_COMMANDS.includes(name);
  const all = GROUPS.flatMap(({ commands }) => commands);
  return [
    { title: 'Commands of fleetctl:', commands: all.filter(isFleets) },
    { title: "Convoy's own:", commands: all.filter((row) => !isFleets(row)) },
  ];
}
