import { grouped } from '../../jobs/quantities.js';
import type { FailureFilter, MigrationStatus } from '../../jobs/work-queue.js';
import { isTemplate } from '../../units/name.js';
import { emptying } from '../drain-view.js';
import { labelOf, machineState } from '../machine-label.js';
import { stateWords } from '../migration-text.js';
import { wantedInstances } from '../scale-plan.js';
import { counted } from '../table.js';
import { clean } from './cells.js';
import { filterWords } from './filter-words.js';
import type { Intent } from './intent.js';
import { itemsFailed } from './items-failed.js';
import type { About, Row } from './page.js';
import type { Snapshot } from './snapshot.js';

/** Those that `+` and `-` scale: the shipped units that copy tiles. */
export const IMPORTERS = 'zh-import-blobs@.service';

/** What keys that act upon the world come to, with what is known of it now. */
export type Act =
  | { readonly kind: 'do'; readonly intent: Intent }
  /** Something would be lost or stopped: whoever sits there is asked. */
  | { readonly kind: 'ask'; readonly question: string; readonly intent: Intent }
  /** Nothing is done, and why. */
  | { readonly kind: 'say'; readonly words: string };

/** What they may act upon. */
export interface Upon {
  readonly snapshot: Snapshot;
  /** What the page is about. */
  readonly page: About;
  /** The chosen row; null: there is none, or it cannot be seen. */
  readonly row: Row | null;
  /** Those that are listed and marked. */
  readonly marked: readonly Row[];
}

const say = (words: string): Act => ({ kind: 'say', words: clean(words) });
const does = (intent: Intent): Act => ({ kind: 'do', intent });
const ask = (question: string, intent: Intent): Act => ({ kind: 'ask', question: clean(question), intent });

/** What there is to be said in one line about a fleet that nothing is known of yet. */
const NO_FLEET = 'nothing is known of the fleet: convoyd has not answered yet';

export function migrationOf({ page, row }: Upon): string | undefined {
  return row?.about.migration ?? page.migration;
}

export function pauseOrResume(kind: 'pause' | 'resume', upon: Upon): Act {
  const migration = migrationOf(upon);
  if (migration === undefined) return say(`there is no migration to ${kind}`);
  const intent = { kind, migration } as const;
  const found = upon.snapshot.cargo.value?.migrations.get(migration);
  if (found === undefined) return does(intent);
  if ('trouble' in found) return say(`${migration}: ${found.trouble}`);
  const { state, finished, verification } = found;
  const words = stateWords(found, grouped);
  if (state === 'cancelled') return say(`${migration} is ${words}: there is nothing to ${kind}`);
  if (kind === 'resume' && state === 'paused') return does(intent);
  if (finished && verification?.finished !== false)
    return say(`${migration} is ${words}: there is nothing to ${kind}`);
  if (kind === 'pause' && state === 'paused') return say(`${migration} is ${words} already: r resumes it`);
  if (kind === 'resume') return say(`${migration} runs already: p pauses it`);
  return does(intent);
}

export function retry(upon: Upon): Act {
  const { row, marked, page, snapshot } = upon;
  const migration = migrationOf(upon);
  const failures = marked.flatMap(({ about }) => about.failure ?? []);
  const chosen =
    failures.length > 0 ? failures : [row?.about.failure ?? page.failure].flatMap((it) => it ?? []);
  if (migration === undefined || chosen.length === 0)
    return say('no failure is chosen that can be tried again (f lists those of a migration)');
  const intent = { kind: 'retry', migration, filters: chosen } as const;
  const found = snapshot.cargo.value?.migrations.get(migration);
  const counts = chosen.map((failure) => itemsOf(failure, found));
  const items = counts.some((count) => count === null) ? null : counts.reduce(sum, 0);
  if (items === 1) return does(intent);
  const many = items === null || items === chosen.length ? '' : ` (${counted(items, 'item', grouped)})`;
  return ask(`Try ${whichFailures(chosen)}${many} of ${migration} again?`, intent);
}

const sum = (a: number | null, b: number | null): number => (a ?? 0) + (b ?? 0);

/** null: nobody counts these. A failure of one image says which tiles, or is of one thing. */
function itemsOf(
  filter: FailureFilter,
  found: MigrationStatus | { readonly trouble: string } | undefined,
): number | null {
  if (filter.range !== undefined) return filter.range.end - filter.range.first;
  if (filter.image !== undefined) return 1;
  return found === undefined || 'trouble' in found ? null : itemsFailed(found, filter);
}

/** `3 failures`, `all failures with reason=http-404`. */
function whichFailures(chosen: readonly FailureFilter[]): string {
  const kinds = chosen.filter(({ image }) => image === undefined);
  if (kinds.length === 0) return counted(chosen.length, 'failure', grouped);
  return `all failures with ${kinds.map((filter) => filterWords({ filter, rest: '' })).join(' or ')}`;
}

export function startOrStop({ snapshot, page, row }: Upon): Act {
  const unit = row?.about.unit ?? page.unit;
  if (unit === undefined) return say('no unit is chosen to start or stop');
  if (isTemplate(unit)) return say(`${unit} is a template: its instances can be started, it cannot`);
  const fleet = snapshot.fleet.value;
  if (fleet === null) return say(NO_FLEET);
  const report = fleet.units.find(({ record }) => record.name === unit);
  if (report === undefined) return say(`${unit} is not in the registry`);
  const { target, global } = report.record;
  if (target !== 'launched') return does({ kind: 'start', unit });
  const where = global ? ` on all of its ${counted(report.states.length, 'machine')}` : '';
  return ask(`Stop ${unit}${where}?`, { kind: 'stop', unit });
}

/** A row of a unit may name the machine it is on: that is not the machine one chose. */
export function drainOrUncordon({ snapshot, page, row }: Upon): Act {
  const [machine] = [row?.about, page].flatMap((about) =>
    about?.unit === undefined && about?.machine !== undefined ? [about.machine] : [],
  );
  if (machine === undefined) return say('no machine is chosen to drain');
  const fleet = snapshot.fleet.value;
  if (fleet === null) return say(NO_FLEET);
  const report = fleet.machines.find(({ id }) => id === machine);
  if (report === undefined) return say(`machine ${machine} is known no more`);
  const label = labelOf(report);
  if (report.draining) return does({ kind: 'uncordon', machine });
  if (!report.alive)
    return say(`machine ${label} is not there (${machineState(report)}): there is nothing to drain`);
  const { leaving, staying } = emptying(machine, fleet.units);
  const stay = staying.length === 0 ? '' : `, ${those(staying.length, 'stay')} (Sticky=yes)`;
  return ask(`Drain machine ${label}? It takes no new units, ${those(leaving.length, 'leave')} it${stay}.`, {
    kind: 'drain',
    machine,
  });
}

/** `1 unit stays`, `2 units stay`. */
function those(count: number, verb: string): string {
  return `${counted(count, 'unit')} ${verb}${count === 1 ? 's' : ''}`;
}

export function scale(by: 1 | -1, { snapshot }: Upon): Act {
  if (by === 1) return does({ kind: 'scale', by });
  const fleet = snapshot.fleet.value;
  if (fleet === null) return say(NO_FLEET);
  const wanted = wantedInstances(IMPORTERS, fleet.units);
  const last = wanted.at(-1);
  if (last === undefined) return say('no importer is wanted: + starts one');
  const unit = last.record.name;
  const left = `${counted(wanted.length - 1, 'importer')} ${wanted.length === 2 ? 'is' : 'are'} left`;
  return ask(`Unload ${unit}, so that ${left}?`, { kind: 'scale', by, unit });
}
