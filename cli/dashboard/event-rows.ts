import type { Event } from '../../api/event-schemas.js';
import { describeEvent } from '../event-text.js';
import { shortId } from '../machine-label.js';
import { timeOfDay } from '../times.js';
import type { Block, Tone } from './page.js';
import { type Listing, tableOf } from './rows.js';
import type { Fleet } from './snapshot.js';
import { dim, span } from './spans.js';
import type { State } from './state.js';

/** What happens in the cluster, the newest first, each with when it was heard of. */
export function eventsBlock(events: Fleet['events'], state: State, band: number): Block {
  const listing = {
    columns: COLUMNS,
    rows: events.map(rowOf),
    empty: 'nothing has happened since this was opened',
  };
  return {
    id: 'events',
    title: 'Events',
    band,
    grow: { width: 3, height: 1 },
    least: { width: 50, height: 10 },
    spare: 2,
    body: tableOf(state, 'events', listing),
  };
}

/** What happened to one thing: nothing at all if nothing happened. On a wide terminal only, as much else matters more. */
export function historyBlocks(events: Fleet['events'], state: State, band: number): readonly Block[] {
  if (events.length === 0) return [];
  const height = events.length + 3;
  const least = { width: 90, height: Math.min(6, height) };
  return [{ ...eventsBlock(events, state, band), least, most: { height }, spare: 3 }];
}

const COLUMNS: Listing['columns'] = [
  { head: 'HEARD', align: 'left', spare: 1 },
  { head: 'EVENT', align: 'left', spare: 0 },
];

function rowOf({ at, event }: Fleet['events'][number]): Listing['rows'][number] {
  const unit = 'unit' in event ? event.unit : null;
  const machine = 'machine' in event ? event.machine : null;
  const of = [event.kind, unit, machine, event.kind === 'service' ? event.service : null];
  return {
    key: [event.revision, ...of].join('/'),
    cells: [[dim(timeOfDay(at))], [span(describeEvent(event, shortId), toneOf(event))]],
    opens:
      unit !== null
        ? { kind: 'unit', unit, machine: null }
        : machine !== null
          ? { kind: 'machine', machine }
          : null,
    about: unit !== null ? { unit } : machine !== null ? { machine } : {},
  };
}

function toneOf(event: Event): Tone {
  switch (event.kind) {
    case 'state':
      return event.value?.active === 'failed' ? 'bad' : 'plain';
    case 'machine':
      return event.value === null ? 'bad' : 'good';
    case 'leader':
      return event.value === null || event.value.frozen !== null ? 'bad' : 'accent';
    case 'unit':
    case 'placement':
    case 'known':
    case 'service':
      return 'plain';
  }
}
