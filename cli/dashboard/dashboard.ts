import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { silentLog } from '../../runtime/log.js';
import { startLoop } from '../../runtime/loop.js';
import { clean } from './cells.js';
import type { Eyes } from './eyes.js';
import { unlessGivenUp } from './given-up.js';
import type { Hands } from './hands.js';
import type { Intent } from './intent.js';
import { intentWords } from './intent-words.js';
import { layOut } from './layout.js';
import { pageOf } from './pages.js';
import { press, type Seen } from './press.js';
import type { Snapshot } from './snapshot.js';
import { FIRST_STATE, type State } from './state.js';
import type { Key, View, ViewEvents } from './view.js';
import { wantedConditions } from './wanted-conditions.js';

export interface DashboardOptions {
  readonly page: State['page'];
  /** Time between two looks at the same thing, in ms. */
  readonly intervalMs: number;
  readonly eyes: Eyes;
  readonly hands: Hands;
  readonly openView: (events: ViewEvents) => Promise<View>;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** So long, in ms, a frame waits for the looks of its beat; those that take longer are painted with the next. */
const GATHER_MS = 100;

export interface Dashboard {
  /** Says something in the last line, until the next key. */
  say(words: string, tone: NonNullable<State['said']>['tone']): void;
  /** Ends it; `cause`: what went wrong. */
  end(cause?: unknown): void;
  /** Until `q`, the signal, or `end`: with the terminal given back. Rejects with what went wrong. */
  readonly ended: Promise<void>;
}

/**
 * Paints twice a second what the eyes have seen, and at once what a key changes. Nothing that is looked at or done keeps
 * keys and painting waiting.
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { eyes, hands, clock, signal } = options;
  const over = new AbortController();
  let state: State = { ...FIRST_STATE, page: options.page };
  let seen: Seen | null = null;
  let painted = '';
  let willPaint = false;
  let failure: { readonly cause: unknown } | null = null;

  function end(cause?: unknown): void {
    if (cause !== undefined) failure ??= { cause };
    over.abort();
  }

  /** What is not painted right ends the program: half a screen is worse than none. */
  function orEnd(work: () => void): void {
    if (over.signal.aborted) return;
    try {
      work();
    } catch (cause) {
      end(cause);
    }
  }

  function see(snapshot: Snapshot): Seen {
    const page = pageOf(snapshot, state);
    seen = { snapshot, page, frame: layOut(page, state, view.size()) };
    return seen;
  }

  function paint({ frame }: Seen): void {
    const text = JSON.stringify(frame);
    if (text === painted) return;
    view.paint(frame);
    painted = text;
  }

  /** Once for all keys that came together. */
  function paintSoon(): void {
    if (willPaint) return;
    willPaint = true;
    setImmediate(() => {
      willPaint = false;
      orEnd(() => seen !== null && paint(seen));
    });
  }

  function change(next: State): void {
    const before = state;
    state = next;
    if (seen === null) return;
    see(seen.snapshot);
    paintSoon();
    if (before.details.at(-1) !== state.details.at(-1) || before.migration !== state.migration) beat.wake();
  }

  function onKey(key: Key): void {
    orEnd(() => {
      if (seen === null) return;
      const { state: next, intent, quit } = press(state, key, seen);
      if (quit) return end();
      change(next);
      if (intent !== null) void act(intent);
    });
  }

  /** What stands in whose way the hands know. */
  async function act(intent: Intent): Promise<void> {
    say(intentWords(intent), 'dim');
    try {
      say(await unlessGivenUp(hands.perform(intent, over.signal), over.signal), 'good');
    } catch (error) {
      say(messageOf(error), 'bad');
    }
    eyes.hurry();
    beat.wake();
  }

  function say(words: string, tone: NonNullable<State['said']>['tone']): void {
    orEnd(() => change({ ...state, said: { words: clean(words), tone } }));
  }

  async function round(stopping: AbortSignal): Promise<void> {
    const looks = eyes.look(state, seen === null ? [] : wantedConditions(seen.page));
    const done = Promise.all(Object.values(looks)).catch(end);
    await Promise.race([done, clock.sleep(GATHER_MS, stopping).catch(() => undefined)]);
    orEnd(() => paint(see(eyes.snapshot(state))));
  }

  if (signal.aborted) end();
  signal.addEventListener('abort', () => end(), { once: true });
  const view = await options.openView({
    onKey,
    onResize: () => orEnd(() => change(state)),
  });
  const beat = startLoop({
    name: 'dashboard',
    intervalMs: options.intervalMs,
    round,
    clock,
    log: silentLog,
  });

  async function untilOver(): Promise<void> {
    if (!over.signal.aborted)
      await new Promise((resolve) => over.signal.addEventListener('abort', resolve, { once: true }));
    view.close();
    eyes.close();
    await beat.stop();
    if (failure !== null) throw failure.cause;
  }
  return { say, end, ended: untilOver() };
}
