import { expect, test } from 'vitest';
import { type DashboardOptions, openDashboard } from '../../../../cli/dashboard/dashboard.js';
import { createEyes } from '../../../../cli/dashboard/eyes.js';
import type { Frame } from '../../../../cli/dashboard/frame.js';
import type { Intent } from '../../../../cli/dashboard/intent.js';
import type { Cargo } from '../../../../cli/dashboard/snapshot.js';
import type { View, ViewEvents } from '../../../../cli/dashboard/view.js';
import type { MigrationStatus } from '../../../../jobs/work-queue.js';
import { conflict } from '../../../../runtime/errors.js';
import { manualClock } from '../../../support/clock.js';

const COUNTS = { total: 100, ready: 100, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };

function migration(name: string, state: MigrationStatus['state'] = 'running'): MigrationStatus {
  return {
    definition: {
      ...{ name, source: 'http://s', destination: 'file:///d', rangeSize: 1000, maxAttempts: 5 },
      ...{ stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
      ...{ serverSide: 'auto' as const, incomplete: 'withhold' as const },
    },
    ...{ state, reason: 'by ada', planClosed: true, planOpen: [], finished: false },
    limit: { requestsPerSecond: null, bytesPerSecond: null },
    images: { total: 1, published: 0, withheld: 0, incomplete: 0, refused: 0 },
    ...{ tiles: COUNTS, descriptors: COUNTS, bytes: 0, reclaimed: 0, failures: {}, digest: '0'.repeat(32) },
    ...{ startedAt: 1, finishedAt: null, now: 2, samples: [], verification: null },
  };
}

function cargoOf(...migrations: readonly MigrationStatus[]): Cargo {
  return {
    migrations: new Map(migrations.map((one) => [one.definition.name, one])),
    ...{ workers: [], failures: [], images: new Map(), history: new Map() },
  };
}

/** A dashboard on a terminal of 100 x 30 that is told what is painted. */
async function dashboard(change: Partial<DashboardOptions> & { readonly cargo?: () => Promise<Cargo> } = {}) {
  const clock = manualClock();
  const frames: Frame[] = [];
  const size = { columns: 100, rows: 30 };
  const intents: Intent[] = [];
  const stopping = new AbortController();
  let closed = 0;
  let events: ViewEvents | undefined;
  const view: View = {
    size: () => size,
    paint: (frame) => frames.push(frame),
    close: () => {
      closed++;
    },
  };
  const cargo = change.cargo ?? (async () => cargoOf(migration('demo')));
  const options: DashboardOptions = {
    ...{ page: 'migration', intervalMs: 500, clock, signal: stopping.signal },
    eyes: createEyes({
      cargo: { look: cargo },
      fleet: { look: () => new Promise(() => undefined), close: async () => undefined },
      opened: { look: () => new Promise(() => undefined) },
      clock,
    }),
    hands: {
      perform: async (intent) => {
        intents.push(intent);
        return `${intent.kind} done`;
      },
    },
    openView: async (heard) => {
      events = heard;
      return view;
    },
    ...change,
  };
  const { ended, say } = await openDashboard(options);
  ended.catch(() => undefined);
  return {
    ...{ clock, frames, intents, size, ended, say, stopping, view },
    closed: () => closed,
    press(...names: readonly string[]) {
      for (const name of names) events?.onKey({ name, text: name });
    },
    resize: () => events?.onResize(),
    /** What is on the screen, once all that needs no time is done. */
    async screen(): Promise<string> {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      const shown = frames.at(-1);
      const lines = (shown?.lines ?? []).map(({ line }) => line.map(({ text }) => text).join(''));
      return [shown?.panels.map(({ title }) => title).join(' | ') ?? '', ...lines].join('\n');
    },
  };
}

/** Looks that nobody answers are painted without after this. */
const GATHERED_MS = 100;

test('paints what answers and waits for nothing that hangs; paints again only what has changed', async () => {
  const shown = await dashboard();
  expect(shown.frames).toHaveLength(0);
  await shown.clock.advance(GATHERED_MS);
  expect(await shown.screen()).toContain('demo');
  expect(shown.frames).toHaveLength(1);
  await shown.clock.advance(1_800);
  expect(shown.frames).toHaveLength(1);
  await shown.press('2');
  await shown.clock.advance(3_000);
  expect(await shown.screen()).toContain('convoyd has not answered for ');
});

test('keys are obeyed at once while nothing answers, each on what the one before has made of it', async () => {
  const shown = await dashboard({ cargo: () => new Promise(() => undefined) });
  await shown.clock.advance(GATHERED_MS);
  const before = shown.frames.length;
  shown.press('2', '?');
  await shown.screen();
  expect(shown.frames).toHaveLength(before + 1);
  expect(shown.frames.at(-1)?.dialog?.title).toBe('keys');
  shown.press('escape', '1');
  await shown.screen();
  expect(shown.frames.at(-1)?.dialog).toBeNull();
});

test('an act says what came of it, and is followed by a look at once', async () => {
  const states = ['running', 'paused'] as const;
  let looks = 0;
  const shown = await dashboard({
    cargo: async () => cargoOf(migration('demo', states[looks++ === 0 ? 0 : 1])),
  });
  await shown.clock.advance(GATHERED_MS);
  await shown.screen();
  shown.press('p');
  expect(await shown.screen()).toContain('pause done');
  expect(shown.intents).toEqual([{ kind: 'pause', migration: 'demo' }]);
  expect(looks).toBe(2);
  await shown.clock.advance(GATHERED_MS);
  expect(await shown.screen()).toContain('paused');
});

test('an act that fails says why, one that hangs what is under way, and both change nothing else', async () => {
  let fail: (error: unknown) => void = () => undefined;
  const shown = await dashboard({
    hands: {
      perform: () =>
        new Promise((_resolve, reject) => {
          fail = reject;
        }),
    },
  });
  await shown.clock.advance(GATHERED_MS);
  await shown.screen();
  shown.press('p');
  expect(await shown.screen()).toContain('pausing demo ...');
  fail(conflict('somebody else\u001b[31m cancelled it'));
  const screen = await shown.screen();
  expect(screen).toContain('somebody else');
  expect(screen).not.toContain('\u001b');
  shown.press('?');
  expect(await shown.screen()).not.toContain('somebody else');
});

test('another size is painted at once', async () => {
  const shown = await dashboard();
  await shown.clock.advance(GATHERED_MS);
  await shown.screen();
  Object.assign(shown.size, { columns: 60, rows: 15 });
  shown.resize();
  await shown.screen();
  expect(shown.frames.at(-1)).toMatchObject({ columns: 60, rows: 15 });
});

test.each(['q', 'ctrl-c'])('%s ends it, with the terminal given back once', async (key) => {
  const shown = await dashboard();
  await shown.clock.advance(GATHERED_MS);
  shown.press(key);
  await shown.ended;
  expect(shown.closed()).toBe(1);
  const painted = shown.frames.length;
  shown.press('2');
  await shown.clock.advance(5_000);
  expect(shown.frames).toHaveLength(painted);
});

test('a signal ends it, whatever hangs: also one that came before it began', async () => {
  const shown = await dashboard({
    cargo: () => new Promise(() => undefined),
    hands: { perform: () => new Promise(() => undefined) },
  });
  await shown.clock.advance(GATHERED_MS);
  await shown.screen();
  shown.stopping.abort();
  await shown.ended;
  expect(shown.closed()).toBe(1);
  const late = await dashboard({ signal: AbortSignal.abort() });
  await late.ended;
  expect(late.closed()).toBe(1);
});

test('what cannot be painted ends it with its error, the terminal given back', async () => {
  const shown = await dashboard();
  shown.view.paint = () => {
    throw new RangeError('no room');
  };
  await shown.clock.advance(GATHERED_MS);
  await expect(shown.ended).rejects.toThrow('no room');
  expect(shown.closed()).toBe(1);
});
