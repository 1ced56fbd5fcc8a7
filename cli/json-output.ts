/**
 * What `-o json` prints: a contract. docs/json-output.md says the same in words; fields are only ever added. Times are
 * ISO 8601 in UTC. Every field is always there: null where there is nothing to say.
 */
import * as v from 'valibot';

export const field = <Schema extends v.GenericSchema>(schema: Schema, what: string) =>
  v.pipe(schema, v.description(what));
export const text = v.string();
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const orNull = <Schema extends v.GenericSchema>(schema: Schema) => v.nullable(schema);

/** `list-units`: one for each unit and machine that has it, by unit and machine; and one for each that is wanted and nowhere. */
export const ListedUnit = v.strictObject({
  unit: field(text, 'name of the unit'),
  machine: field(orNull(text), 'whole id of the machine; null if the unit is wanted and on none'),
  load: field(orNull(text), "systemd's load state: loaded, not-found ..."),
  active: field(orNull(text), "systemd's active state: active, activating, deactivating, inactive, failed"),
  sub: field(orNull(text), "systemd's sub state: running, exited, dead ..."),
  hash: field(orNull(text), 'SHA-1 of the unit as the machine has it'),
  since: field(orNull(text), 'when `active` changed last'),
  exit: field(orNull(text), 'exit code or signal of the last main process that ended'),
  restarts: field(count, 'how often it was restarted by itself on that machine'),
  reason: field(orNull(text), 'why it is in this state, or what it waits for, in a line'),
});
export type ListedUnit = v.InferOutput<typeof ListedUnit>;

/** `list-unit-files`: one for each submitted unit, by name. */
export const ListedUnitFile = v.strictObject({
  unit: field(text, 'name of the unit'),
  hash: field(text, 'SHA-1 of the unit as submitted'),
  description: field(orNull(text), '`Description=` of the unit'),
  desiredState: field(v.picklist(['inactive', 'loaded', 'launched']), 'what is asked for'),
  state: field(
    orNull(v.picklist(['inactive', 'loaded', 'launched'])),
    'how far the unit has come; null for a global unit',
  ),
  machine: field(orNull(text), 'whole id of the machine it is placed on; null if on none, or global'),
  global: field(v.boolean(), 'runs on every machine that suits it'),
  generation: field(count, 'revision of the last change of what is asked for'),
  restarts: field(count, 'how many restarts were asked for'),
  placed: field(orNull(text), 'why it was placed on its machine'),
  reason: field(orNull(text), 'why it is in its state, or what it waits for, in a line'),
});
export type ListedUnitFile = v.InferOutput<typeof ListedUnitFile>;

/** `list-machines`: one for each live machine, with `--all` for each that ever joined, by id. */
export const ListedMachine = v.strictObject({
  machine: field(text, 'whole id'),
  ip: field(orNull(text), 'its address; null while it is not there'),
  metadata: field(v.record(text, text), 'the metadata in force, by key'),
  state: field(
    v.picklist(['ready', 'cordoned', 'draining', 'left', 'evicted', 'gone']),
    'how it stands; the last three are not alive',
  ),
  alive: field(v.boolean(), 'it is there'),
  cordoned: field(v.boolean(), 'takes no new units'),
  draining: field(v.boolean(), 'its units are moved away'),
  leader: field(v.boolean(), 'it leads: decides where units go'),
  version: field(orNull(text), 'version of its convoyd; null while it is not there'),
  api: field(orNull(text), 'where its convoyd answers the other machines; null if nowhere'),
  boot: field(orNull(text), 'id of its boot; null while it is not there'),
});
export type ListedMachine = v.InferOutput<typeof ListedMachine>;

/** `services`: one for each instance that answers, by service, unit and machine. */
export const ListedService = v.strictObject({
  service: field(text, 'name of the service'),
  unit: field(text, 'the unit that provides it'),
  machine: field(text, 'whole id of the machine'),
  host: field(text, 'where it answers: name or address'),
  port: field(v.pipe(v.number(), v.integer()), 'where it answers: port'),
});
export type ListedService = v.InferOutput<typeof ListedService>;

/** `events`: an object for each line. */
export const ShownEvent = v.strictObject({
  revision: field(count, 'revision that made the change; several events may share one'),
  seen: field(orNull(text), 'when convoyctl saw it; null if it had happened before'),
  kind: field(
    v.picklist(['unit', 'placement', 'state', 'machine', 'known', 'service', 'leader']),
    'what changed',
  ),
  unit: field(orNull(text), 'the unit it is about, if any'),
  machine: field(orNull(text), 'whole id of the machine it is about, if any'),
  what: field(text, 'what happened, in words'),
});
export type ShownEvent = v.InferOutput<typeof ShownEvent>;

/** `store ls`: an object for each line. */
export const ListedStoreObject = v.strictObject({
  key: field(text, 'name, below the location'),
  size: field(count, 'bytes'),
  modified: field(orNull(text), 'when it was changed last; null if the store does not tell'),
});
export type ListedStoreObject = v.InferOutput<typeof ListedStoreObject>;

/** `store stat`: one object. */
export const ShownLocation = v.strictObject({
  location: field(text, 'as it was given'),
  kind: field(v.picklist(['object', 'container', 'prefix']), 'what is there; prefix: objects below it'),
  size: field(orNull(count), 'bytes of the object; null if it is none'),
  md5: field(orNull(text), "MD5 of the object's content, 32 hex digits; null if the store does not tell"),
  contentType: field(orNull(text), 'content type of the object'),
  modified: field(orNull(text), 'when the object was changed last'),
  headers: field(
    orNull(v.record(text, text)),
    'cache-control, content-disposition, -encoding and -language of the object',
  ),
  metadata: field(orNull(v.record(text, text)), "the user's own metadata of the object"),
  writable: field(v.boolean(), 'it can be the destination of a migration'),
  listable: field(v.boolean(), '`store ls` can list it'),
  checksWrites: field(v.boolean(), 'the store refuses a write that does not have the MD5 sent with it'),
  reportsMd5: field(v.boolean(), 'the store tells MD5s'),
  keeps: field(v.picklist(['nothing', 'content-type', 'all']), 'what is kept beside the bytes'),
});
export type ShownLocation = v.InferOutput<typeof ShownLocation>;
