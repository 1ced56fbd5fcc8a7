import type { Event } from '../api/event-schemas.js';
import { ConvoyError, kindOf, messageOf, permanent, UsageError } from '../runtime/errors.js';
import { type OptionRow, parseChoice, parseInteger, parseSwitch, parseText } from '../runtime/options.js';
import type { EventRequest } from './client.js';
import { type Context, command } from './command.js';
import { describeEvent } from './event-text.js';
import { machineOption } from './journal.js';
import type { ShownEvent } from './json-output.js';
import { findMachine, labelOf, shortId } from './machine-label.js';
import type { EventBatch } from './read-events.js';
import { readUnitArgument, type UnitArgument } from './unit-args.js';

const RETRY_MS = 1000;

const outputOption = {
  flag: '-o, --output <form>',
  help: 'json: an object for each line',
  parse: parseChoice(['json']),
} satisfies OptionRow<'json'>;

export const events = command({
  options: {
    follow: {
      flag: '--follow',
      help: 'go on with what happens until Ctrl-C; so it does anyway without --since',
      parse: parseSwitch,
      default: false,
    },
    short: { flag: '-f, --f', help: 'the same as --follow', parse: parseSwitch, default: false },
    since: {
      flag: '--since <revision>',
      help: 'what happened after this revision, as far back as etcd remembers; each line has its own',
      parse: parseInteger(0, Number.MAX_SAFE_INTEGER),
    },
    unit: { flag: '--unit <name>', help: 'about units of this name or pattern', parse: parseText },
    machine: { ...machineOption, help: 'about the machine whose id begins so' },
    output: outputOption,
  },
  examples: [
    'convoyctl events',
    "convoyctl events --unit 'web@*' -o json",
    'convoyctl events --since 1234',
    'convoyctl events --since 1234 --follow',
  ],
  run: async (context, _args, options) => {
    const { api, clock, write, interrupted } = context;
    const follow = options.follow || options.short || options.since === undefined;
    const enough = interrupted();
    const present = await presentRevision(context, enough);
    if (options.since !== undefined && options.since > present)
      throw new UsageError(`--since: the cluster is at revision ${present}, and not at ${options.since} yet`);
    const machines = await api.machineReports();
    const labels = new Map(machines.map((machine) => [machine.id, labelOf(machine)]));
    const wanted: Wanted = {
      unit: options.unit === undefined ? null : readUnitArgument(options.unit, context),
      machine: options.machine === undefined ? null : findMachine(machines, options.machine).id,
    };
    const show = async (event: Event): Promise<void> => {
      if (event.kind === 'machine' && event.value !== null) labels.set(event.machine, labelOf(event.value));
      if (!isWanted(event, wanted)) return;
      const shown: ShownEvent = {
        revision: event.revision,
        seen: event.revision <= present ? null : new Date(clock.now()).toISOString(),
        kind: event.kind,
        unit: 'unit' in event ? event.unit : null,
        machine: machineOf(event),
        what: describeEvent(event, (id) => labels.get(id) ?? shortId(id)),
      };
      await write(`${options.output === 'json' ? JSON.stringify(shown) : lineOf(shown)}\n`);
    };
    const after = options.since ?? present;
    if (!follow && after === present) return 0;
    // All that happened is asked for where its end is to be seen, and what is wanted where it goes on for ever.
    const request = { after, ...(follow ? requestOf(wanted) : {}) };
    try {
      for await (const batch of withoutGaps(context, request, enough)) {
        for (const event of batch.events) await show(event);
        // The present revision may be of something that is no event: then the stream's next sign of life is the end.
        if (!follow && (batch.revision >= present || batch.events.length === 0)) break;
      }
    } catch (error) {
      if (!(error instanceof ConvoyError && error.code === 'compacted')) throw error;
      throw permanent(
        `${error.message} (the cluster is at revision ${present}; leave --since out to go on from now)`,
      );
    }
    return 0;
  },
});

function machineOf(event: Event): string | null {
  if (event.kind === 'unit') return null;
  return event.kind === 'leader' ? (event.value?.machine ?? null) : event.machine;
}

interface Wanted {
  /** About units that match; null: about anything. */
  readonly unit: UnitArgument | null;
  readonly machine: string | null;
}

function requestOf({ unit, machine }: Wanted): EventRequest {
  return {
    ...(unit === null ? {} : { unit: unit.kind === 'name' ? unit.name : unit.pattern }),
    ...(machine === null ? {} : { machine }),
  };
}

function isWanted(event: Event, { unit, machine }: Wanted): boolean {
  if (machine !== null && machineOf(event) !== machine) return false;
  if (unit === null) return true;
  return 'unit' in event && (unit.kind === 'name' ? unit.name === event.unit : unit.matches(event.unit));
}

/** `2026-11-21T09:00:00Z  1234  web@1.service placed on 472d6cb2...: fewest units`; no time for what had happened before. */
function lineOf({ revision, seen, what }: ShownEvent): string {
  const time = seen === null ? '-' : seen.replace(/\.\d+Z$/, 'Z');
  return `${time.padEnd(20)}  ${revision}  ${what.replace(/\p{Cc}+/gu, ' ')}`;
}

async function presentRevision({ api }: Context, signal: AbortSignal): Promise<number> {
  for await (const { revision } of api.events({}, signal)) return revision;
  return 0;
}

/**
 * Batches in order, each once, without the one that only begins a stream: a lost connection is taken up again where
 * it was lost. Ends when the signal fires.
 */
async function* withoutGaps(
  { api, clock, err }: Context,
  request: EventRequest & { readonly after: number },
  signal: AbortSignal,
): AsyncGenerator<EventBatch> {
  let after = request.after;
  let lost = false;
  let heard = false;
  while (!signal.aborted) {
    let begun = false;
    try {
      for await (const batch of api.events({ ...request, after }, signal)) {
        if (lost) err(`Connected again: nothing since revision ${after} was missed`);
        [lost, heard] = [false, true];
        after = batch.revision;
        if (begun) yield batch;
        begun = true;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!heard || !['transient', 'aborted'].includes(kindOf(error))) throw error;
      if (!lost) err(`${messageOf(error)}; trying again`);
      lost = true;
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }
}
