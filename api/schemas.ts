/**
 * The bodies of `/v1`: what requests are checked by, what answers are promised to be, and what the OpenAPI document is
 * made of. Types of the same names are inferred, so that nothing is said twice. Answers hold no other fields.
 */
import * as v from 'valibot';
import { TARGET_STATES } from '../units/state.js';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';

/** How schemas look in the document that the library cannot tell. `values`: what an object has under any key. */
export const DOCUMENTED = new WeakMap<
  v.GenericSchema,
  { readonly values: v.GenericSchema } | { readonly most: number }
>();

/** An object with any keys, `constructor` among them, which valibot's own record drops. */
export function recordOf<Schema extends v.GenericSchema>(value: Schema, what: string) {
  const schema = v.custom<Readonly<Record<string, v.InferOutput<Schema>>>>(
    (input) =>
      typeof input === 'object' &&
      input !== null &&
      !Array.isArray(input) &&
      Object.values(input).every((one) => v.is(value, one)),
    what,
  );
  DOCUMENTED.set(schema, { values: value });
  return schema;
}

/** A number as a query parameter has it. `means`: what it is for. */
export function wholeNumber(most: number, means: string) {
  const text = v.string();
  DOCUMENTED.set(text, { most });
  return v.pipe(
    text,
    v.check((text) => /^\d{1,16}$/.test(text) && Number(text) <= most, `a whole number from 0 to ${most}`),
    v.description(means),
    v.transform(Number),
  );
}

export function listOf<Schema extends v.GenericSchema>(schema: Schema) {
  return v.pipe(v.array(schema), v.readonly());
}

