import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';

/** Migrations that a worker leaves to themselves for a while, longer each time, and why. */
export interface Avoided {
  /** Answers whether the reason is another than before. */
  add(migration: string, why: string, until: 'mended' | 'created anew'): boolean;
  /** It can be served. Answers whether it was avoided. */
  remove(migration: string): boolean;
  /** Those whose time has not come yet. */
  now(): string[];
  /** Each with its reason, in a sentence, also those that are to be tried again. */
  troubles(): readonly { readonly why: string; readonly words: string }[];
  /** The sentence of one that a person has to mend; null for any other. */
  toBeMended(migration: string): string | null;
}

const PATIENCE = {
  /** Its stores cannot be used: a person has to change something. */
  mended: { firstMs: 5_000, factor: 2, maxMs: 60_000 },
  /** Redis lost it. */
  'created anew': { firstMs: 2_000, factor: 1, maxMs: 2_000 },
} satisfies Record<string, BackoffPolicy>;

interface Trouble {
  readonly why: string;
  readonly until: keyof typeof PATIENCE;
  readonly times: number;
  /** On the steady clock. */
  readonly next: number;
}

export function createAvoided(clock: Clock, random: () => number): Avoided {
  const all = new Map<string, Trouble>();
  return {
    add(migration, why, until) {
      const before = all.get(migration);
      const times = (before?.times ?? 0) + 1;
      const next = clock.steady() + backoffMs(times, PATIENCE[until], random());
      all.set(migration, { why, until, times, next });
      return before?.why !== why;
    },
    remove: (migration) => all.delete(migration),
    now() {
      const now = clock.steady();
      return [...all].flatMap(([migration, { next }]) => (next > now ? [migration] : []));
    },
    troubles: () => [...all].map(([migration, { why }]) => ({ why, words: notServed(migration, why) })),
    toBeMended(migration) {
      const trouble = all.get(migration);
      return trouble?.until === 'mended' ? notServed(migration, trouble.why) : null;
    },
  };
}

function notServed(migration: string, why: string): string {
  return `migration ${migration} is not served: ${why}`;
}
