import * as v from 'valibot';
import { type Catalog, noLogin, storageUrlOf } from './catalog.js';
import type { SwiftCredentials } from './credentials.js';
import type { LoginAnswer, LoginRequest } from './login.js';
import type { SwiftLogin } from './session.js';

type V3 = SwiftCredentials & { readonly kind: 'v3' };

/** OpenStack's Identity API v3. Without a scope it is the user's default project, or none. */
export function v3Request({ authUrl, identity, project }: V3): LoginRequest {
  const who =
    'password' in identity
      ? { methods: ['password'], password: { user: { ...identity.user, password: identity.password } } }
      : {
          methods: ['application_credential'],
          application_credential: { ...identity.applicationCredential, secret: identity.secret },
        };
  const scope = project === null ? {} : { scope: { project } };
  return { method: 'POST', url: `${authUrl}/auth/tokens`, json: { auth: { identity: who, ...scope } } };
}

const ANSWER = v.object({
  token: v.object({
    catalog: v.optional(
      v.array(
        v.object({
          type: v.string(),
          endpoints: v.array(
            v.object({ region: v.nullish(v.string()), interface: v.string(), url: v.string() }),
          ),
        }),
      ),
      [],
    ),
  }),
});

export function v3Login({ authVariable, wanted, storageUrl }: V3, answer: LoginAnswer): SwiftLogin {
  const token = answer.header('x-subject-token');
  const parsed = v.safeParse(ANSWER, answer.json);
  if (token === null || !parsed.success)
    throw noLogin(`the answer is no login of the Identity API v3: check ${authVariable}`);
  const catalog: Catalog = {
    homeRegion: null,
    endpoints: parsed.output.token.catalog.flatMap(({ type, endpoints }) =>
      endpoints.map(({ region = null, interface: kind, url }) => ({ type, region, interface: kind, url })),
    ),
  };
  return { token, storageUrl: storageUrl ?? storageUrlOf(catalog, wanted) };
}
