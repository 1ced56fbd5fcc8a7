import * as v from 'valibot';
import { messageOf, permanent } from '../runtime/errors.js';
import { TARGET_STATES } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import type {
  Assignment,
  KnownMachine,
  Machine,
  Placement,
  PlacementToWrite,
  PresentLeader,
  ServiceEntry,
  UnitRecord,
  UnitState,
} from './model.js';

/**
 * The major format of the records. A reader that meets a higher one must not act on what it cannot understand:
 * `decode` throws `permanent`/`format` and views answer hold. Fields a reader does not know are ignored.
 */
export const FORMAT = 1;

const text = v.string();
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const targetState = v.picklist(TARGET_STATES);

/** Any key is allowed; valibot's own `record` drops some, `constructor` among them. */
function recordOf<Schema extends v.GenericSchema>(value: Schema) {
  return v.custom<Record<string, v.InferOutput<Schema>>>(
    (input) =>
      typeof input === 'object' &&
      input !== null &&
      !Array.isArray(input) &&
      Object.values(input).every((one) => v.is(value, one)),
  );
}

const versioned = v.object({ v: v.number() });
const clusterRecord = v.object({ id: text, format: v.pipe(v.number(), v.integer()) });
const unitRecord = v.object({
  hash: text,
  target: targetState,
  restarts: count,
  move: v.optional(v.nullable(v.object({ assignment: count, to: v.nullable(text) })), null),
});
const content = v.object({
  options: v.array(v.object({ section: text, name: text, value: text })),
});
const machine = v.object({
  ip: text,
  metadata: recordOf(text),
  apiAddress: text,
  version: text,
  bootId: text,
});
const known = v.object({
  firstSeen: v.number(),
  cordoned: v.boolean(),
  draining: v.boolean(),
  away: v.optional(v.nullable(v.picklist(['left', 'evicted'] as const)), null),
  metadata: recordOf(v.nullable(text)),
});
const unjoined = v.object({ metadata: recordOf(v.nullable(text)) });
const assigned = v.object({
  machine: text,
  fence: count,
  stopBoundMs: v.optional(v.nullable(v.number()), null),
  failedOn: v.optional(v.array(text), []),
});
const placement = v.object({
  hash: text,
  target: v.picklist(['loaded', 'launched'] as const),
  restarts: count,
  why: text,
});
const unitState = v.object({
  ...{ load: text, active: text, sub: text, hash: text, reason: text },
  reached: v.picklist(['loaded', 'launched'] as const),
  since: v.number(),
  exit: v.nullable(text),
  autoRestarts: count,
  heard: v.optional(count, 0),
});
const service = v.object({ host: text, port: count });
const leader = v.object({ machine: text, frozen: v.optional(v.nullable(text), null) });

export interface ClusterRecord {
  /** UUID of the cluster, made by the first convoyd. */
  readonly id: string;
  /** Major format of the records under it. */
  readonly format: number;
}

/** The record of `cluster` is read before its format is known to be ours: it is the one that tells. */
export function decodeCluster(json: string): ClusterRecord {
  return parse(clusterRecord, read(json, 'cluster'), 'cluster');
}
export function encodeCluster(record: ClusterRecord): string {
  return JSON.stringify(record);
}

export function encodeUnit(record: Pick<UnitRecord, 'hash' | 'target' | 'restarts' | 'move'>): string {
  const { hash, target, restarts, move } = record;
  return write({ hash, target, restarts, ...(move === null ? {} : { move }) });
}
export function decodeUnit(name: string, json: string, generation: number): Omit<UnitRecord, 'unit'> {
  return { name, ...decode(unitRecord, json, `units/${name}`), generation };
}

export function encodeContent(unit: UnitFile): string {
  return write({ options: unit.options });
}
export function decodeContent(hash: string, json: string): UnitFile {
  const unit = decode(content, json, `contents/${hash}`);
  if (hashOf(unit) !== hash)
    throw permanent(`the record contents/${hash} holds another content`, { code: 'format' });
  return unit;
}

