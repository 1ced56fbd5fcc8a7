import { expect } from 'vitest';
import { messageOf } from '../../runtime/errors.js';
import { type Ability, can, type Store } from '../../stores/store.js';
import { type Contract, coded, LIMIT, properties, text } from './store-cases.js';

/** Containers that are not there, and secrets that are wrong. */
export function storeAccess({ test, under }: Contract): void {
  const absentOne = async (): Promise<Store> => {
    const { openAbsent } = under();
    if (openAbsent === undefined) throw new Error('the set-up has no openAbsent');
    return openAbsent();
  };

  test('a container that is absent is permanent/container-absent', ['createContainer'], async () => {
    const store = await absentOne();
    const absent = coded('container-absent');
    try {
      await expect(store.check()).rejects.toMatchObject(absent);
      await expect(store.read('x', LIMIT)).rejects.toMatchObject(absent);
      // A HEAD has no body to tell what it is that is absent.
      const head = await store.head('x').catch((error: unknown) => error);
      if (head !== null) expect(head).toMatchObject(absent);
      if (can(store, 'write'))
        await expect(store.write('x', text('x'), properties(text('x')))).rejects.toMatchObject(absent);
      if (can(store, 'listPage')) await expect(store.listPage('', null)).rejects.toMatchObject(absent);
      if (can(store, 'listFolder')) await expect(store.listFolder('', null)).rejects.toMatchObject(absent);
      if (can(store, 'readStream')) await expect(store.readStream('x', 0)).rejects.toMatchObject(absent);
    } finally {
      await store.close();
    }
  });

  test('a container that is absent can be made, once and again', ['createContainer', 'write'], async () => {
    const store = await absentOne();
    try {
      if (!can(store, 'createContainer', 'write')) throw new Error('openAbsent gave another kind of store');
      await store.createContainer();
      await store.write('x', text('kept'), properties(text('kept')));
      await store.createContainer();
      await store.check();
      expect((await store.read('x', LIMIT)).size).toBe(4);
    } finally {
      await store.close();
    }
  });

  test('a container made by two at once is made', ['createContainer'], async () => {
    const store = await absentOne();
    try {
      if (!can(store, 'createContainer')) throw new Error('openAbsent gave another kind of store');
      await Promise.all([store.createContainer(), store.createContainer()]);
      await store.check();
    } finally {
      await store.close();
    }
  });

  for (const [operation, ability, ask] of WRONG)
    test(`a wrong secret, to ${operation}: named by its variable, and not shown`, ability, async () => {
      const { wrong } = under();
      if (wrong === undefined) throw new Error('the set-up has no `wrong`');
      const asking = async (): Promise<unknown> => {
        const store = await wrong.open();
        try {
          return await ask(store);
        } finally {
          await store.close();
        }
      };
      const error: unknown = await asking().then(
        (answer) => new Error(`let in: ${JSON.stringify(answer)}`),
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject(coded('wrong-credentials'));
      expect(messageOf(error)).toContain(wrong.variable);
      expect(everythingOf(error)).not.toContain(wrong.secret);
    });
}

const WRONG: readonly [string, readonly Ability[], (store: Store) => Promise<unknown>][] = [
  ['check', [], (store) => store.check()],
  ['read', [], (store) => store.read('x', LIMIT)],
  ['write', ['write'], async (store) => store.write?.('x', text('x'), properties(text('x')))],
  ['list', ['listPage'], async (store) => store.listPage?.('', null)],
];

/** What a log or a dump of the error could show, with its causes. */
function everythingOf(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? '';
  return [error.stack, error.message, JSON.stringify(error), everythingOf(error.cause ?? null)].join('\n');
}
