import { describe, expect, test } from 'vitest';
import type { ApiContext } from '../../../api/context.js';
import { DISCOVERY } from '../../../api/fleet-discovery.js';
import { allRoutes, matchRoute } from '../../../api/routes.js';
import { systemClock } from '../../../runtime/clock.js';

/** As a generator of clients reads it. */

interface DescribedMethod {
  readonly id: string;
  readonly description: string;
  readonly httpMethod: string;
  readonly path: string;
  readonly parameters?: Readonly<Record<string, { readonly location: string; readonly required?: boolean }>>;
  readonly parameterOrder?: readonly string[];
}

const METHODS = Object.values(DISCOVERY.resources).flatMap(
  ({ methods }): DescribedMethod[] => Object.values(methods) as DescribedMethod[],
);
const ROUTES = allRoutes({ registry: {}, clock: systemClock() } as ApiContext);
const PREFIXES = ['/fleet/v1/', '/v1-alpha/'];

/** All objects within a value, itself included. */
function objectsIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(objectsIn)];
}

test('every reference is to a schema, each schema has its own name, and none is there for nothing', () => {
  const names = Object.keys(DISCOVERY.schemas);
  const referred = objectsIn(DISCOVERY).flatMap((one) => ('$ref' in one ? [one.$ref] : []));
  expect(new Set(referred)).toEqual(new Set(names));
  for (const [name, { id }] of Object.entries(DISCOVERY.schemas)) expect(id).toBe(name);
});

test('ids are unique, and every method says in words what it does', () => {
  expect(new Set(METHODS.map(({ id }) => id)).size).toBe(METHODS.length);
  for (const { id, description } of METHODS)
    expect({ id, description }).toEqual({ id, description: expect.stringMatching(/\.$/) });
});

describe.each(METHODS.map((method) => [method.id, method] as const))('%s', (_id, method) => {
  const { path, httpMethod, parameters = {}, parameterOrder = [] } = method;

  test('is served where it says, under both prefixes', () => {
    for (const prefix of PREFIXES) {
      const match = matchRoute(ROUTES, `${prefix}${path.replace(/\{\w+\}/, 'x.service')}`);
      expect(Object.keys(match?.route.methods ?? {})).toContain(httpMethod);
    }
  });

  test('names the parameters of its path, and which are required', () => {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(parameterOrder).toEqual(inPath);
    for (const [name, { location, required }] of Object.entries(parameters))
      expect({ name, location, required }).toEqual(
        inPath.includes(name) ? { name, location: 'path', required: true } : { name, location: 'query' },
      );
  });
});

test.each(PREFIXES)('every method of every route under %s is described', (prefix) => {
  const served = ROUTES.filter(({ path }) => path.startsWith(prefix)).flatMap(({ path, methods }) =>
    Object.keys(methods).map((method) => `${method} ${path.slice(prefix.length)}`),
  );
  const described = METHODS.map(
    ({ httpMethod, path }) => `${httpMethod} ${path.replace(/\{\w+\}/, ':name')}`,
  );
  expect(served.toSorted()).toEqual([...described, 'GET discovery'].toSorted());
});
