import { createServer } from 'node:http';
import { afterAll } from 'vitest';
import type { SwiftServer } from './swift.js';

/**
 * A stand-in for the Identity API v2.0, which no server of today has any more, and for Rackspace's API keys: it takes
 * a Swift's own user and key, and answers with a token of that Swift and a catalog.
 */
export interface IdentityV2 {
  /** `http://127.0.0.1:PORT/v2.0`: OS_AUTH_URL, RAX_AUTH_URL. */
  readonly authUrl: string;
  /** The tenant of the only account, by either name. */
  readonly tenant: string;
  /** Regions of the catalog: `DFW` is where the Swift is, `ORD` another, unless the test says otherwise. */
  regions: readonly string[];
  /** The region that the login calls the user's own, as Rackspace's does. */
  homeRegion: string | null;
  /** How many asked. */
  logins: number;
}

/** On a free port until the test file ends. */
export async function startIdentityV2(swift: SwiftServer): Promise<IdentityV2> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', async () => {
      const answer = (status: number, body: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      };
      if (request.method !== 'POST' || request.url !== '/v2.0/tokens') return answer(404, {});
      identity.logins++;
      const { auth } = JSON.parse(Buffer.concat(parts).toString()) as { auth: Record<string, unknown> };
      const who = secretOf(auth);
      const tenant = auth.tenantName ?? auth.tenantId ?? identity.tenant;
      const token = who === null || tenant !== identity.tenant ? null : await tokenOf(who.user, who.key);
      if (token === null)
        return answer(401, {
          unauthorized: { code: 401, message: `Unable to log in ${JSON.stringify(auth)}` },
        });
      answer(200, body(token));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  async function tokenOf(user: string, key: string): Promise<string | null> {
    const login = await fetch(swift.authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
    return login.headers.get('x-auth-token');
  }

  const body = (token: string) => ({
    access: {
      token: {
        id: token,
        expires: new Date(Date.now() + 86_400_000).toISOString(),
        tenant: { id: identity.tenant, name: identity.tenant },
      },
      user: {
        id: '1',
        name: swift.user,
        roles: [],
        ...(identity.homeRegion === null ? {} : { 'RAX-AUTH:defaultRegion': identity.homeRegion }),
      },
      serviceCatalog: [
        { name: 'cloudServers', type: 'compute', endpoints: [{ publicURL: `${swift.url}/compute` }] },
        {
          name: 'cloudFiles',
          type: 'object-store',
          endpoints: identity.regions.map((region) => ({
            region,
            tenantId: identity.tenant,
            publicURL: region === 'DFW' ? swift.storageUrl : `${swift.url}/v1/AUTH_${region}`,
            internalURL: swift.storageUrl.replace('127.0.0.1', 'localhost'),
          })),
        },
      ],
    },
  });

  const identity: IdentityV2 = {
    authUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}/v2.0`,
    tenant: 'test',
    regions: ['DFW'],
    homeRegion: null,
    logins: 0,
  };
  return identity;
}

function secretOf(auth: Record<string, unknown>): { readonly user: string; readonly key: string } | null {
  const password = auth.passwordCredentials as { username: string; password: string } | undefined;
  if (password !== undefined) return { user: password.username, key: password.password };
  const apiKey = auth['RAX-KSKEY:apiKeyCredentials'] as { username: string; apiKey: string } | undefined;
  return apiKey === undefined ? null : { user: apiKey.username, key: apiKey.apiKey };
}
