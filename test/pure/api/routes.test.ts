import { expect, test } from 'vitest';
import type { Route } from '../../../api/route.js';
import { cleanPath, matchRoute } from '../../../api/routes.js';

const route = (path: string): Route => ({ dialect: 'native', path, methods: {}, otherMethods: '' });
const ROUTES = ['/', '/units', '/units/:name', '/units/:name/log'].map(route);

test.each([
  ['/', '/', {}],
  ['/units', '/units', {}],
  ['/units/a@1.service', '/units/:name', { name: 'a@1.service' }],
  ['/units/a/log', '/units/:name/log', { name: 'a' }],
])('%s is %s', (path, expected, params) => {
  expect(matchRoute(ROUTES, path)).toMatchObject({ route: { path: expected }, params });
});

test.each(['/units/', '/units//log', '/units/a/', '/units/a/b', '/nosuch', ''])('%j is nothing', (path) => {
  expect(matchRoute(ROUTES, path)).toBeNull();
});

test.each([
  ['/fleet//v1/units', '/fleet/v1/units'],
  ['/fleet/v1/./units', '/fleet/v1/units'],
  ['/fleet/v1/units/../machines', '/fleet/v1/machines'],
  ['/../../etc', '/etc'],
  ['/units/', '/units/'],
  ['//', '/'],
  ['/', '/'],
])('%s is sent to %s', (path, clean) => {
  expect(cleanPath(path)).toBe(clean);
});
