import { messageOf } from '../runtime/errors.js';
import type { ApiContext } from './context.js';
import type { Route } from './route.js';

/** How long whoever is asked for a check may take. */
const CHECK_MS = 2_000;

/** One condition of being of use; `reason`: why it does not hold, in words, else null. */
export interface Check {
  readonly name: 'registry' | 'joined' | 'unit-manager' | 'hold';
  readonly ok: boolean;
  readonly reason: string | null;
}

/** `/healthz`: this convoyd runs; nobody else is asked. `/readyz`: and it can do its work (503 if it cannot), and why not. */
export function healthRoutes(context: ApiContext): Route[] {
  const otherMethods = 'health can only be read (GET)';
  return [
    {
      dialect: 'native',
      path: '/healthz',
      otherMethods,
      roles: { GET: 'unit' },
      methods: { GET: async () => ({ status: 200, json: { status: 'ok' } }) },
    },
    {
      dialect: 'native',
      path: '/readyz',
      otherMethods,
      roles: { GET: 'unit' },
      methods: {
        async GET() {
          let leader: string | null = null;
          const checks: Check[] = await Promise.all([
            answers(context, 'registry', async () => {
              leader = (await context.registry.readLeader())?.machine ?? null;
            }),
            checked('joined', context.notJoined()),
            answers(context, 'unit-manager', context.unitManager),
            checked('hold', context.hold()),
          ]);
          const ready = checks.every(({ ok }) => ok);
          return {
            status: ready ? 200 : 503,
            json: { status: ready ? 'ok' : 'not ready', leader, checks },
          };
        },
      },
    },
  ];
}

const checked = (name: Check['name'], reason: string | null): Check => ({
  name,
  ok: reason === null,
  reason,
});

async function answers(
  { clock }: ApiContext,
  name: Check['name'],
  ask: () => Promise<unknown>,
): Promise<Check> {
  const over = new AbortController();
  const late = clock.sleep(CHECK_MS, over.signal).then(
    () => `no answer within ${CHECK_MS / 1000} s`,
    () => null,
  );
  const asked = ask().then(
    () => null,
    (error: unknown) => messageOf(error),
  );
  const reason = await Promise.race([asked, late]);
  over.abort();
  return checked(name, reason);
}
