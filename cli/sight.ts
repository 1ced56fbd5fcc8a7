import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';

/** One look at everything still waited for. */
export interface Look<Seen> {
  (names: readonly string[]): Promise<(name: string) => Seen>;
  /**
   * Follows these from when they were looked at last: calls back as soon as it does, and whenever something has
   * changed, with how all of it is now. Ends when it cannot any more, however that comes: then looks alone tell.
   * Absent: they always do.
   */
  readonly follow?: (
    names: readonly string[],
    onNews: (now: (name: string) => Seen) => void,
    signal: AbortSignal,
  ) => Promise<void>;
}

/** What is to be seen, or why nothing is just now. */
export type Sighting<Seen> =
  | { readonly kind: 'seen'; readonly of: (name: string) => Seen }
  | { readonly kind: 'waiting'; readonly why: string };

/** Looks at once, and again when something has changed or it is time to. */
export interface Sight<Seen> {
  /**
   * What is to be seen of these next; no later than `by` (`clock.steady()`). Rejects when convoyd has been away for too
   * long, and with what is not over by waiting.
   */
  next(names: readonly string[], by: number): Promise<Sighting<Seen>>;
  close(): void;
}

/** Up to so many are asked about one by one, more of them in one list, which costs the registry more. */
export const FEW = 8;
/** Between looks, and between times that what is known is shown: at first soon, then as long as a look at so many may cost. */
const POLL_FIRST_MS = 50;
const POLL_FEW_MS = 250;
const POLL_MANY_MS = 1_000;
/** Between looks while changes are told: what a look adds is why nothing changes. */
const POLL_FOLLOWED_MS = 1_000;
/** A convoyd may be restarted while somebody waits for a unit. */
const API_AWAY_MS = 10_000;

/** `looked`: what is waited for has been looked at, and is followed from there. */
export function openSight<Seen>(look: Look<Seen>, looked: boolean, clock: Clock): Sight<Seen> {
  const closing = new AbortController();
  let answeredAt = clock.steady();
  let lookedAt = looked ? answeredAt : null;
  let pause = 0;
  let last: ((name: string) => Seen) | null = null;
  let hasNews = false;
  let wake = (): void => undefined;
  let following: 'not' | 'trying' | 'yes' = 'not';

  function follow(names: readonly string[]): void {
    if (look.follow === undefined || following !== 'not') return;
    following = 'trying';
    const end = (): void => {
      following = 'not';
    };
    look
      .follow(
        names,
        (now) => {
          following = 'yes';
          last = now;
          hasNews = true;
          wake();
        },
        closing.signal,
      )
      .then(end, end);
  }

  /** Resolves when there is news, or it is time to look or to show what is known. */
  async function rest(names: readonly string[], by: number): Promise<void> {
    if (hasNews) return;
    follow(names);
    pause = Math.min(pause * 2 || POLL_FIRST_MS, names.length > FEW ? POLL_MANY_MS : POLL_FEW_MS);
    const nap = new AbortController();
    wake = () => nap.abort();
    await clock.sleep(Math.max(0, Math.min(pause, by - clock.steady())), nap.signal).catch(() => undefined);
  }

  return {
    async next(names, by) {
      if (lookedAt !== null) await rest(names, by);
      const freshUntil = following === 'yes' ? Math.min((lookedAt ?? 0) + POLL_FOLLOWED_MS, by) : 0;
      const isFresh = clock.steady() < freshUntil;
      if (last !== null && (hasNews || isFresh)) {
        hasNews = false;
        return { kind: 'seen', of: last };
      }
      try {
        last = await look(names);
        lookedAt = answeredAt = clock.steady();
        return { kind: 'seen', of: last };
      } catch (error) {
        lookedAt = clock.steady();
        if (kindOf(error) !== 'transient' || lookedAt - answeredAt > API_AWAY_MS) throw error;
        return { kind: 'waiting', why: messageOf(error) };
      }
    },
    close: () => closing.abort(),
  };
}
