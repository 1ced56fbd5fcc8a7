import { describe, expect, test } from 'vitest';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import type { FailureFilter } from '../../../../jobs/work-queue.js';
import { machineReport, rowOf, type Sight, sit, unitReport } from '../../../support/keyboard.js';

const failure = (first: number, end = first + 1): FailureFilter => ({
  ...{ lane: 'tiles', image: 'abc' },
  range: { first, end },
});
const failureRow = (key: string, first: number, end?: number) =>
  rowOf(key, { migration: 'zoomit', failure: failure(first, end) });
const STICKY = [{ section: 'X-Convoy', name: 'Sticky', value: 'yes' }];
const FLEET: State = { ...FIRST_STATE, page: 'fleet' };
const ON_FAILURES: State = sit({ about: { migration: 'zoomit' } }, 'f').state;

describe('pause and resume', () => {
  const sight = (status: object): Sight => ({
    ...{ migrations: { zoomit: status }, about: { migration: 'zoomit' } },
  });
  const verification = (finished: boolean) => ({ verification: { finished } as never });

  test.each([
    ['p', {}],
    ['r', { state: 'paused' as const }],
    // Workers of a verification are paused too.
    ['p', { finished: true, ...verification(false) }],
  ])('%s is done to the migration that is shown', (key, status) => {
    const { intents, said } = sit(sight(status), key);
    expect(intents).toEqual([{ kind: key === 'p' ? 'pause' : 'resume', migration: 'zoomit' }]);
    expect(said).toBe('');
  });

  test.each([
    ['p', { finished: true }, 'zoomit is complete: there is nothing to pause'],
    [
      'p',
      { finished: true, tiles: { failed: 1200 } as never, ...verification(true) },
      'zoomit is complete with 1,200 failures: there is nothing to pause',
    ],
    ['r', { finished: true }, 'zoomit is complete: there is nothing to resume'],
    [
      'p',
      { state: 'cancelled', reason: 'by ada' } as const,
      'zoomit is cancelled (by ada): there is nothing to pause',
    ],
    ['r', { state: 'cancelled' } as const, 'zoomit is cancelled: there is nothing to resume'],
    ['p', { state: 'paused', reason: 'by ada' } as const, 'zoomit is paused (by ada) already: r resumes it'],
    ['r', {}, 'zoomit runs already: p pauses it'],
    ['p', { trouble: 'Redis lost it' }, 'zoomit: Redis lost it'],
  ])('%s of %j says why not', (key, status, words) => {
    expect(sit(sight(status), key)).toMatchObject({ intents: [], said: words, question: null });
  });

  test('the migration of the chosen row goes before', () => {
    const tables = { migrations: [rowOf('a', { migration: 'a' }), rowOf('b', { migration: 'b' })] };
    const migrations = { a: {}, b: {} };
    const { intents } = sit({ migrations, tables, about: { migration: 'a' } }, 'down p');
    expect(intents).toEqual([{ kind: 'pause', migration: 'b' }]);
  });

  test('without a migration, or on the fleet, nothing is done', () => {
    expect(sit({}, 'p')).toMatchObject({ intents: [], said: 'there is no migration to pause' });
    expect(sit(sight({}), 'p', FLEET)).toMatchObject({
      ...{ intents: [], said: 'p means nothing here: ? lists the keys' },
    });
  });
});

