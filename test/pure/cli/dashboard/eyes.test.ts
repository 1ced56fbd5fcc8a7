import { expect, test } from 'vitest';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import { createEyes } from '../../../../cli/dashboard/eyes.js';
import type { Cargo, Fleet, Opened } from '../../../../cli/dashboard/snapshot.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import { transient } from '../../../../runtime/errors.js';
import { manualClock } from '../../../support/clock.js';

const CARGO = (names: readonly string[], failures: Cargo['failures'] = []): Cargo => ({
  migrations: new Map(names.map((name) => [name, { trouble: 'not of interest' }])),
  ...{ workers: [], failures, images: new Map(), history: new Map() },
});
const FLEET = { revision: 7 } as Fleet;
const MACHINE: Detail = { kind: 'machine', machine: 'a' };
const UNIT: Detail = { kind: 'unit', unit: 'a.service', machine: null };

/** Answers that a test gives by hand. */
function byHand<T>() {
  const asked: {
    resolve(value: T): void;
    reject(error: unknown): void;
    readonly given: readonly unknown[];
  }[] = [];
  return {
    asked,
    ask: (...given: readonly unknown[]) =>
      new Promise<T>((resolve, reject) => asked.push({ resolve, reject, given })),
  };
}

const given = (asked: { readonly given: readonly unknown[] } | undefined): readonly unknown[] =>
  asked?.given ?? [];

function eyesByHand() {
  const clock = manualClock();
  const cargo = byHand<Cargo>();
  const fleet = byHand<Fleet>();
  const opened = byHand<Opened>();
  const eyes = createEyes({
    cargo: { look: cargo.ask },
    fleet: { look: fleet.ask, close: () => Promise.resolve() },
    opened: { look: opened.ask },
    clock,
  });
  return { clock, cargo, fleet, opened, eyes };
}

const showing = (...details: readonly Detail[]): State => ({ ...FIRST_STATE, details });

test('each half by itself: one that hangs is begun once, told of, and keeps the other not waiting', async () => {
  const { clock, cargo, fleet, eyes } = eyesByHand();
  const first = eyes.look(FIRST_STATE, ['a']);
  expect(fleet.asked[0]?.given[0]).toEqual({ conditions: ['a'] });
  fleet.asked[0]?.resolve(FLEET);
  await first.fleet;
  await clock.advance(3_000);
  const again = eyes.look(FIRST_STATE, []);
  expect([cargo.asked.length, fleet.asked.length]).toEqual([1, 2]);
  const away = { since: clock.now() - 3_000, words: 'Redis has not answered for 3 s' };
  expect(eyes.snapshot(FIRST_STATE)).toMatchObject({
    cargo: { value: null, trouble: away },
    fleet: { value: FLEET, readAt: clock.now() - 3_000, trouble: null },
  });
  fleet.asked[1]?.reject(transient('no convoyd answers'));
  await again.fleet;
  cargo.asked[0]?.resolve(CARGO(['m']));
  await first.cargo;
  expect(eyes.snapshot(FIRST_STATE)).toMatchObject({
    cargo: { value: CARGO(['m']), trouble: null },
    fleet: { value: FLEET, trouble: { since: clock.now(), words: 'no convoyd answers' } },
  });
});

test('failures are shown with the migration that they are of, and with no other', async () => {
  const { cargo, eyes } = eyesByHand();
  const failures = [{ image: 'of m' }] as unknown as Cargo['failures'];
  const { cargo: seen } = eyes.look({ ...FIRST_STATE, migration: 'm' }, []);
  expect(cargo.asked[0]?.given).toEqual(['m']);
  cargo.asked[0]?.resolve(CARGO(['m', 'n'], failures));
  await seen;
  expect(eyes.snapshot({ ...FIRST_STATE, migration: 'm' }).cargo.value?.failures).toEqual(failures);
  expect(eyes.snapshot({ ...FIRST_STATE, migration: 'n' }).cargo.value?.failures).toEqual([]);
});

test("what is opened is looked at while it is, given up when it is closed, and its late answer is nobody's", async () => {
  const { opened, eyes } = eyesByHand();
  expect(eyes.snapshot(FIRST_STATE).opened).toBeNull();
  eyes.look(showing(UNIT), []);
  const [of, before, signal] = given(opened.asked[0]) as [Detail, Opened | null, AbortSignal];
  expect([of, before, signal.aborted]).toEqual([UNIT, null, false]);
  const looks = eyes.look(showing(UNIT, MACHINE), []);
  expect(signal.aborted).toBe(true);
  const condition: Opened = { of: MACHINE, kind: 'machine', condition: null, trouble: null };
  opened.asked[0]?.resolve({ of: UNIT, kind: 'unit', explanation: null, log: ['late'], trouble: null });
  opened.asked[1]?.resolve(condition);
  await looks.opened;
  expect(eyes.snapshot(showing(UNIT, MACHINE)).opened).toEqual(condition);
  expect(eyes.snapshot(showing(UNIT)).opened).toBeNull();
});

test('what is opened is looked at again after a second, after thirty times as long as it took, or in a hurry', async () => {
  const { clock, opened, eyes } = eyesByHand();
  const state = showing(MACHINE);
  const condition: Opened = { of: MACHINE, kind: 'machine', condition: null, trouble: null };
  async function answer(after: number, found: Opened): Promise<void> {
    const looks = eyes.look(state, []);
    await clock.advance(after);
    opened.asked.at(-1)?.resolve(found);
    await looks.opened;
  }
  /** When it is begun again, in ms from now. */
  async function pause(): Promise<number> {
    const count = opened.asked.length;
    for (let waited = 0; ; waited += 500) {
      eyes.look(state, []);
      if (opened.asked.length > count) return waited;
      await clock.advance(500);
    }
  }
  await answer(10, condition);
  expect(await pause()).toBe(1_000);
  expect(opened.asked.at(-1)?.given[1]).toEqual(condition);
  await answer(100, condition);
  expect(await pause()).toBe(3_000);
  await answer(10_000, condition);
  expect(await pause()).toBe(60_000);
  // That it took long to fail is no load.
  await answer(10_000, { ...condition, trouble: 'no answer' });
  expect(await pause()).toBe(1_000);
  await answer(10_000, condition);
  eyes.hurry();
  expect(await pause()).toBe(0);
});

test('closed, it waits for nothing any more', async () => {
  const { opened, eyes } = eyesByHand();
  const looks = eyes.look(showing(MACHINE), []);
  eyes.close();
  await Promise.all([looks.cargo, looks.fleet]);
  expect((given(opened.asked[0])[2] as AbortSignal).aborted).toBe(true);
});
