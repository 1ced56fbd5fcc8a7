import { grouped } from '../../jobs/quantities.js';
import type { FailureFilter, OperatorQueue } from '../../jobs/work-queue.js';
import { aborted, assertNever, conflict, permanent } from '../../runtime/errors.js';
import { hashOf } from '../../units/unit-file.js';
import type { ApiClient } from '../client.js';
import { shortId } from '../machine-label.js';
import { freeNumber, instanceName, planScale, wantedInstances } from '../scale-plan.js';
import { carryOut } from '../scale-steps.js';
import { counted } from '../table.js';
import { readUnitFile } from '../unit-files.js';
import { IMPORTERS } from './acts.js';
import { unlessGivenUp } from './given-up.js';
import type { Intent } from './intent.js';
import { NO_CONVOYD } from './opened-look.js';

export interface HandsOptions {
  readonly queue: Pick<OperatorQueue, 'pause' | 'resume' | 'requeueFailures' | 'status'>;
  /** null: none is known here. */
  readonly api: ApiClient | null;
  /** Where the importers' template is looked for if the registry has none. */
  readonly cwd: string;
  /** Who it is that pauses a migration (`operatorWords`). */
  readonly by: string;
}

export interface Hands {
  /**
   * Does it and answers in a sentence what came of it; waits for no unit to follow. What is asked of Redis is done one
   * after another, and so is what is asked of convoyd. Rejects as the queue and the API do, and with `aborted` as soon as
   * `signal` fires: what was asked of them by then may still be done.
   */
  perform(intent: Intent, signal: AbortSignal): Promise<string>;
}

export function createHands({ queue, api, cwd, by }: HandsOptions): Hands {
  const ofRedis = createTurns();
  const ofConvoyd = createTurns();
  const convoyd = (): ApiClient => {
    if (api === null) throw permanent(NO_CONVOYD);
    return api;
  };

  function begin(intent: Intent, signal: AbortSignal): Promise<string> {
    switch (intent.kind) {
      case 'pause':
        return ofRedis(signal, async () => {
          await queue.pause(intent.migration, by);
          return `paused ${intent.migration}`;
        });
      case 'resume':
        return ofRedis(signal, async () => {
          await queue.resume(intent.migration);
          return `resumed ${intent.migration}`;
        });
      case 'retry':
        return ofRedis(signal, () => retry(queue, intent.migration, intent.filters, signal));
      case 'start':
      case 'stop':
        return ofConvoyd(signal, () => startOrStop(convoyd(), intent.kind, intent.unit));
      case 'scale':
        return ofConvoyd(signal, () =>
          intent.by === 1 ? oneMore(convoyd(), cwd) : oneFewer(convoyd(), intent.unit),
        );
      case 'drain':
        return ofConvoyd(signal, async () => {
          await convoyd().changeMachine(intent.machine, 'drain');
          return `machine ${shortId(intent.machine)} takes no new units, and its units leave it`;
        });
      case 'uncordon':
        return ofConvoyd(signal, async () => {
          await convoyd().changeMachine(intent.machine, 'uncordon');
          return `machine ${shortId(intent.machine)} takes units again`;
        });
      default:
        return assertNever(intent);
    }
  }
  return { perform: (intent, signal) => unlessGivenUp(begin(intent, signal), signal) };
}

type Turns = (signal: AbortSignal, act: () => Promise<string>) => Promise<string>;

/** Each begins once those before it have ended, however they did. */
function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (signal, act) => {
    const turn = last.then(() => {
      if (signal.aborted) throw aborted('given up');
      return act();
    });
    last = turn.catch(() => undefined);
    return turn;
  };
}

async function retry(
  queue: HandsOptions['queue'],
  migration: string,
  filters: readonly FailureFilter[],
  signal: AbortSignal,
): Promise<string> {
  let moved = 0;
  for (const filter of filters) {
    if (signal.aborted) break;
    moved += await queue.requeueFailures(migration, filter);
  }
  if (moved === 0) return `nothing of that in ${migration} has failed any more`;
  const done = `put ${counted(moved, 'failed item', grouped)} of ${migration} back to work`;
  const paused = (await queue.status(migration))?.state === 'paused';
  return paused ? `${done}: it is paused, r resumes it` : done;
}

async function startOrStop(api: ApiClient, kind: 'start' | 'stop', name: string): Promise<string> {
  const unit = await api.unit(name);
  if (unit === null) throw permanent(`${name} is not in the registry`, { code: 'not-found' });
  const { target: now, generation: expected } = unit.record;
  if ((now === 'launched') === (kind === 'start'))
    return kind === 'start' ? `${name} is told to run already` : `${name} is told to stop already`;
  await api.submitUnits([{ name, target: kind === 'start' ? 'launched' : 'loaded', expected }], false);
  return `${kind === 'start' ? 'starting' : 'stopping'} ${name}`;
}

/** Nothing but the one instance is touched. Without a template in the registry it is like the last that is to run. */
async function oneMore(api: ApiClient, cwd: string): Promise<string> {
  const units = await api.unitReports();
  const wanted = wantedInstances(IMPORTERS, units);
  const model = units.find(({ record }) => record.name === IMPORTERS) ?? wanted.at(-1);
  const file = model === undefined ? await readUnitFile({ fleet: false }, cwd, IMPORTERS) : null;
  const options = model?.record.options ?? file?.unit.options;
  if (options === undefined)
    throw permanent(
      `there is no ${IMPORTERS} in the registry, nor in ${cwd}: submit the one of units/shipped with convoyctl submit`,
      { code: 'not-found' },
    );
  const number = freeNumber(IMPORTERS, units);
  const name = instanceName(IMPORTERS, number);
  const own = units.filter(({ record }) => record.name === name);
  await carryOut({ api }, { options }, planScale(IMPORTERS, hashOf({ options }), [number], own));
  return `starting ${name}: ${counted(wanted.length + 1, 'importer')} wanted now`;
}

async function oneFewer(api: ApiClient, name: string): Promise<string> {
  const wanted = wantedInstances(IMPORTERS, await api.unitReports());
  const last = wanted.at(-1);
  if (last?.record.name !== name)
    throw conflict(
      `${name} is not the last importer wanted any more, ${last?.record.name ?? 'none'} is: nothing was changed`,
    );
  await carryOut({ api }, { options: [] }, planScale(IMPORTERS, '', [], [last]));
  return `unloading ${name}: ${counted(wanted.length - 1, 'importer')} wanted now`;
}