const text = v.string();
const name = v.pipe(v.string(), v.minLength(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const time = v.pipe(v.number(), v.description('Milliseconds since the epoch.'));
const words = v.nullable(text);
const textRecord = recordOf(text, 'an object with text values');
const target = v.picklist(TARGET_STATES);

/** So much of the registry a list or an event tells of. */
const revision = v.pipe(count, v.description('The revision of the registry.'));

export const UnitOption = v.strictObject({ section: text, name: text, value: text });

const record = {
  name,
  hash: v.pipe(text, v.description('SHA-1 of the canonical text of the unit file.')),
  target,
  restarts: v.pipe(count, v.description('How often a restart was asked for.')),
  generation: v.pipe(count, v.description('Grows with every change; the ETag of the unit.')),
  move: v.pipe(
    v.nullable(v.strictObject({ to: v.nullable(name) })),
    v.description('The wish to have it elsewhere: on one machine or (null) on the best other one.'),
  ),
};

/** A unit as the operator wants it, without its content. */
export const UnitRecord = v.strictObject(record);
export type UnitRecord = v.InferOutput<typeof UnitRecord>;

export const Placement = v.strictObject({
  unit: name,
  machine: name,
  hash: text,
  target: v.picklist(['loaded', 'launched']),
  restarts: count,
  why: v.pipe(text, v.description("The leader's reason, in words.")),
  fence: v.pipe(count, v.description("Grows with each new placement: the unit's CONVOY_FENCE.")),
  revision,
});
export type Placement = v.InferOutput<typeof Placement>;

export const UnitState = v.strictObject({
  unit: name,
  machine: name,
  hash: text,
  load: text,
  active: text,
  sub: text,
  reached: v.pipe(
    v.picklist(['loaded', 'launched']),
    v.description('`launched` once the start was asked for, whatever came of it.'),
  ),
  since: v.pipe(time, v.description('When `active` changed last, in milliseconds since the epoch.')),
  exit: v.pipe(words, v.description('Exit code or signal of the main process once it has ended.')),
  autoRestarts: v.pipe(count, v.description('How often it was restarted by itself.')),
  reason: v.pipe(text, v.description('Why it is in this state; empty if there is nothing to say.')),
  heard: v.pipe(count, v.description('The `revision` of the placement the machine is at work on.')),
});
export type UnitState = v.InferOutput<typeof UnitState>;

/** A machine that is there. */
export const Machine = v.strictObject({
  id: name,
  ip: text,
  metadata: textRecord,
  apiAddress: text,
  version: text,
  bootId: text,
});

const away = v.pipe(
  v.nullable(v.picklist(['left', 'evicted'])),
  v.description(
    'Why its units need not wait for its return; null while it is there, or gone without a word.',
  ),
);

/** What is remembered of a machine, there or not. */
export const KnownMachine = v.strictObject({
  id: name,
  firstSeen: time,
  cordoned: v.boolean(),
  draining: v.boolean(),
  away,
  metadata: recordOf(v.nullable(text), 'an object with values of text or null'),
});

export const ServiceEntry = v.strictObject({
  service: name,
  unit: name,
  machine: name,
  host: text,
  port: count,
});
export type ServiceEntry = v.InferOutput<typeof ServiceEntry>;

const term = v.pipe(
  count,
  v.description('Grows with every election: the revision of the registry at which it was won.'),
);

export const PresentLeader = v.strictObject({
  machine: name,
  term,
  frozen: v.pipe(
    words,
    v.description('Why units of missing machines are not placed elsewhere for the time being, or null.'),
  ),
});

const expected = v.pipe(
  v.optional(count),
  v.description('The generation it replaces, 0: it must be new; absent: whatever is there.'),
);

/** `PUT /v1/units/NAME`. */
export const UnitWish = v.strictObject({
  options: v.pipe(
    v.optional(listOf(UnitOption)),
    v.description('The unit file; absent: it stays, and only the target changes.'),
  ),
  target,
});

/** One unit of `POST /v1/units`. */
export const UnitSubmission = v.strictObject({ name, ...UnitWish.entries, expected });
export type UnitSubmission = v.InferOutput<typeof UnitSubmission>;

/** What became of one unit that was submitted, or would. */
export const SubmittedUnit = v.strictObject({
  name,
  outcome: v.picklist(['created', 'changed', 'unchanged']),
  generation: v.pipe(
    count,
    v.description('What it has now; of a dry run what it has before, 0 if it is new.'),
  ),
  refusal: v.pipe(
    words,
    v.description('Of a dry run: why it would not run, or not everywhere, as things stand; else null.'),
  ),
});
export type SubmittedUnit = v.InferOutput<typeof SubmittedUnit>;

/** `GET /v1/units/NAME/why`. */
export const UnitExplanation = v.strictObject({
  unit: name,
  target,
  global: v.boolean(),
  machine: v.pipe(v.nullable(name), v.description('Where it is placed; null: nowhere, or it is global.')),
  pending: v.pipe(words, v.description('Why it is not where its target wants it; null: nothing is pending.')),
  reason: v.pipe(words, v.description('All there is to say in one line; null if nothing.')),
  machines: v.pipe(
    listOf(
      v.strictObject({
        machine: name,
        alive: v.boolean(),
        placed: v.pipe(words, v.description('Why it was placed there; null: it is not.')),
        refusal: v.pipe(words, v.description('Why it cannot be there; null: it is, or could be.')),
        state: v.nullable(UnitState),
      }),
    ),
    v.description('Each machine that is there, and each that has the unit; by id.'),
  ),
});
export type UnitExplanation = v.InferOutput<typeof UnitExplanation>;

/** `GET /v1/units/NAME`, and a row of `GET /v1/units`. */
export const UnitReport = v.strictObject({
  record: v.strictObject({ ...record, global: v.boolean(), options: listOf(UnitOption) }),
  machine: v.pipe(v.nullable(name), v.description('Where it is placed; null: nowhere, or it is global.')),
  why: v.pipe(words, v.description("The leader's reason for the placement.")),
  states: v.pipe(listOf(UnitState), v.description('By machine; one of each that has reported it.')),
  pending: v.pipe(words, v.description('Why it is not where its target wants it; null: nothing is pending.')),
  reason: v.pipe(words, v.description('All there is to say in one line; null if nothing.')),
});
export type UnitReport = v.InferOutput<typeof UnitReport>;

/** `GET /v1/machines`. */
export const MachineReport = v.strictObject({
  id: name,
  alive: v.boolean(),
  cordoned: v.boolean(),
  draining: v.boolean(),
  away,
  ip: v.pipe(
    text,
    v.description('Empty of a machine that is not there, as are its address, version and boot.'),
  ),
  metadata: v.pipe(
    textRecord,
    v.description("In force: the machine's own with the operator's laid over it."),
  ),
  apiAddress: text,
  version: text,
  bootId: text,
  leader: v.boolean(),
});
export type MachineReport = v.InferOutput<typeof MachineReport>;

/** `GET /v1/machines/ID/condition`. */
export const MachineCondition = v.strictObject({
  machine: name,
  cpus: count,
  load: v.pipe(
    v.strictObject({ oneMinute: v.number(), fiveMinutes: v.number(), quarterHour: v.number() }),
    v.description('Processes that run or wait for a processor or a disk, on average over that time.'),
  ),
  memory: v.strictObject({
    total: v.pipe(count, v.description('Bytes.')),
    available: v.pipe(count, v.description('Bytes that may be had without swapping.')),
  }),
  up: v.pipe(v.number(), v.description('Seconds since it booted.')),
  hold: v.pipe(words, v.description('Why it touches nothing, or null.')),
});
export type MachineCondition = v.InferOutput<typeof MachineCondition>;

/** `GET /v1/leader`. */
export const LeaderReport = v.strictObject({
  machine: v.pipe(v.nullable(name), v.description('Who leads; null: nobody.')),
  refusals: v.pipe(
    recordOf(text, 'an object with text values'),
    v.description('By unit: why it is not, or not everywhere, where it is wanted.'),
  ),
  term: v.nullable(term),
  frozen: PresentLeader.entries.frozen,
  hold: v.pipe(words, v.description('Why nothing at all is decided, or null.')),
});
export type LeaderReport = v.InferOutput<typeof LeaderReport>;

/** A row of `GET /v1/rebalance`. */
export const PlannedMove = v.strictObject({ unit: name, from: name, to: name, why: text });
export type PlannedMove = v.InferOutput<typeof PlannedMove>;

/** `GET /v1/rejoin`. */
export const HoldReport = v.strictObject({
  machine: name,
  hold: v.pipe(words, v.description('Why this machine touches nothing, or null.')),
});
export type HoldReport = v.InferOutput<typeof HoldReport>;

/** `POST /v1/rejoin`: the registry this machine has accepted. */
export const AcceptedRegistry = v.strictObject({ clusterId: name, revision });
export type AcceptedRegistry = v.InferOutput<typeof AcceptedRegistry>;

/** A request to move a unit. */
export const MoveWish = v.strictObject({
  to: v.pipe(v.nullable(name), v.description('The id of a machine; null: the best other one.')),
});

/** `PATCH /v1/machines/ID/metadata`: what is not named stays. */
export const MetadataPatch = v.pipe(
  recordOf(v.nullable(text), 'an object with values of text or null'),
  v.description('By key; null hides the key, also where the machine itself sets it.'),
);

/** What any request may be refused with. */
export const Refusal = v.strictObject({
  error: v.strictObject({
    code: v.pipe(v.picklist(Object.keys(ERROR_CODES) as ErrorCode[]), v.description('To decide by.')),
    message: v.pipe(text, v.description('To be shown: what is wrong, and what to do.')),
    kind: v.pipe(
      v.picklist(['transient', 'permanent', 'conflict']),
      v.description('Whether the same may succeed later, cannot, or has to be decided anew.'),
    ),
  }),
});