describe('start and stop', () => {
  const units = [
    unitReport('up.service'),
    unitReport('off.service', { target: 'loaded' }),
    unitReport('all.service', { global: true }),
    unitReport('web@.service', { target: 'inactive' }),
  ];
  const on = (unit: string): Sight => ({ units, tables: { units: [rowOf(unit, { unit })] } });

  test('what is not to run is started at once', () => {
    const { intents } = sit(on('off.service'), 's', FLEET);
    expect(intents).toEqual([{ kind: 'start', unit: 'off.service' }]);
  });

  test('what is to run is stopped once y is answered, and only once', () => {
    expect(sit(on('up.service'), 's', FLEET)).toMatchObject({ intents: [], question: 'Stop up.service?' });
    const { intents, question } = sit(on('up.service'), 's y y y', FLEET);
    expect(intents).toEqual([{ kind: 'stop', unit: 'up.service' }]);
    expect(question).toBeNull();
  });

  test.each(['n', 's', 'enter', 'escape', 'Y', 'q', 'space'])(
    'the answer %s is no, and no key of its own',
    (key) => {
      expect(sit(on('up.service'), `s ${key}`, FLEET)).toMatchObject({
        ...{ intents: [], question: null, quit: false, said: 'nothing was changed' },
      });
    },
  );

  test('of a global unit the question says on how many machines it runs', () => {
    const states = [{ machine: 'a' }, { machine: 'b' }] as never;
    const seen = {
      ...on('all.service'),
      units: [{ ...unitReport('all.service', { global: true }), states }],
    };
    expect(sit(seen, 's', FLEET).question).toBe('Stop all.service on all of its 2 machines?');
  });

  test.each([
    ['web@.service', 'web@.service is a template: its instances can be started, it cannot'],
    ['gone.service', 'gone.service is not in the registry'],
  ])('%s is refused in words', (unit, words) => {
    expect(sit(on(unit), 's', FLEET)).toMatchObject({ intents: [], said: words, question: null });
  });

  test('the unit that the page is about is meant where no row is chosen', () => {
    const state = sit(
      { tables: { units: [rowOf('x', {}, { kind: 'unit', unit: 'off.service', machine: null })] } },
      'enter',
      FLEET,
    ).state;
    const { intents } = sit({ units, about: { unit: 'off.service' } }, 's', state);
    expect(intents).toEqual([{ kind: 'start', unit: 'off.service' }]);
  });

  test('a row that nobody sees is not acted upon', () => {
    expect(sit({ ...on('off.service'), brief: true }, 'down s enter', FLEET)).toMatchObject({ intents: [] });
  });

  test('while the fleet was never read nothing is started or stopped', () => {
    const { units: _, ...unread } = on('up.service');
    expect(sit(unread, 's', FLEET).said).toContain('nothing is known of the fleet');
  });
});

describe('machines', () => {
  const machines = [
    machineReport('aaaaaaaaaaaa', { ip: '10.0.0.1' }),
    machineReport('bbbb', { draining: true, cordoned: true }),
    machineReport('cccc', { alive: false, away: 'left' }),
  ];
  const units = [1, 2, 3].map((at) => ({
    ...unitReport(`web@${at}.service`, at === 3 ? { options: STICKY } : {}),
    machine: 'aaaaaaaaaaaa',
  }));
  const tables = { machines: machines.map(({ id: machine }) => rowOf(machine, { machine })) };
  const sight = { machines, units, tables };

  test('a drain asks, with how many units leave', () => {
    const { question } = sit(sight, 'd', FLEET);
    expect(question).toBe(
      'Drain machine aaaaaaaa.../10.0.0.1? It takes no new units, 2 units leave it, 1 unit stays (Sticky=yes).',
    );
    expect(sit(sight, 'd d', FLEET)).toMatchObject({ intents: [], question: null });
    expect(sit(sight, 'd y', FLEET).intents).toEqual([{ kind: 'drain', machine: 'aaaaaaaaaaaa' }]);
  });

  test('one that drains takes units again at once; one that is gone cannot be drained', () => {
    expect(sit(sight, 'down d', FLEET).intents).toEqual([{ kind: 'uncordon', machine: 'bbbb' }]);
    expect(sit(sight, 'end d', FLEET).said).toBe(
      'machine cccc is not there (left): there is nothing to drain',
    );
  });

  test('the machine that a unit is on is not the chosen one', () => {
    const on = { units: [rowOf('u', { unit: 'web@1.service', machine: 'aaaaaaaaaaaa' })] };
    expect(sit({ ...sight, tables: on }, 'd', FLEET).said).toBe('no machine is chosen to drain');
  });
});

