import type { Clock } from '../../runtime/clock.js';
import { aborted, kindOf } from '../../runtime/errors.js';
import { silentLog } from '../../runtime/log.js';
import { startLoop } from '../../runtime/loop.js';
import type { ApiClient } from '../client.js';
import { askConditions } from './conditions.js';
import { createFleetModel } from './fleet-model.js';
import { unlessGivenUp } from './given-up.js';
import type { Fleet } from './snapshot.js';

export interface FleetLookOptions {
  readonly api: Pick<
    ApiClient,
    'events' | 'unitReportsAt' | 'unitAt' | 'machineReports' | 'leader' | 'hold' | 'machineCondition'
  >;
  readonly clock: Clock;
}

export interface FleetLook {
  /**
   * The cluster as convoyd has confirmed it in the last seconds; waits for that if need be. `conditions`: machines whose
   * condition is wanted; it is in later answers, once it was told. While the cluster cannot be known it rejects with
   * the sentence of why, and goes on by itself when it can; with `aborted` once `signal` fires or the look is closed.
   */
  look(wanted: { readonly conditions: readonly string[] }, signal: AbortSignal): Promise<Fleet>;
  /** Ends what listens, and asks nothing more. What was asked is left to `api`, which stays open. */
  close(): Promise<void>;
}

/** How often is asked what events do not tell, in ms. */
const ASK_MS = 2_000;
/** What convoyd has said longer ago than this, in ms, is not told as what is so. */
const STALE_MS = 5_000;
/** Pause after a failure, and after a list of all units, in ms. */
const RETRY_MS = 1_000;
/** Up to so many units are read one by one, more of them in one list. */
const FEW = 8;

/**
 * Follows the cluster from now on. What is read when:
 * - all units: once, and again when events were lost (broken off, `lagging`, `compacted`);
 * - a unit that is new or has another text: by itself, or many in one list;
 * - who leads and what the leader says, the machines, whether convoyd holds: every two seconds, and when an event tells of
 *   a machine or the leader. These are also how it is known that convoyd and the registry are there;
 * - conditions: of the machines that are wanted, as `askConditions` says.
 */
export function createFleetLook({ api, clock }: FleetLookOptions): FleetLook {
  const model = createFleetModel();
  const closing = new AbortController();
  const { signal: closed } = closing;
  const conditions = askConditions(api, clock, closed, model.feel);
  /** What each part of the work has failed with, until it goes well. */
  const troubles = new Map<'follow' | 'ask' | 'read', unknown>();
  /** When what convoyd answered last was asked, on the steady clock. */
  let confirmedAt = Number.NEGATIVE_INFINITY;
  let news = createNews();

  function settle(part: 'follow' | 'ask' | 'read', error: unknown = null): void {
    if (error === null) troubles.delete(part);
    else troubles.set(part, error);
    news.come();
    news = createNews();
  }

  const asked = <T>(answer: Promise<T>): Promise<T> => unlessGivenUp(answer, closed);

  /** A round of a loop whose failure is told by the look. */
  const told = (part: 'ask' | 'read', round: () => Promise<void>) => async () => {
    try {
      await round();
      settle(part);
    } catch (error) {
      settle(part, error);
    }
  };

  async function ask(): Promise<void> {
    const at = clock.steady();
    const [machines, leader, { hold }] = await asked(
      Promise.all([api.machineReports(), api.leader(), api.hold()]),
    );
    model.stand({ machines, leader, hold });
    confirmedAt = at;
  }

  async function read(): Promise<void> {
    const names = model.unread();
    if (names.length > FEW) {
      const { units, revision } = await asked(api.unitReportsAt());
      for (const unit of units) model.read(unit, revision);
      return clock.sleep(RETRY_MS, closed);
    }
    for (const found of await asked(Promise.all(names.map(api.unitAt))))
      if (found !== null) model.read(found.unit, found.revision);
  }

  const parts = { clock, log: silentLog };
  const asking = startLoop({ ...parts, name: 'ask', intervalMs: ASK_MS, round: told('ask', ask) });
  const reading = startLoop({ ...parts, name: 'read', intervalMs: RETRY_MS, round: told('read', read) });

  /** One connection of events, and the list they go on from. Rejects when it ends. */
  async function follow(): Promise<void> {
    let listed = false;
    for await (const batch of api.events({}, closed)) {
      if (!listed) {
        const { units, revision } = await asked(api.unitReportsAt());
        model.list(units, revision);
        listed = true;
        settle('follow');
      }
      model.take(batch, clock.now());
      if (batch.events.some(({ kind }) => kind === 'machine' || kind === 'known' || kind === 'leader'))
        asking.wake();
      if (model.unread().length > 0) reading.wake();
    }
  }

  async function followAlways(): Promise<void> {
    while (!closed.aborted) {
      try {
        await follow();
      } catch (error) {
        // Of a conflict one knows the way out: to list again.
        if (kindOf(error) !== 'conflict') settle('follow', error);
      }
      await clock.sleep(RETRY_MS, closed).catch(() => undefined);
    }
  }
  const followed = followAlways();

  return {
    async look(wanted, signal) {
      const isThere = new Set(model.fleet()?.machines.flatMap(({ id, alive }) => (alive ? [id] : [])));
      conditions.want(wanted.conditions.filter((id) => isThere.has(id)));
      for (;;) {
        if (closed.aborted) throw aborted('the look at the fleet was closed');
        for (const trouble of troubles.values()) throw trouble;
        const fleet = model.fleet();
        if (fleet !== null && clock.steady() - confirmedAt < STALE_MS) return fleet;
        await unlessGivenUp(news.came, signal);
      }
    },
    async close() {
      closing.abort();
      news.come();
      await Promise.all([followed, asking.stop(), reading.stop()]);
    },
  };
}

/** Something that comes once. */
function createNews() {
  let come = (): void => undefined;
  const came = new Promise<void>((resolve) => {
    come = resolve;
  });
  return { came, come };
}
