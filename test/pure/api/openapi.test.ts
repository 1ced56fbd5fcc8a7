import { beforeAll, describe, expect, test } from 'vitest';
import type { ApiContext } from '../../../api/context.js';
import { ERROR_CODES } from '../../../api/error-codes.js';
import { openApiRoutes } from '../../../api/openapi.js';
import type { Call, Route } from '../../../api/route.js';
import { allRoutes } from '../../../api/routes.js';
import { systemClock } from '../../../runtime/clock.js';
import { type Document, resolveIn } from '../../support/documented.js';

/** No route asks for anything before it is called. */
const routes = allRoutes({ version: '1.2.3', clock: systemClock() } as unknown as ApiContext);
const native = routes.filter(({ path }) => /^\/v1(\/|$)/.test(path));
let document: Document;
beforeAll(async () => {
  const call = { query: new URLSearchParams() } as Call;
  const reply = await routes.find(({ path }) => path === '/v1/openapi.json')?.methods.GET?.(call);
  document = JSON.parse(JSON.stringify((reply as { json: unknown }).json)) as Document;
});

const templateOf = ({ path }: Route): string => path.replaceAll(/:([a-z]+)/g, '{$1}');
const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

test('every method of every native route is in the document, and nothing else', () => {
  const wanted = native.flatMap((route) =>
    Object.keys(route.methods).map((method) => `${method.toLowerCase()} ${templateOf(route)}`),
  );
  expect(wanted.length).toBeGreaterThan(25);
  expect(
    operations()
      .map(({ path, method }) => `${method} ${path}`)
      .sort(),
  ).toEqual(wanted.sort());
});

test('it is OpenAPI 3.1 with what that demands', () => {
  expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Convoy', version: '1.2.3' } });
  const ids = operations().map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, operation } of operations()) {
    const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{[a-z]+\}/g) ?? []);
    expect(operation.parameters.every(({ schema }) => Object.keys(schema).length > 0)).toBe(true);
    for (const { description } of Object.values(operation.responses)) expect(description).not.toBe('');
  }
});

test('every reference leads somewhere, and every name is used', () => {
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = '']) => ref);
  expect(refs.length).toBeGreaterThan(50);
  for (const ref of refs) expect(() => resolveIn(document, ref)).not.toThrow();
  const used = new Set(refs.map((ref) => ref.replace('#/components/schemas/', '')));
  expect(Object.keys(document.components.schemas).filter((name) => !used.has(name))).toEqual([]);
});

describe('refusals', () => {
  test('have the codes of the list, each under its status, and all of them together are one schema', () => {
    const { error } = document.components.schemas.Refusal?.properties ?? {};
    expect(error?.properties?.code?.enum).toEqual(Object.keys(ERROR_CODES));
    for (const { operation } of operations())
      for (const [status, { content }] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        const codes = content?.['application/json']?.schema.properties?.error?.properties?.code?.enum ?? [];
        expect(codes.length).toBeGreaterThan(0);
        for (const code of codes) expect(String(ERROR_CODES[code as 'hold'].status)).toBe(status);
      }
  });

  test('of a request name what its parts are refused with', () => {
    const codesOf = (path: string, method: string): string =>
      Object.values(document.paths[path]?.[method]?.responses ?? {})
        .map(({ description }) => description)
        .join(' ');
    expect(codesOf('/v1/units/{name}', 'put')).toMatch(/`bad-body`.*`bad-header`.*`role`.*`precondition`/);
    expect(codesOf('/v1/units', 'get')).not.toMatch(/bad-body|bad-header|from-a-page|hold/);
  });
});

test('a native route that does not say what it takes and answers is no route of the document', async () => {
  const bare: Route = {
    ...{ dialect: 'native', path: '/v1/bare', otherMethods: '' },
    methods: { GET: async () => ({ status: 204 }) },
  };
  const read = openApiRoutes([bare], '1').at(-1)?.methods.GET;
  await expect(read?.({ query: new URLSearchParams() } as Call)).rejects.toThrow('GET /v1/bare');
});