describe('importers', () => {
  const importer = (at: number, target: 'launched' | 'inactive' = 'launched') =>
    unitReport(`zh-import-blobs@${at}.service`, { target });
  const units = [importer(1), importer(2), importer(10), importer(11, 'inactive')];

  test('one more is started at once, each time', () => {
    expect(sit({ units }, '+ +', FLEET).intents).toEqual([
      { kind: 'scale', by: 1 },
      { kind: 'scale', by: 1 },
    ]);
  });

  test('one fewer asks, and names which', () => {
    const { question } = sit({ units }, '-');
    expect(question).toBe('Unload zh-import-blobs@10.service, so that 2 importers are left?');
    expect(sit({ units }, '- y y -').intents).toEqual([
      { kind: 'scale', by: -1, unit: 'zh-import-blobs@10.service' },
    ]);
    expect(sit({ units: [importer(1), importer(2)] }, '-').question).toContain('1 importer is left?');
    expect(sit({ units: [] }, '-')).toMatchObject({
      ...{ question: null, said: 'no importer is wanted: + starts one' },
    });
  });
});

describe('failures', () => {
  const sight: Sight = {
    migrations: { zoomit: {} },
    tables: {
      failures: [
        failureRow('one', 1),
        failureRow('run', 10, 40),
        rowOf('refused', { migration: 'zoomit' }),
        failureRow('two', 2),
      ],
    },
    about: { migration: 'zoomit' },
  };

  test('f lists those of the migration', () => {
    expect(ON_FAILURES.details).toEqual([{ kind: 'failures', migration: 'zoomit', filter: {} }]);
  });

  test('one tile is tried again at once, more are asked about', () => {
    expect(sit(sight, 't', ON_FAILURES).intents).toEqual([
      { kind: 'retry', migration: 'zoomit', filters: [failure(1)] },
    ]);
    const run = sit(sight, 'down t', ON_FAILURES);
    expect(run).toMatchObject({ intents: [], question: 'Try 1 failure (30 items) of zoomit again?' });
    expect(sit(sight, 'down t y', ON_FAILURES).intents).toEqual([
      { kind: 'retry', migration: 'zoomit', filters: [failure(10, 40)] },
    ]);
    expect(sit(sight, 'down down t', ON_FAILURES).said).toContain('no failure is chosen');
  });

  test('those marked are tried again together, once, and are marked no more', () => {
    const marked = sit(sight, 'space end space', ON_FAILURES);
    expect(marked.state.marked).toEqual(['one', 'two']);
    const asked = sit(sight, 'home down t', marked.state);
    expect(asked.question).toBe('Try 2 failures of zoomit again?');
    const done = sit(sight, 'y', asked.state);
    expect(done.intents).toEqual([{ kind: 'retry', migration: 'zoomit', filters: [failure(1), failure(2)] }]);
    expect(done.state.marked).toEqual([]);
    expect(sit(sight, 'n', asked.state).state.marked).toEqual(['one', 'two']);
  });

  test('of all with a reason, the question says with which, and how many a counter knows of', () => {
    const tables = {
      failures: ['http-404', 'http-503'].map((reason) => rowOf(reason, { failure: { reason } })),
    };
    const about = { migration: 'zoomit' };
    const counted = {
      tables,
      about,
      migrations: { zoomit: { failures: { 'http-404': 1_204, 'http-503': 1 } } },
    };
    expect(sit(counted, 't', ON_FAILURES).question).toBe(
      'Try all failures with reason=http-404 (1,204 items) of zoomit again?',
    );
    expect(sit(counted, 'a t', ON_FAILURES).question).toBe(
      'Try all failures with reason=http-404 or reason=http-503 (1,205 items) of zoomit again?',
    );
    expect(sit({ tables, about }, 't', ON_FAILURES)).toMatchObject({
      ...{ intents: [], question: 'Try all failures with reason=http-404 of zoomit again?' },
    });
  });

  test('Space takes a mark off again; what cannot be tried again cannot be marked', () => {
    expect(sit(sight, 'space up space', ON_FAILURES).state.marked).toEqual([]);
    const refused = sit(sight, 'down down space', ON_FAILURES);
    expect(refused).toMatchObject({
      at: 'failures refused',
      said: 'only failures that can be tried again can be marked',
    });
  });

  test('a marks all that are listed and can be tried again, then none', () => {
    expect(sit(sight, 'space a', ON_FAILURES).state.marked).toEqual(['one', 'run', 'two']);
    expect(sit(sight, 'a a', ON_FAILURES).state.marked).toEqual([]);
  });

  test('what a filter hides is not tried again', () => {
    const { state } = sit(sight, 'a', ON_FAILURES);
    const hidden = { ...state, filters: { failures: 'two' } };
    expect(sit(sight, 't', hidden).intents).toEqual([
      { kind: 'retry', migration: 'zoomit', filters: [failure(2)] },
    ]);
    expect(sit(sight, '/ t w o enter', state).state.marked).toEqual([]);
  });
});

