import * as v from 'valibot';
import { messageOf } from '../runtime/errors.js';
import { complaint } from './complaint.js';
import type { ErrorCode } from './error-codes.js';
import { type Call, type Method, type Reply, type Role, type Route, refuse } from './route.js';

/**
 * A method of the native API: what it takes, what it answers and what it refuses with. Requests are checked by it before
 * `handle` sees them, and the OpenAPI document is made of it.
 */
export interface Operation<Query extends v.ObjectEntries, Body extends v.GenericSchema, Result> {
  /** `operationId` of the document: `listUnits`. */
  readonly id: string;
  readonly summary: string;
  /** By name; an unknown parameter is refused. What is a list may be given several times. */
  readonly query?: Query;
  readonly body?: Body;
  readonly headers?: readonly RequestHeader[];
  readonly answer: Answer<Result>;
  /** Beside those that any request may be refused with. */
  readonly errors: readonly ErrorCode[];
  readonly role?: Role;
  readonly handle: (call: Call, input: Input<Query, Body>) => Promise<Result>;
}

export type RequestHeader = 'if-match' | 'if-none-match' | 'last-event-id';

export interface Input<Query extends v.ObjectEntries, Body extends v.GenericSchema> {
  readonly query: v.InferOutput<v.StrictObjectSchema<Query, undefined>>;
  readonly body: v.InferOutput<Body>;
}

/** What a request is answered with when all is well. */
export interface Answer<Result> {
  readonly status: 200 | 204;
  /** Of a body that is JSON, or of the data of each event of a stream. */
  readonly schema?: v.GenericSchema;
  readonly type?: 'application/json' | 'text/plain' | 'text/event-stream';
  readonly headers: readonly ('etag' | 'x-convoy-revision')[];
  reply(result: Result): Reply;
}

export function json<Schema extends v.GenericSchema>(schema: Schema): Answer<v.InferOutput<Schema>> {
  return {
    ...{ status: 200, type: 'application/json', schema, headers: [] },
    reply: (json) => ({ status: 200, json }),
  };
}

/** One thing with its generation, for If-Match. */
export function tagged<Schema extends v.GenericSchema>(
  schema: Schema,
): Answer<{ readonly json: v.InferOutput<Schema>; readonly etag: number }> {
  return {
    ...{ status: 200, type: 'application/json', schema, headers: ['etag'] },
    reply: (result) => ({ status: 200, ...result }),
  };
}

/** One thing with its generation, as it is at one revision. */
export function taggedAt<Schema extends v.GenericSchema>(
  schema: Schema,
): Answer<{ readonly json: v.InferOutput<Schema>; readonly etag: number; readonly revision: number }> {
  return { ...tagged(schema), headers: ['etag', 'x-convoy-revision'] };
}

/** What is so at one revision, from which events go on. */
export function listed<Schema extends v.GenericSchema>(
  schema: Schema,
): Answer<{ readonly json: v.InferOutput<Schema>; readonly revision: number }> {
  return {
    ...{ status: 200, type: 'application/json', schema, headers: ['x-convoy-revision'] },
    reply: (result) => ({ status: 200, ...result }),
  };
}

export const nothing: Answer<void> = { status: 204, headers: [], reply: () => ({ status: 204 }) };

/** `schema`: of the data of each event. */
export function stream(
  type: 'text/plain' | 'text/event-stream',
  schema?: v.GenericSchema,
): Answer<AsyncIterable<string>> {
  return {
    ...{ status: 200, type, headers: [], ...(schema === undefined ? {} : { schema }) },
    reply: (lines) => ({ status: 200, lines, type: type === 'text/plain' ? `${type}; charset=utf-8` : type }),
  };
}

/** An operation without the types of what goes through it. */
export interface AnyOperation
  extends Omit<Operation<v.ObjectEntries, v.GenericSchema, never>, 'answer' | 'handle'> {
  readonly answer: Omit<Answer<never>, 'reply'>;
  run(call: Call): Promise<Reply>;
}

/** Ties what an operation takes and answers to what handles it. */
export function operation<
  const Query extends v.ObjectEntries,
  Body extends v.GenericSchema = v.UndefinedSchema<undefined>,
  Result = void,
>(given: Operation<Query, Body, Result>): AnyOperation {
  return {
    ...given,
    async run(call) {
      const query = readQuery((given.query ?? {}) as Query, call.query);
      const body = given.body === undefined ? undefined : readBody(given.body, await call.body());
      return given.answer.reply(await given.handle(call, { query, body: body as v.InferOutput<Body> }));
    },
  };
}

/** A row of the route table with the operations of one resource. */
export function resource(path: string, operations: Readonly<Partial<Record<Method, AnyOperation>>>): Route {
  const rows = Object.entries(operations) as [Method, AnyOperation][];
  const methods = Object.fromEntries(rows.map(([method, { run }]) => [method, run]));
  const roles = Object.fromEntries(rows.flatMap(([method, { role }]) => (role ? [[method, role]] : [])));
  return {
    ...{ dialect: 'native', path, methods, roles, operations },
    otherMethods: `only ${inWords(Object.keys(methods))} here`,
  };
}

function inWords(methods: readonly string[]): string {
  return methods.join(', ').replace(/, ([^,]*)$/, ' and $1');
}

function readQuery<Query extends v.ObjectEntries>(
  entries: Query,
  query: URLSearchParams,
): Input<Query, v.GenericSchema>['query'] {
  const given: Record<string, unknown> = {};
  for (const key of new Set(query.keys())) {
    const entry = entries[key] as { type?: string; wrapped?: { type?: string } } | undefined;
    const values = query.getAll(key);
    if ((entry?.wrapped ?? entry)?.type === 'array') given[key] = values;
    else if (values.length === 1) given[key] = values[0];
    else throw refuse(400, 'bad-query', `${key}: expected once, got ${values.length} times`);
  }
  const schema = v.strictObject(entries);
  const read = v.safeParse(schema, given);
  if (!read.success) throw refuse(400, 'bad-query', complaint(schema, read.issues));
  return read.output;
}

function readBody(schema: v.GenericSchema, text: string): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw refuse(400, 'bad-body', `the body is not JSON: ${messageOf(error)}`);
  }
  const read = v.safeParse(schema, body);
  if (!read.success) throw refuse(400, 'bad-body', complaint(schema, read.issues));
  return read.output;
}
