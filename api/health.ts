import type { ApiContext } from './context.js';
import type { Route } from './route.js';

/** `/healthz`: this convoyd runs. `/readyz`: and its registry answers (503 if it does not). */
export function healthRoutes({ registry }: ApiContext): Route[] {
  const otherMethods = 'health can only be read (GET)';
  return [
    {
      dialect: 'native',
      path: '/healthz',
      otherMethods,
      methods: { GET: async () => ({ status: 200, json: { status: 'ok' } }) },
    },
    {
      dialect: 'native',
      path: '/readyz',
      otherMethods,
      methods: {
        async GET() {
          const leader = await registry.readLeader();
          return { status: 200, json: { status: 'ok', leader: leader?.machine ?? null } };
        },
      },
    },
  ];
}
