import {
  type ConversionConfig,
  type JsonSchema,
  toJsonSchema,
  toJsonSchemaDefs,
} from '@valibot/to-json-schema';
import * as v from 'valibot';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';
import * as eventSchemas from './event-schemas.js';
import { type AnyOperation, json, operation, type RequestHeader, resource } from './operation.js';
import type { Method, Route } from './route.js';
import * as schemas from './schemas.js';
import { DOCUMENTED, recordOf } from './schemas.js';

/** `/v1/openapi.json`: the document of the native API, made of the routes and of itself. */
export function openApiRoutes(routes: readonly Route[], version: string): Route[] {
  const read = operation({
    id: 'readDocument',
    summary: 'This document.',
    answer: json(recordOf(v.unknown(), 'an object')),
    errors: [],
    async handle() {
      document ??= openApiDocument(all, version);
      return document;
    },
  });
  const all = [...routes, resource('/v1/openapi.json', { GET: read })];
  let document: ReturnType<typeof openApiDocument> | undefined;
  return all;
}

/** OpenAPI 3.1 of all routes that say what they take and answer. Throws for a native one below /v1 that does not. */
function openApiDocument(routes: readonly Route[], version: string): Readonly<Record<string, unknown>> {
  const native = routes.filter(({ path }) => path.startsWith('/v1/'));
  const { components, schemaOf } = convert(native.flatMap((route) => Object.values(route.operations ?? {})));
  return {
    openapi: '3.1.0',
    info: { title: 'Convoy', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
    security: [{}, { token: [] }, { certificate: [] }],
    paths: Object.fromEntries(native.map((route) => [withBraces(route.path), pathItem(route, schemaOf)])),
    components: {
      schemas: components,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        certificate: { type: 'mutualTLS' },
      },
    },
  };
}

const DESCRIPTION = `The native API of convoyd. Without credentials it answers on sockets of its own machine; over TCP the caller
shows a token or a certificate. Every answer that is not 2xx is a Refusal, to be decided on by its code.`;

/** Whatever is exported as a schema has a name in the document. */
const COMPONENTS: Readonly<Record<string, v.GenericSchema>> = Object.fromEntries(
  Object.entries<unknown>({ ...schemas, ...eventSchemas }).flatMap(([name, value]) =>
    isSchema(value) ? [[name, value]] : [],
  ),
);

function isSchema(value: unknown): value is v.GenericSchema {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'schema';
}

const CONFIG: ConversionConfig = {
  target: 'draft-2020-12',
  typeMode: 'input',
  // A list that is read only looks like any other, and what a check asks for is said in words.
  ignoreActions: ['readonly', 'check', 'raw_check'],
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  overrideSchema({ valibotSchema }) {
    const documented = DOCUMENTED.get(valibotSchema);
    if (documented === undefined) return undefined;
    if ('most' in documented) return { type: 'integer', minimum: 0, maximum: documented.most };
    return { type: 'object', additionalProperties: bare(toJsonSchema(documented.values, CONFIG)) };
  },
};

type SchemaOf = (schema: v.GenericSchema) => JsonSchema;

/** All schemas at once: the library looks at every component for each call. */
function convert(operations: readonly AnyOperation[]): {
  readonly components: Readonly<Record<string, JsonSchema>>;
  readonly schemaOf: SchemaOf;
} {
  const names = new Map(Object.entries(COMPONENTS).map(([name, schema]) => [schema, name]));
  const used = operations.flatMap(({ query, body, answer }) => [
    ...(Object.values(query ?? {}) as v.GenericSchema[]),
    ...[body, answer.schema].filter((schema) => schema !== undefined),
  ]);
  const unnamed = [...new Set(used)].filter((schema) => !names.has(schema));
  const components = toJsonSchemaDefs(COMPONENTS, CONFIG);
  const inline = new Map(unnamed.map((schema, i) => [schema, `inline ${i}`]));
  const converted = toJsonSchemaDefs(
    { ...COMPONENTS, ...Object.fromEntries(unnamed.map((schema) => [inline.get(schema), schema])) },
    CONFIG,
  );
  return {
    components,
    schemaOf(schema) {
      const name = names.get(schema);
      return name === undefined
        ? (converted[inline.get(schema) ?? ''] ?? {})
        : { $ref: `#/components/schemas/${name}` };
    },
  };
}