describe('filters', () => {
  const sight = {
    tables: { units: ['alpha', 'beta', 'gamma'].map((key) => rowOf(key)), events: [rowOf('e')] },
  };

  test('what is typed filters the table that has the focus once Enter is pressed', () => {
    expect(sit(sight, '/ b e', FLEET).state).toMatchObject({ filters: {}, dialog: { text: 'be' } });
    const { state, at } = sit(sight, '/ b e enter', FLEET);
    expect(state).toMatchObject({ filters: { units: 'be' }, dialog: null });
    expect(at).toBe('units beta');
    expect(sit(sight, 'tab / x enter', FLEET).state.filters).toEqual({ events: 'x' });
  });

  test('Backspace and Ctrl-U take back, Escape leaves all as it was, nothing typed takes the filter away', () => {
    expect(
      sit(sight, '/ b 😀 backspace t backspace backspace backspace a enter', FLEET).state.filters,
    ).toEqual({
      units: 'a',
    });
    const { state } = sit(sight, '/ b enter', FLEET);
    expect(sit(sight, '/ x escape', state).state).toEqual(state);
    expect(sit(sight, '/ ctrl-u p enter', state).state.filters).toEqual({ units: 'p' });
    expect(sit(sight, '/ ctrl-u enter', state).state.filters).toEqual({});
  });

  test('keys that mean something elsewhere are only typed', () => {
    const typed = sit(sight, '/ q s d y - + 1 ?', FLEET);
    expect(typed).toMatchObject({ quit: false, intents: [], state: { dialog: { text: 'qsdy-+1?' } } });
  });

  test('of failures, words choose among them and the rest is looked for', () => {
    const failures = { tables: { failures: [rowOf('a')] }, about: { migration: 'zoomit' } };
    const words = 'reason=http-404 abc'.replace(' ', ' space ').split(' ');
    const keys = words.flatMap((word) => (word === 'space' ? [word] : [...word])).join(' ');
    const { state } = sit(failures, `/ ${keys} enter`, ON_FAILURES);
    expect(state.details).toEqual([
      { kind: 'failures', migration: 'zoomit', filter: { reason: 'http-404' } },
    ]);
    expect(state.filters).toEqual({ failures: 'abc' });
    expect(sit(failures, '/', state).state.dialog).toMatchObject({ text: 'reason=http-404 abc' });
    const wrong = sit(failures, '/ l a n e = x enter', ON_FAILURES);
    expect(wrong).toMatchObject({ said: 'lane=x: expected one of tiles, descriptors, checks, images' });
    expect(wrong.state).toMatchObject({ details: ON_FAILURES.details, dialog: { text: 'lane=x' } });
  });
});

