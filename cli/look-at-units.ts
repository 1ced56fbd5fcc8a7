import type { UnitReport } from '../api/wire.js';
import type { Context } from './command.js';
import { FEW, type Look } from './sight.js';
import { UnitsSeen } from './units-seen.js';

/** What units' reports are made of. */
const KINDS = ['unit', 'placement', 'state'] as const;
/** A name that means nothing else as a pattern. */
const PLAIN = /^[\w@.:-]+$/;

/** Looks at units of the registry, null for one that is not there, and follows them by events. */
export function lookAtUnits({ api }: Pick<Context, 'api'>): Look<UnitReport | null> {
  const seen = new UnitsSeen();
  const get = (name: string): UnitReport | null => seen.get(name);

  async function readEach(names: readonly string[]): Promise<void> {
    const found = await Promise.all(names.map((name) => api.unitAt(name)));
    for (const [at, one] of found.entries())
      if (one === null) seen.miss(names[at] ?? '');
      else seen.read(one.unit, one.revision);
  }

  async function readList(names: readonly string[]): Promise<void> {
    const { units, revision } = await api.unitReportsAt();
    const found = new Map(units.map((unit) => [unit.record.name, unit]));
    for (const name of names) {
      const unit = found.get(name);
      if (unit === undefined) seen.miss(name);
      else seen.read(unit, revision);
    }
  }

  async function look(names: readonly string[]): Promise<typeof get> {
    await (names.length <= FEW ? readEach(names) : readList(names));
    return get;
  }

  return Object.assign(look, {
    async follow(names: readonly string[], onNews: (now: typeof get) => void, signal: AbortSignal) {
      const after = seen.readAt(names);
      if (after === null) return;
      const [one = ''] = names;
      const filter = names.length === 1 && PLAIN.test(one) ? { unit: one } : {};
      let isFirst = true;
      for await (const { events } of api.events({ after, kinds: KINDS, ...filter }, signal)) {
        const news = events.filter((event) => seen.take(event));
        if (isFirst || news.length > 0) onNews(get);
        isFirst = false;
      }
    },
  });
}
