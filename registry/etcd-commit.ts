import { backoffMs } from '../runtime/backoff.js';
import { assertNever, kindOf, permanent } from '../runtime/errors.js';
import { decodePlacement, decodeUnit, encodeAssigned, encodePlacement } from './codec.js';
import type { Compare, Entry, Operation } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import type { Decision } from './model.js';
import type { CommitResult, LeaderTerm } from './registry.js';

/** A decision takes two compares and two operations; etcd allows 128 of each in a transaction. */
const BATCH = 60;
const RETRY = { firstMs: 100, factor: 2, maxMs: 2000 };

type Outcome = 'committed' | 'stale';

interface Item {
  readonly decision: Decision;
  /** The key whose mod revision makes the placement unique. */
  readonly guard: string;
  /** What `guard` holds once the decision is written: null for nothing, undefined if it stays as it is. */
  readonly after: string | null | undefined;
  readonly operations: readonly Operation[];
  outcome: Outcome | undefined;
  /** The revision at which it was written; 0 if it was not, or if that left nothing to tell it by. */
  writtenAt: number;
}

/**
 * Writes decisions in transactions of at most 60, each fenced by the leader key's create revision, and by the mod
 * revisions of the unit record and of the guarded key that every decision saw.
 *
 * A transaction whose outcome is unknown is sent again, unchanged, until one is answered: it can be applied only
 * once, and an answer that it does not apply (any more) shows what is there. When the trust window ends first the
 * answer is `deposed`: the next leader reads what became of it.
 */
export async function commitDecisions(
  context: EtcdContext,
  decisions: readonly Decision[],
  term: LeaderTerm,
): Promise<CommitResult> {
  const items = decisions.map((decision) => itemOf(context, decision, term.fence));
  for (const unordered of waves(items)) {
    // A machine hears of what is in one transaction at once, and reads, starts and publishes that together.
    const wave = unordered.toSorted((a, b) => byMachine(a.decision, b.decision));
    for (let start = 0; start < wave.length; start += BATCH)
      if (!(await commitBatch(context, wave.slice(start, start + BATCH), term))) return { kind: 'deposed' };
  }
  return {
    kind: 'done',
    outcomes: items.map(({ outcome }) => outcome ?? 'stale'),
    revision: items.reduce((last, { writtenAt }) => Math.max(last, writtenAt), 0),
  };
}

/**
 * Decisions about the same key one after another, as given (taken away here, then placed there), since a
 * transaction may write a key only once; all others together.
 */
function waves(items: readonly Item[]): Item[][] {
  const result: Item[][] = [];
  const earlier = new Map<string, number>();
  for (const item of items) {
    const wave = earlier.get(item.guard) ?? 0;
    earlier.set(item.guard, wave + 1);
    result[wave] = [...(result[wave] ?? []), item];
  }
  return result;
}

const byMachine = (one: Decision, other: Decision): number =>
  one.machine === other.machine ? 0 : one.machine < other.machine ? -1 : 1;

/** Gives every item its outcome; answers false if the term is over. */
async function commitBatch(context: EtcdContext, batch: readonly Item[], term: LeaderTerm): Promise<boolean> {
  const { identity, keys, clock } = context;
  let open = batch;
  let mayBeApplied = false;
  for (let failures = 0; open.length > 0; ) {
    if (!term.trusted()) return false;
    try {
      const answer = await identity.write(
        [{ key: keys.leader, created: term.fence }, ...open.flatMap((item) => comparesOf(context, item))],
        open.flatMap(({ operations }) => operations),
        [
          { get: keys.leader },
          ...open.flatMap((item) => comparesOf(context, item).map(({ key }) => ({ get: key }))),
        ],
      );
      if (answer.succeeded) {
        for (const item of open) Object.assign(item, { outcome: 'committed', writtenAt: answer.revision });
        return true;
      }
      const [leader, ...found] = answer.got;
      if (leader?.created !== term.fence) return false;
      for (const [i, item] of open.entries()) {
        item.outcome = judge(item, found[2 * i], found[2 * i + 1], mayBeApplied);
        if (item.outcome === 'committed') item.writtenAt = found[2 * i + 1]?.modified ?? 0;
      }
      const left = open.filter(({ outcome }) => outcome === undefined);
      if (left.length === open.length)
        throw permanent('etcd refused a transaction that nothing speaks against');
      open = left;
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      mayBeApplied = true;
      failures += 1;
      // Cut short by the end of the term, seen at the top of the loop.
      await clock.sleep(backoffMs(failures, RETRY, 1), term.lost).catch(() => undefined);
    }
  }
  return true;
}

