import { conflict, permanent } from '../runtime/errors.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { decodeUnit, encodeContent, encodeUnit } from './codec.js';
import type { Compare, Entry, Operation } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import type { Keys } from './keys.js';
import type { UnitRecord } from './model.js';
import { type DesiredState, MOST_WRITES, type UnitWrite, type UnitWritten } from './registry.js';

type Wish = Pick<UnitRecord, 'hash' | 'target' | 'restarts' | 'move'>;
type Present = Omit<UnitRecord, 'unit'>;

/** What is to become of one record. */
interface Change {
  readonly name: string;
  readonly expected?: number | undefined;
  /** The content it names, stored again with it. */
  readonly unit?: UnitFile | undefined;
  /** What there is to be where there is no record. */
  readonly ifAbsent: () => Wish | undefined;
  /**
   * Undefined leaves the record as it is, null deletes it. Never sees a move that is spent, so that the next write
   * drops it. What a wish to move says of the assignment is compared too.
   */
  readonly decide: (present: Present, assignment: number) => Wish | null | undefined;
}

interface Plan {
  readonly name: string;
  readonly before: Present | undefined;
  readonly wish: Wish | null | undefined;
}

interface Outcome {
  readonly name: string;
  /** 0 if there was no record and there is none. */
  readonly generation: number;
  readonly existed: boolean;
  readonly changed: boolean;
}

/** Writes what the operator wants of units. A record changed by someone else in between is read again. */
export function desiredState({ client, identity, keys }: EtcdContext): DesiredState {
  /**
   * Reads, decides, writes all in one transaction if no record has changed; again until none had. What is to be new
   * is not read first: the transaction finds out.
   */
  async function change(changes: readonly Change[]): Promise<Outcome[]> {
    const gets = changes.flatMap(({ name }) => [{ get: keys.unit(name) }, { get: keys.assigned(name) }]);
    const areNew = changes.every(({ expected, unit }) => expected === 0 && unit !== undefined);
    let got = areNew ? [] : (await client.txn([], gets)).got;
    for (;;) {
      const plans = changes.map((one, i) => planOf(one, got[2 * i], got[2 * i + 1]));
      if (plans.every(({ wish }) => wish === undefined)) return outcomesOf(plans, 0);
      const operations = operationsOf(keys, changes, plans);
      const answer = await identity.write(comparesOf(keys, plans), operations, gets);
      if (answer.succeeded) return outcomesOf(plans, answer.revision);
      got = answer.got;
    }
  }

  async function writeUnits(writes: readonly UnitWrite[]): Promise<readonly UnitWritten[]> {
    if (writes.length > MOST_WRITES)
      throw permanent(`${writes.length} units at once are too many: at most ${MOST_WRITES}`, {
        code: 'too-many',
      });
    const twice = writes.find(({ name }, i) => writes.findIndex((other) => other.name === name) < i);
    if (twice !== undefined) throw permanent(`${twice.name} is there twice`, { code: 'twice' });
    if (writes.length === 0) return [];
    const outcomes = await change(writes.map(changeOf));
    return outcomes.map(({ name, generation, existed, changed }) => ({
      ...{ name, generation },
      outcome: existed ? (changed ? 'changed' : 'unchanged') : 'created',
    }));
  }

  return {
    writeUnits,

    async submitUnit(name, unit, target, expected) {
      const [written] = await writeUnits([{ name, unit, target, expected }]);
      const { generation, outcome } = written!;
      return { generation, created: outcome === 'created' };
    },

    async setTargetState(name, target, expected) {
      await writeUnits([{ name, target, expected }]);
    },

    async requestRestart(name, expected) {
      const decide = (present: Present): Wish => ({
        ...present,
        restarts: present.restarts + 1,
        target: 'launched',
      });
      await change([{ name, expected, ifAbsent: notFound(name), decide }]);
    },

    async requestMove(name, to, expected) {
      const decide = (present: Present, assignment: number): Wish | undefined => {
        if (assignment === 0) throw permanent(`${name} is not on one machine`, { code: 'not-placed' });
        if (present.move !== null && present.move.to === to) return undefined;
        return { ...present, move: { assignment, to } };
      };
      await change([{ name, expected, ifAbsent: notFound(name), decide }]);
    },

    async destroyUnit(name, expected) {
      const [outcome] = await change([{ name, expected, ifAbsent: () => undefined, decide: () => null }]);
      return outcome!.existed;
    },
  };
}

function changeOf({ name, unit, target, expected }: UnitWrite): Change {
  if (unit === undefined) {
    const decide = (present: Present) => (present.target === target ? undefined : { ...present, target });
    return { name, expected, ifAbsent: notFound(name), decide };
  }
  const hash = hashOf(unit);
  return {
    ...{ name, expected, unit },
    ifAbsent() {
      if ((expected ?? 0) !== 0)
        throw conflict(`${name} was destroyed since it was read`, { code: 'generation' });
      return { hash, target, restarts: 0, move: null };
    },
    decide: (present) =>
      present.hash === hash && present.target === target
        ? undefined
        : { hash, target, restarts: present.restarts, move: present.move },
  };
}

function planOf(
  { name, expected, ifAbsent, decide }: Change,
  entry: Entry | undefined,
  assigned: Entry | undefined,
): Plan {
  if (entry === undefined) return { name, before: undefined, wish: ifAbsent() };
  const assignment = assigned?.created ?? 0;
  const before = presentOf(name, entry, assignment);
  if (expected !== undefined && expected !== before.generation)
    throw conflict(`${name} ${expected === 0 ? 'is there already' : 'was changed since it was read'}`, {
      code: 'generation',
    });
  return { name, before, wish: decide(before, assignment) };
}

/** Those that stay as they are too: what was decided of the others holds for all of them at once. */
function comparesOf(keys: Keys, plans: readonly Plan[]): Compare[] {
  return plans.flatMap(({ name, before, wish }): Compare[] => [
    { key: keys.unit(name), modified: before?.generation ?? 0 },
    ...(wish?.move == null ? [] : [{ key: keys.assigned(name), created: wish.move.assignment }]),
  ]);
}

/** A transaction may put a key only once: a content that several units share is put once. */
function operationsOf(keys: Keys, changes: readonly Change[], plans: readonly Plan[]): Operation[] {
  const contents = new Map<string, UnitFile>();
  const records = plans.flatMap(({ name, wish }, i): Operation[] => {
    if (wish === undefined) return [];
    if (wish === null) return [{ delete: keys.unit(name) }];
    const { unit } = changes[i]!;
    if (unit !== undefined) contents.set(wish.hash, unit);
    return [{ put: keys.unit(name), value: encodeUnit(wish) }];
  });
  const puts = [...contents].map(([hash, unit]) => ({ put: keys.content(hash), value: encodeContent(unit) }));
  return [...records, ...puts];
}

function outcomesOf(plans: readonly Plan[], revision: number): Outcome[] {
  return plans.map(({ name, before, wish }) => ({
    name,
    generation: wish === undefined ? (before?.generation ?? 0) : revision,
    existed: before !== undefined,
    changed: wish !== undefined,
  }));
}

/** A move is spent once the unit is not any more where it was when the move was asked for. */
function presentOf(name: string, { value, modified }: Entry, assignment: number): Present {
  const record = decodeUnit(name, value, modified);
  return record.move === null || record.move.assignment === assignment ? record : { ...record, move: null };
}

function notFound(name: string): () => never {
  return () => {
    throw permanent(`there is no unit ${name}`, { code: 'not-found' });
  };
}
