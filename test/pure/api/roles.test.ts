import { expect, test } from 'vitest';
import type { ApiContext } from '../../../api/context.js';
import { allRoutes } from '../../../api/routes.js';

/** Methods and paths by the role they need where that is not `read` for GET and `operate` for all others. */
function rolesOf(role: string): string[] {
  return allRoutes({} as ApiContext)
    .flatMap(({ path, roles = {} }) =>
      Object.entries(roles).map(([method, needed]) => ({ path, method, needed })),
    )
    .filter(({ needed }) => needed === role)
    .map(({ path, method }) => `${method} ${path}`)
    .sort();
}

test('what is open to every user of a machine says nothing of contents, logs and reasons', () => {
  expect(rolesOf('unit')).toEqual(
    [
      ...[
        '/fleet/v1/machines',
        '/fleet/v1/state',
        '/fleet/v1/state/:name',
        '/healthz',
        '/metrics',
        '/readyz',
      ],
      ...['/v1-alpha/machines', '/v1-alpha/state', '/v1-alpha/state/:name'],
      ...['/v1/machines', '/v1/machines/:id', '/v1/services', '/v1/services/:name'],
    ].map((path) => `GET ${path}`),
  );
});

test('machines and the cluster are changed by admins only', () => {
  expect(rolesOf('admin')).toEqual([
    'DELETE /v1/machines/:id',
    ...['/fleet/v1/machines', '/v1-alpha/machines', '/v1/machines/:id/metadata'].map(
      (path) => `PATCH ${path}`,
    ),
    ...['cordon', 'drain', 'evict', 'uncordon'].map((verb) => `POST /v1/machines/:id/${verb}`),
    'POST /v1/rejoin',
  ]);
});

test('no other role is changed', () => {
  expect([rolesOf('read'), rolesOf('operate')]).toEqual([[], []]);
});
