import { ConvoyError } from '../../runtime/errors.js';
import { type Ability, can, type Store } from '../../stores/store.js';
import type { FaultProxy, FaultRule } from '../support/stores/fault-proxy.js';
import { collect, LIMIT, noise, properties } from './store-cases.js';

/** What the cases of faults share: a store behind a proxy, and ways past the proxy's rules. */
export interface Faulty {
  proxy(): FaultProxy;
  /** Has a time-out longer than any case. */
  patient(): Store;
  newKey(): string;
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** A new object with these bytes; its key. */
  newObject(bytes: Uint8Array): Promise<string>;
}

/** One question to the store about the object at the key, which is there. */
export interface Operation {
  readonly name: string;
  /** The answer has a body of more than a few bytes. */
  readonly answersBody: boolean;
  ask(store: Store, key: string, signal?: AbortSignal): Promise<unknown>;
}

const BYTES = noise(20_000, 20);

const ALL: readonly (Operation & { readonly needs: readonly Ability[] })[] = [
  { name: 'check', needs: [], answersBody: false, ask: (store, _, signal) => store.check(signal) },
  { name: 'head', needs: [], answersBody: false, ask: (store, key, signal) => store.head(key, signal) },
  { name: 'read', needs: [], answersBody: true, ask: (store, key, signal) => store.read(key, LIMIT, signal) },
  {
    ...{ name: 'write', needs: ['write'], answersBody: false },
    ask: async (store, key, signal) => store.write?.(key, BYTES, properties(BYTES), signal),
  },
  {
    ...{ name: 'listPage', needs: ['listPage'], answersBody: true },
    ask: async (store, key, signal) => store.listPage?.(key, null, signal),
  },
  {
    ...{ name: 'listFolder', needs: ['listFolder'], answersBody: true },
    ask: async (store, key, signal) =>
      store.listFolder?.(key.slice(0, key.lastIndexOf('/') + 1), null, signal),
  },
  {
    ...{ name: 'readStart', needs: ['readStart'], answersBody: true },
    ask: async (store, key, signal) => store.readStart?.(key, 12_000, signal),
  },
  {
    ...{ name: 'readStream', needs: ['readStream'], answersBody: true },
    async ask(store, key, signal) {
      if (!can(store, 'readStream')) throw new Error('asked of a store without the ability');
      return collect((await store.readStream(key, 0, signal)).body);
    },
  },
  {
    ...{ name: 'remove', needs: ['remove'], answersBody: false },
    ask: async (store, key, signal) => store.remove?.(key, signal),
  },
];

/** What may be asked of this store. */
export function operationsOf(store: Store): Operation[] {
  return ALL.filter(({ needs }) => can(store, ...needs));
}

/**
 * What each operation comes to under these rules: `done`, or `kind/code` and for how long to
 * wait. Each is then asked again without a rule, and must be done: the store goes on working.
 */
export async function outcomesOf(
  { proxy, newObject }: Faulty,
  store: Store,
  operations: readonly Operation[],
  rules: readonly FaultRule[],
  signal?: AbortSignal,
): Promise<Record<string, string>> {
  const outcomes: Record<string, string> = {};
  const asked = await Promise.all(
    operations.map(async (operation) => ({ operation, key: await newObject(BYTES) })),
  );
  const askOne = async ({ operation, key }: (typeof asked)[number]): Promise<void> => {
    outcomes[operation.name] = await outcomeOf(operation.ask(store, key, signal));
  };
  const strike = (): void => {
    for (const rule of rules) proxy().add(rule);
  };
  // Whoever counts requests has them one operation after the other; else nobody need wait for anybody.
  if (
    rules.every(({ first, nth, every }) => first === undefined && nth === undefined && every === undefined)
  ) {
    strike();
    await Promise.all(asked.map(askOne));
  } else
    for (const one of asked) {
      proxy().clear();
      strike();
      await askOne(one);
    }
  const { struck } = proxy();
  proxy().clear();
  if (struck === 0) throw new Error('no request was struck: the rules do not match');
  for (const { operation, key } of asked) await afterwards(() => operation.ask(store, key));
  return outcomes;
}

/**
 * What must be done once the fault is over. A server on a busy machine may be slower than the short time-outs of these
 * tests: that, and nothing else, is asked again.
 */
export async function afterwards<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === 10 || !(error instanceof ConvoyError) || error.code !== 'timeout') throw error;
    }
  }
}

async function outcomeOf(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
    return 'done';
  } catch (error) {
    if (!(error instanceof ConvoyError)) return `not translated: ${String(error)}`;
    const { kind, code, retryAfterMs } = error;
    return `${kind}/${code}${retryAfterMs === undefined ? '' : ` after ${retryAfterMs}`}`;
  }
}
