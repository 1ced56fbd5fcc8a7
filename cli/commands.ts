import type { Command } from './command.js';

/** A command as lists of commands have it; the rest of it is loaded when it is wanted. */
export interface CommandEntry {
  /** `submit`, or `migration create`. */
  readonly name: string;
  /** As commander writes them: `<name>`, `[units...]`. */
  readonly arguments: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export interface CommandGroup {
  /** As --help shows it. */
  readonly title: string;
  readonly commands: readonly CommandEntry[];
}

const GROUPS: readonly CommandGroup[] = [
  {
    title: 'Units:',
    commands: [
      {
        name: 'submit',
        arguments: '[units...]',
        summary: 'put unit files into the registry, without running them',
        load: () => import('./activate.js').then((all) => all.submit),
      },
      {
        name: 'load',
        arguments: '[units...]',
        summary: 'place units on machines without starting them; stops those that run',
        load: () => import('./activate.js').then((all) => all.load),
      },
      {
        name: 'start',
        arguments: '[units...]',
        summary: 'place and start units; waits until they are active or have failed',
        load: () => import('./activate.js').then((all) => all.start),
      },
      {
        name: 'stop',
        arguments: '[units...]',
        summary: 'stop units and leave them loaded; waits until they have really stopped',
        load: () => import('./deactivate.js').then((all) => all.stop),
      },
      {
        name: 'unload',
        arguments: '[units...]',
        summary: 'stop units and take them off their machines',
        load: () => import('./deactivate.js').then((all) => all.unload),
      },
      {
        name: 'destroy',
        arguments: '[units...]',
        summary: 'take units out of the registry; waits until they are gone from their machines',
        load: () => import('./deactivate.js').then((all) => all.destroy),
      },
      {
        name: 'restart',
        arguments: '[units...]',
        summary: 'stop and start units where they are, one after another, each once the one before is active',
        load: () => import('./restart.js').then((all) => all.restart),
      },
      {
        name: 'cat',
        arguments: '[unit...]',
        summary: 'print a unit as the registry has it',
        load: () => import('./units.js').then((all) => all.cat),
      },
      {
        name: 'scale',
        arguments: '[template] [count]',
        summary:
          'have the instances 1 to N of a template run, and no higher ones: starts those, unloads these',
        load: () => import('./scale.js').then((all) => all.scale),
      },
      {
        name: 'why',
        arguments: '[units...]',
        summary:
          'tell why units are where they are, or nowhere: every machine with its reason, and how they ended',
        load: () => import('./why.js').then((all) => all.why),
      },
      {
        name: 'reload',
        arguments: '[units...]',
        summary: 'have running units read their configuration again (ExecReload), wherever they run',
        load: () => import('./reload.js').then((all) => all.reload),
      },
      {
        name: 'move',
        arguments: '[units...]',
        summary: 'move units to another machine; waits until they run there',
        load: () => import('./moves.js').then((all) => all.move),
      },
      {
        name: 'rebalance',
        arguments: '',
        summary: 'even out the machines: shows its plan, then moves units a few at a time',
        load: () => import('./moves.js').then((all) => all.rebalance),
      },
    ],
  },
  {
    title: 'Lists:',
    commands: [
      {
        name: 'list-machines',
        arguments: '[machines...]',
        summary: 'list the live machines; of those whose ids begin as given',
        load: () => import('./lists.js').then((all) => all.listMachines),
      },
      {
        name: 'list-units',
        arguments: '[units...]',
        summary:
          "list the units on the machines, with systemd's states; with reasons also those that run nowhere",
        load: () => import('./lists.js').then((all) => all.listUnits),
      },
      {
        name: 'list-unit-files',
        arguments: '[units...]',
        summary: 'list the submitted units, where they are wanted and where they are',
        load: () => import('./lists.js').then((all) => all.listUnitFiles),
      },
      {
        name: 'services',
        arguments: '[names...]',
        summary: 'list where services answer right now',
        load: () => import('./lists.js').then((all) => all.services),
      },
    ],
  },
  {
    title: 'How units are:',
    commands: [
      {
        name: 'status',
        arguments: '[units...]',
        summary: 'show how units are, on each machine that has them, with the end of their output',
        load: () => import('./status.js').then((all) => all.status),
      },
      {
        name: 'journal',
        arguments: '[unit...]',
        summary: 'print the output of a unit, from whichever machine it is on; of a global unit from all',
        load: () => import('./journal.js').then((all) => all.journal),
      },
      {
        name: 'events',
        arguments: '',
        summary: 'tell what happens in the cluster, a line each, as it happens or since a revision',
        load: () => import('./events.js').then((all) => all.events),
      },
    ],
  },
  {
    title: 'Machines:',
    commands: [
      {
        name: 'cordon',
        arguments: '[machines...]',
        summary: 'give machines no new units; what is there stays',
        load: () => import('./machines.js').then((all) => all.cordon),
      },
      {
        name: 'uncordon',
        arguments: '[machines...]',
        summary: 'let machines take units again, after cordon or drain',
        load: () => import('./machines.js').then((all) => all.uncordon),
      },
      {
        name: 'drain',
        arguments: '[machines...]',
        summary: 'move all units off machines, which take no new ones; waits until they are empty',
        load: () => import('./machines.js').then((all) => all.drain),
      },
      {
        name: 'evict',
        arguments: '[machines...]',
        summary: 'give up machines that are lost: their units start elsewhere at once',
        load: () => import('./machines.js').then((all) => all.evict),
      },
      {
        name: 'machines set-metadata',
        arguments: '<machine> <changes...>',
        summary: "set (KEY=VALUE) and remove (KEY-) a machine's metadata; units move where it now sends them",
        load: () => import('./machine-records.js').then((all) => all.setMetadata),
      },
      {
        name: 'machines forget',
        arguments: '<machines...>',
        summary:
          'forget machines that will not come back: their cordon, their metadata, that they were there',
        load: () => import('./machine-records.js').then((all) => all.forget),
      },
      {
        name: 'ssh',
        arguments: '[target] [command...]',
        summary: 'open a shell, or run a command, on a machine or where a unit is',
        load: () => import('./ssh-command.js').then((all) => all.ssh),
      },
    ],
  },
  {
    title: 'Cluster:',
    commands: [
      {
        name: 'top',
        arguments: '',
        summary: 'show the fleet and the migrations as they change, and steer both; ? there tells its keys',
        load: () => import('./top.js').then((all) => all.top),
      },
      {
        name: 'rejoin',
        arguments: '',
        summary: 'end the hold of this machine by accepting the registry that etcd has now',
        load: () => import('./rejoin.js').then((all) => all.rejoin),
      },
      {
        name: 'fd-forward',
        arguments: '<socket>',
        summary: 'pass stdin and stdout on to a socket: the far end of --tunnel',
        load: () => import('./ssh-command.js').then((all) => all.fdForward),
      },
    ],
  },
  {
    title: 'Migrations:',
    commands: [
      {
        name: 'migration create',
        arguments: '<name>',
        summary: 'define a migration; the same definition again changes nothing',
        load: () => import('./migration-create.js').then((all) => all.migrationCreate),
      },
      {
        name: 'migration list',
        arguments: '',
        summary: 'list the migrations',
        load: () => import('./migration.js').then((all) => all.list),
      },
      {
        name: 'migration status',
        arguments: '[name]',
        summary: 'show how a migration (or each of them) stands: states, rates, digest, failures, workers',
        load: () => import('./migration.js').then((all) => all.status),
      },
      {
        name: 'migration images',
        arguments: '<name>',
        summary: 'list the images of a migration, in the order added: tiles, descriptor, digest',
        load: () => import('./migration-images.js').then((all) => all.images),
      },
      {
        name: 'migration failures',
        arguments: '<name>',
        summary: 'list what could not be migrated, and why; all filters given must fit',
        load: () => import('./migration-failures.js').then((all) => all.failures),
      },
      {
        name: 'migration retry',
        arguments: '<name>',
        summary: 'put failed tiles and descriptors back to work, with no attempts counted',
        load: () => import('./migration-failures.js').then((all) => all.retry),
      },
      {
        name: 'migration pause',
        arguments: '<name>',
        summary: 'stop the work until it is resumed; workers finish the tiles in flight',
        load: () => import('./migration-changes.js').then((all) => all.pause),
      },
      {
        name: 'migration resume',
        arguments: '<name>',
        summary: 'go on with a paused migration',
        load: () => import('./migration-changes.js').then((all) => all.resume),
      },
      {
        name: 'migration limit',
        arguments: '<name>',
        summary: 'cap a migration, shared among its live workers; without options tell the caps',
        load: () => import('./migration-changes.js').then((all) => all.limit),
      },
      {
        name: 'migration accept',
        arguments: '<name> <images...>',
        summary: 'publish the descriptors of these images although tiles of them failed',
        load: () => import('./migration-changes.js').then((all) => all.accept),
      },
      {
        name: 'migration close',
        arguments: '<name>',
        summary:
          'close the plan although a list of images was not read to its end: what is planned is all there will be',
        load: () => import('./migration-changes.js').then((all) => all.close),
      },
      {
        name: 'migration cancel',
        arguments: '<name>',
        summary: 'give up what is left to do, for good; the record and the failures stay',
        load: () => import('./migration-changes.js').then((all) => all.cancel),
      },
      {
        name: 'store ls',
        arguments: '<location>',
        summary: 'list the objects below a location: size in bytes, time of the last change, name',
        load: () => import('./store.js').then((all) => all.ls),
      },
      {
        name: 'store stat',
        arguments: '<location>',
        summary:
          'tell what is known of an object, or whether a container can be used and how its store behaves',
        load: () => import('./store.js').then((all) => all.stat),
      },
    ],
  },
  {
    title: 'Help:',
    commands: [
      {
        name: 'version',
        arguments: '',
        summary: 'print the version',
        load: () => import('./version.js').then((all) => all.version),
      },
      {
        name: 'completion',
        arguments: '<shell>',
        summary: 'print what makes bash, zsh, fish complete commands, units and machines',
        load: () => import('./completion.js').then((all) => all.completion),
      },
      {
        name: 'verify',
        arguments: '[units...]',
        summary: 'of fleetctl: units are not signed any more',
        load: () => import('./version.js').then((all) => all.verify),
      },
    ],
  },
];

/** What fleetctl 1.0 had. */
export const FLEET_COMMANDS: readonly string[] = [
  ...['cat', 'destroy', 'fd-forward', 'journal', 'list-machines', 'list-unit-files', 'list-units', 'load'],
  ...['restart', 'ssh', 'start', 'status', 'stop', 'submit', 'unload', 'verify', 'version', 'help'],
];

/** All commands by group; under fleet's name its own come first and Convoy's apart. */
export function groupsFor(fleet: boolean): readonly CommandGroup[] {
  if (!fleet) return GROUPS;
  const isFleets = ({ name }: CommandEntry): boolean => FLEET_COMMANDS.includes(name);
  const all = GROUPS.flatMap(({ commands }) => commands);
  return [
    { title: 'Commands of fleetctl:', commands: all.filter(isFleets) },
    { title: "Convoy's own:", commands: all.filter((row) => !isFleets(row)) },
  ];
}

/** A command with all that there is to it. */
export type LoadedCommand = CommandEntry & Command;

export async function loadCommands(entries: readonly CommandEntry[]): Promise<LoadedCommand[]> {
  return Promise.all(entries.map(async (entry) => ({ ...entry, ...(await entry.load()) })));
}