/** undefined: nothing speaks against the decision. */
function judge(
  item: Item,
  record: Entry | undefined,
  guard: Entry | undefined,
  mayBeApplied: boolean,
): Outcome | undefined {
  const { generation, revision } = item.decision;
  const moved = (guard?.modified ?? 0) !== revision;
  // Only the leader writes the guarded keys, and this term still leads: what we meant to write is our write.
  if (moved && mayBeApplied && (guard?.value ?? null) === item.after) return 'committed';
  return moved || (record?.modified ?? 0) !== generation ? 'stale' : undefined;
}

function comparesOf({ keys }: EtcdContext, { decision, guard }: Item): Compare[] {
  return [
    { key: keys.unit(decision.unit), modified: decision.generation },
    { key: guard, modified: decision.revision },
  ];
}

function itemOf({ keys }: EtcdContext, decision: Decision, fence: number): Item {
  const { unit, machine, global } = decision;
  const placement = keys.placement(machine, unit);
  const guard = global ? placement : keys.assigned(unit);
  const base = { decision, guard, outcome: undefined, writtenAt: 0 };
  switch (decision.kind) {
    case 'place': {
      if (!global && decision.revision !== 0)
        throw permanent(`${unit} is still assigned: it has to be unplaced before it is placed anew`);
      const { stopBoundMs, failedOn } = decision;
      const assignment = encodeAssigned({ machine, fence, stopBoundMs, failedOn });
      const value = encodePlacement(decision.placement);
      const put = { put: placement, value };
      if (global) return { ...base, after: value, operations: [put] };
      return { ...base, after: assignment, operations: [put, { put: guard, value: assignment }] };
    }
    case 'update': {
      const value = encodePlacement(decision.placement);
      const put = { put: placement, value };
      if (decision.reassign !== undefined) {
        const assignment = encodeAssigned({ machine, fence, ...decision.reassign });
        return { ...base, after: assignment, operations: [put, { put: guard, value: assignment }] };
      }
      // The guard of a non-global unit stays as it is, so an update may be written twice: it is the same.
      return { ...base, after: global ? value : undefined, operations: [put] };
    }
    case 'unplace':
      return {
        ...base,
        after: null,
        operations: global ? [{ delete: placement }] : [{ delete: placement }, { delete: guard }],
      };
    default:
      return assertNever(decision);
  }
}

/**
 * Deletes contents that no unit and no placement refers to, each only if it was not put again since before the
 * references were counted. Answers how many; none once deposed.
 */
export async function collectContents(context: EtcdContext, term: LeaderTerm): Promise<number> {
  const { client, identity, keys } = context;
  const contents = await client.list(keys.contents, { keysOnly: true });
  const [units, placements] = await Promise.all([client.list(keys.units), client.list(keys.placements())]);
  const used = new Set([
    ...units.entries.map(({ value }) => decodeUnit('', value, 0).hash),
    ...placements.entries.map(({ value }) => decodePlacement('', '', value, 0, 0).hash),
  ]);
  let unused = contents.entries.filter(({ key }) => {
    const parsed = keys.parse(key);
    return parsed?.kind === 'content' && !used.has(parsed.hash);
  });
  let collected = 0;
  while (unused.length > 0 && term.trusted()) {
    const batch = unused.slice(0, BATCH);
    const { succeeded, got } = await identity.write(
      [{ key: keys.leader, created: term.fence }, ...batch.map(({ key, modified }) => ({ key, modified }))],
      batch.map(({ key }) => ({ delete: key })),
      [{ get: keys.leader }, ...batch.map(({ key }) => ({ get: key }))],
    );
    if (succeeded) {
      collected += batch.length;
      unused = unused.slice(BATCH);
      continue;
    }
    const [leader, ...found] = got;
    if (leader?.created !== term.fence) break;
    const putAgain = new Set(batch.filter(({ modified }, i) => found[i]?.modified !== modified));
    unused = unused.filter((entry) => !putAgain.has(entry));
  }
  return collected;
}