function bare({ $schema, $defs, ...schema }: JsonSchema): JsonSchema {
  return schema;
}

function withBraces(path: string): string {
  return path.replaceAll(/:([a-z]+)/g, '{$1}');
}

function pathItem({ path, methods, operations }: Route, schemaOf: SchemaOf): object {
  return Object.fromEntries(
    Object.keys(methods).map((method) => {
      const described = operations?.[method as Method];
      if (described === undefined)
        throw new Error(`${method} ${path} does not say what it takes and answers`);
      return [method.toLowerCase(), operationObject(path, method as Method, described, schemaOf)];
    }),
  );
}

function operationObject(path: string, method: Method, described: AnyOperation, schemaOf: SchemaOf): object {
  const { id, summary, query = {}, headers = [], body, role } = described;
  const inPath = [...path.matchAll(/:([a-z]+)/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
  const inQuery = Object.entries(query).map(([name, entry]) => {
    const { description, ...schema } = schemaOf(entry as v.GenericSchema);
    return { name, in: 'query', schema, ...(description === undefined ? {} : { description }) };
  });
  const inHeaders = headers.map((name) => ({
    ...{ name, in: 'header', description: HEADERS[name], schema: { type: 'string' } },
  }));
  return {
    operationId: id,
    summary,
    'x-role': role ?? (method === 'GET' ? 'read' : 'operate'),
    parameters: [...inPath, ...inQuery, ...inHeaders],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } }),
    responses: {
      ...answerObject(described, schemaOf),
      ...refusalObjects(codesOf(method, described), schemaOf),
    },
  };
}

const HEADERS: Readonly<Record<RequestHeader | 'etag' | 'x-convoy-revision', string>> = {
  'if-match': 'The ETag of what is to be changed, or `*`: refused with 412 if it is not what is there.',
  'if-none-match': '`*`: refused with 412 if the unit is there already.',
  'last-event-id': 'The last id that was received: goes before `after`.',
  etag: 'The generation of the unit, quoted.',
  'x-convoy-revision': 'What is shown is of this revision: events after it tell all that changed since.',
};

function answerObject({ answer }: AnyOperation, schemaOf: SchemaOf): object {
  const { status, schema, type, headers } = answer;
  const shown = headers.map((name) => [
    name,
    { description: HEADERS[name], required: true, schema: { type: 'string' } },
  ]);
  const content = {
    ...(schema === undefined ? { schema: { type: 'string' } } : { schema: schemaOf(schema) }),
  };
  return {
    [status]: {
      description: type === 'text/event-stream' ? 'The data of each event.' : 'Done.',
      ...(shown.length === 0 ? {} : { headers: Object.fromEntries(shown) }),
      ...(type === undefined ? {} : { content: { [type]: content } }),
    },
  };
}

/** What every request may be refused with. */
const ANY: readonly ErrorCode[] = [
  ...(['bad-path', 'bad-query', 'credentials', 'role', 'wrong-machine', 'internal'] as const),
  ...(['unavailable', 'outsider', 'stopping'] as const),
];

function codesOf(method: Method, { body, headers, errors }: AnyOperation): ErrorCode[] {
  return [
    ...ANY,
    ...errors,
    ...(body === undefined ? [] : (['bad-body', 'too-large'] as const)),
    ...(headers === undefined ? [] : (['bad-header'] as const)),
    ...(method === 'GET' ? [] : (['from-a-page', 'hold', 'conflict'] as const)),
  ];
}

/** By status, each with the codes it may have. */
function refusalObjects(codes: readonly ErrorCode[], schemaOf: SchemaOf): object {
  const statuses = [...new Set(codes.map((code) => ERROR_CODES[code].status))].sort();
  return Object.fromEntries(
    statuses.map((status) => {
      const these = [...new Set(codes)].filter((code) => ERROR_CODES[code].status === status);
      const schema = {
        ...schemaOf(schemas.Refusal),
        properties: { error: { properties: { code: { enum: these } } } },
      };
      const description = these.map((code) => `\`${code}\`: ${ERROR_CODES[code].means}`).join(' ');
      return [status, { description, content: { 'application/json': { schema } } }];
    }),
  );
}
