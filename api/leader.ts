import * as v from 'valibot';
import type { ClusterSnapshot, PresentLeader } from '../registry/model.js';
import type { UnitView } from '../registry/registry.js';
import { kindOf } from '../runtime/errors.js';
import type { ApiContext, Leading } from './context.js';
import { json, operation, resource } from './operation.js';
import { passOn } from './pass-on.js';
import { pendingReason } from './pending.js';
import { type Call, type Route, refuse } from './route.js';
import { LeaderReport } from './schemas.js';
import { isGlobal } from './wire.js';

/** `/v1/leader`: who leads, why units are not where they are wanted, why evictions or everything stands still. */
export function leaderRoutes(context: ApiContext): Route[] {
  const read = operation({
    id: 'readLeader',
    summary: 'Who leads, and what the leader has to say: why units are not where they are wanted.',
    query: { unit: v.optional(v.pipe(v.string(), v.description('Only what is about this unit.'))) },
    answer: json(LeaderReport),
    errors: ['not-leading'],
    async handle(call, { query: { unit } }) {
      const { leader, words } = await askLeader(context, call, unit);
      if (words === null && call.passedOn)
        throw refuse(404, 'not-leading', `machine ${context.machineId} does not lead`);
      const { refusals, frozen, hold } = words ?? (await ownWords(context, call, leader));
      const { machine = null, term = null } = leader ?? {};
      const about = [...refusals].filter(([name]) => unit === undefined || name === unit);
      return { machine, refusals: Object.fromEntries(about), term, frozen, hold };
    },
  });
  return [resource('/v1/leader', { GET: read })];
}

type Words = Omit<Leading, 'term'>;

interface Answer {
  readonly leader: PresentLeader | null;
  /** null: nobody leads, or the leader cannot be asked. */
  readonly words: Words | null;
}

/** Only the leader knows all it waits for. `unit`: nothing else is asked about. */
async function askLeader(context: ApiContext, call: Call, unit?: string): Promise<Answer> {
  const { registry, machineId } = context;
  const own = context.leading();
  if (own !== null) {
    const { term, frozen } = own;
    return { leader: { machine: machineId, term, frozen }, words: own };
  }
  const leader = await registry.readLeader();
  if (leader === null || leader.machine === machineId || call.passedOn) return { leader, words: null };
  const { machines } = await registry.readMachines(call.signal);
  const machine = machines.find(({ id }) => id === leader.machine);
  if (machine === undefined || machine.apiAddress === '') return { leader, words: null };
  const target = unit === undefined ? '/v1/leader' : `/v1/leader?unit=${encodeURIComponent(unit)}`;
  try {
    const answer = await passOn(call, machine, { target, patient: false });
    const report = (await answer.json()) as LeaderReport;
    if (answer.status !== 200) return { leader, words: null };
    return { leader, words: { ...report, refusals: new Map(Object.entries(report.refusals)) } };
  } catch (error) {
    if (kindOf(error) === 'aborted') throw error;
    return { leader, words: null };
  }
}

/** The leader's rules and what it has written down, without what it alone remembers: its graces. */
async function ownWords(
  { registry, explain }: ApiContext,
  call: Call,
  leader: PresentLeader | null,
  snapshot?: ClusterSnapshot,
): Promise<Words> {
  const frozen = leader?.frozen ?? null;
  return { refusals: explain(snapshot ?? (await registry.readAll(call.signal)), frozen), frozen, hold: null };
}

/** Answers for each unit why it is not where it is wanted, null if it is. `snapshot`: all are asked about. */
export async function pendingWords(
  context: ApiContext,
  call: Call,
  views: readonly UnitView[],
  snapshot?: ClusterSnapshot,
): Promise<(view: UnitView) => string | null> {
  const [only] = views;
  if (views.every(({ record }) => record.target === 'inactive')) return () => null;
  const answer = await askLeader(context, call, snapshot === undefined ? only?.record.name : undefined);
  const { leader } = answer;
  const words = answer.words ?? (await ownWords(context, call, leader, snapshot));

  const said = { leader: leader?.machine ?? null, ...words };
  return ({ record, machine, states }) => {
    const { name, target } = record;
    return pendingReason({ name, target, global: isGlobal(record), machine, states }, said);
  };
}
