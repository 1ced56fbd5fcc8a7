import * as v from 'valibot';
import {
  KnownMachine,
  Machine,
  Placement,
  PresentLeader,
  ServiceEntry,
  UnitRecord,
  UnitState,
} from './schemas.js';

/**
 * Events of `GET /v1/events`. On the wire each is a server-sent event: `event:` is the kind, `data:` this object,
 * `id:` the revision, given with the last event of a revision only, so that who resumes from it misses nothing.
 */
const revision = v.pipe(v.number(), v.integer(), v.description('The revision that made the change.'));
const name = v.string();
const now = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.pipe(v.nullable(schema), v.description('What is there now; null: it is gone.'));

export const UnitEvent = v.strictObject({
  kind: v.literal('unit'),
  revision,
  unit: name,
  value: now(UnitRecord),
});
export const PlacementEvent = v.strictObject({
  kind: v.literal('placement'),
  ...{ revision, unit: name, machine: name },
  value: now(Placement),
});
export const StateEvent = v.strictObject({
  kind: v.literal('state'),
  ...{ revision, unit: name, machine: name },
  value: now(UnitState),
});
/** A machine came (or changed what it says of itself) or went. */
export const MachineEvent = v.strictObject({
  kind: v.literal('machine'),
  ...{ revision, machine: name },
  value: now(Machine),
});
/** What the operator wants of a machine changed, or it was forgotten. */
export const KnownEvent = v.strictObject({
  kind: v.literal('known'),
  ...{ revision, machine: name },
  value: now(KnownMachine),
});
export const ServiceEvent = v.strictObject({
  kind: v.literal('service'),
  ...{ revision, service: name, unit: name, machine: name },
  value: now(ServiceEntry),
});
export const LeaderEvent = v.strictObject({
  kind: v.literal('leader'),
  revision,
  value: v.pipe(v.nullable(PresentLeader), v.description('Who leads now; null: nobody.')),
});

export const Event = v.variant('kind', [
  UnitEvent,
  PlacementEvent,
  StateEvent,
  MachineEvent,
  KnownEvent,
  ServiceEvent,
  LeaderEvent,
]);
export type Event = v.InferOutput<typeof Event>;

export const EVENT_KINDS = ['unit', 'placement', 'state', 'machine', 'known', 'service', 'leader'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
