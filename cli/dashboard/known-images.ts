import type { Image, OperatorQueue } from '../../jobs/work-queue.js';

/** So many images are asked for together, and looked up in one call at most: the rest follows with the next. */
const LOOKED_UP = 50;
/** So many are remembered of a migration. */
const KEPT = 2_000;

export interface KnownImages {
  /** Those of `ids` that are known by now: a few more with each call. An image never changes. */
  of(migration: string, ids: Iterable<string>): Promise<ReadonlyMap<string, Image>>;
}

export function createKnownImages(queue: Pick<OperatorQueue, 'image'>): KnownImages {
  /** Per migration, by id; null: there is none of that id, as of one that was refused. */
  const known = new Map<string, Map<string, Image | null>>();

  return {
    async of(migration, ids) {
      const before = known.get(migration) ?? new Map<string, Image | null>();
      const images = before.size > KEPT ? new Map<string, Image | null>() : before;
      known.set(migration, images);
      const wanted = [...new Set(ids)];
      const unknown = wanted.filter((id) => !images.has(id)).slice(0, LOOKED_UP);
      const found = await Promise.all(unknown.map((id) => queue.image(migration, id)));
      for (const [at, id] of unknown.entries()) images.set(id, found[at]?.image ?? null);
      return new Map(
        wanted.flatMap((id) => {
          const image = images.get(id);
          return image === undefined || image === null ? [] : [[id, image] as const];
        }),
      );
    },
  };
}