describe('ways through', () => {
  const worker = { kind: 'worker', worker: 'w2' } as const;
  const sight: Sight = {
    migrations: { a: { finished: true }, b: {}, c: {} },
    tables: {
      migrations: ['a', 'b', 'c'].map((name) => rowOf(name, { migration: name })),
      workers: [
        rowOf('w1'),
        rowOf('w2', {}, worker),
        ...Array.from({ length: 20 }, (_, at) => rowOf(`v${at}`)),
      ],
    },
  };

  test('Tab and Shift-Tab go round the tables, arrows move in the one that has the focus', () => {
    expect(sit(sight, '').at).toBe('migrations a');
    expect(sit(sight, 'down tab down').at).toBe('workers w2');
    expect(sit(sight, 'down tab down tab').at).toBe('migrations b');
    expect(sit(sight, 'backtab').at).toBe('workers w1');
    expect(sit(sight, 'tab pagedown').at).toBe('workers v5');
    expect(sit(sight, 'tab pagedown pageup up up').at).toBe('workers w1');
    expect(sit(sight, 'tab end down').at).toBe('workers v19');
    expect(sit(sight, 'tab end home').at).toBe('workers w1');
  });

  test('Enter opens, Escape comes back to what was chosen, with its filter and marks', () => {
    const before: State = {
      ...FIRST_STATE,
      focus: { migration: 'workers' },
      filters: { workers: 'w' },
      marked: ['w1'],
    };
    const opened = sit(sight, 'down enter', before).state;
    expect(opened).toMatchObject({ details: [worker], selected: {}, filters: {}, marked: [] });
    expect(sit({}, 'escape', opened).state).toMatchObject({
      ...{ details: [], covered: [], selected: { workers: 'w2' }, filters: { workers: 'w' }, marked: ['w1'] },
    });
    expect(sit(sight, 'enter', before).said).toBe('there is nothing to open');
  });

  test('1 and 2 go to the pages, also out of what is open', () => {
    const opened = sit(sight, 'tab down enter').state;
    const fleet = sit({}, '2', opened).state;
    expect(fleet).toMatchObject({ page: 'fleet', details: [], covered: [] });
    expect(sit(sight, '1', fleet).at).toBe('workers w2');
  });

  test('[ and ] go round the migrations, from the one that is shown; Enter shows the chosen one', () => {
    // b is shown: the first that runs.
    expect(sit(sight, ']').state.migration).toBe('c');
    expect(sit(sight, '] ]').state.migration).toBe('a');
    expect(sit(sight, '[').state.migration).toBe('a');
    expect(sit(sight, 'down down enter').state.migration).toBe('c');
    expect(sit(sight, '[').at).toBe('migrations a');
    expect(sit({ migrations: { a: {} } }, ']').said).toBe('there is no other migration');
  });

  test('o changes the order of the workers', () => {
    expect(['o', 'o o', 'o o o'].map((keys) => sit(sight, keys).state.workersBy)).toEqual([
      'rate',
      'failures',
      'name',
    ]);
    expect(sit(sight, 'o').said).toBe('workers by rate');
    expect(sit(sight, 'o down').said).toBe('');
  });

  test('q and Ctrl-C quit; in a dialog only Ctrl-C does', () => {
    expect(['q', 'ctrl-c', '? ctrl-c', '/ ctrl-c', '- ctrl-c'].map((keys) => sit(sight, keys).quit)).toEqual(
      Array(5).fill(true),
    );
    expect(sit(sight, '? q')).toMatchObject({ quit: false, state: { dialog: null } });
  });

  test.each(['x', 'toString', 'constructor', '__proto__', 'é', 'left', 'escape'])(
    '%s does nothing',
    (key) => {
      expect(sit(sight, key).state).toEqual(FIRST_STATE);
    },
  );
});