export function encodeMachine({ id: _, ...record }: Machine): string {
  return write(record);
}
export function decodeMachine(id: string, json: string): Machine {
  return { id, ...decode(machine, json, `machines/${id}`) };
}

export function encodeKnown({ id: _, ...record }: KnownMachine): string {
  return write(record);
}
export function decodeKnown(id: string, json: string): KnownMachine {
  return { id, ...decode(known, json, `known/${id}`) };
}

/** What was set for a machine that never joined: a table of its own, since all that are in `known` once did. */
export function encodeUnjoined(metadata: KnownMachine['metadata']): string {
  return write({ metadata });
}
export function decodeUnjoined(id: string, json: string): KnownMachine['metadata'] {
  return decode(unjoined, json, `unjoined/${id}`).metadata;
}

/** `fence` is the term that assigned it: by it a leader knows its own write again after an answer was lost. */
export function encodeAssigned(
  record: Pick<Assignment, 'machine' | 'stopBoundMs' | 'failedOn'> & { readonly fence: number },
): string {
  const { machine: id, fence, stopBoundMs, failedOn } = record;
  return write({ machine: id, fence, stopBoundMs, failedOn });
}
/** `created`: the key's create revision; `revision`: its mod revision. */
export function decodeAssigned(unit: string, json: string, created: number, revision: number): Assignment {
  const { fence: _, ...record } = decode(assigned, json, `assigned/${unit}`);
  return { unit, ...record, created, revision };
}

export function encodePlacement(record: PlacementToWrite): string {
  const { hash, target, restarts, why } = record;
  return write({ hash, target, restarts, why });
}
/** `fence`: the key's create revision; `revision`: its mod revision. */
export function decodePlacement(
  machineId: string,
  unit: string,
  json: string,
  fence: number,
  revision: number,
): Placement {
  return {
    unit,
    machine: machineId,
    ...decode(placement, json, `placements/${machineId}/${unit}`),
    fence,
    revision,
  };
}

export function encodeState({ unit: _, machine: __, ...record }: UnitState): string {
  return write(record);
}
export function decodeState(machineId: string, unit: string, json: string): UnitState {
  return { unit, machine: machineId, ...decode(unitState, json, `states/${machineId}/${unit}`) };
}

export function encodeService({ host, port }: ServiceEntry): string {
  return write({ host, port });
}
export function decodeService(key: Omit<ServiceEntry, 'host' | 'port'>, json: string): ServiceEntry {
  const { service: name, unit, machine: id } = key;
  return { service: name, unit, machine: id, ...decode(service, json, `services/${name}/${unit}/${id}`) };
}

export function encodeLeader({ machine: id, frozen }: Omit<PresentLeader, 'term'>): string {
  return write({ machine: id, frozen });
}
/** `created`: the create revision of its key. */
export function decodeLeader(json: string, created: number): PresentLeader {
  return { ...decode(leader, json, 'leader'), term: created };
}

function write(record: object): string {
  return JSON.stringify({ v: FORMAT, ...record });
}

function decode<Schema extends v.GenericSchema>(
  schema: Schema,
  json: string,
  key: string,
): v.InferOutput<Schema> {
  const record = read(json, key);
  const { v: format } = parse(versioned, record, key);
  if (Math.floor(format) > FORMAT)
    throw permanent(
      `the record ${key} has format ${format}, this convoyd reads formats up to ${FORMAT}: upgrade it`,
      { code: 'format' },
    );
  return parse(schema, record, key);
}

function read(json: string, key: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw unreadable(key, cause);
  }
}

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  record: unknown,
  key: string,
): v.InferOutput<Schema> {
  try {
    return v.parse(schema, record);
  } catch (cause) {
    throw unreadable(key, cause);
  }
}

function unreadable(key: string, cause: unknown): Error {
  return permanent(`the record ${key} cannot be read (${messageOf(cause)})`, { code: 'format', cause });
}
