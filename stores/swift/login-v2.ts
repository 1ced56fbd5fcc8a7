import * as v from 'valibot';
import { type Catalog, noLogin, storageUrlOf } from './catalog.js';
import type { SwiftCredentials } from './credentials.js';
import type { LoginAnswer, LoginRequest } from './login.js';
import type { SwiftLogin } from './session.js';

type V2 = SwiftCredentials & { readonly kind: 'v2' };

/** OpenStack's Identity API v2.0, and Rackspace's API keys, an extension of it. */
export function v2Request({ authUrl, identity, tenant }: V2): LoginRequest {
  const { username } = identity;
  const who =
    'apiKey' in identity
      ? { 'RAX-KSKEY:apiKeyCredentials': { username, apiKey: identity.apiKey } }
      : { passwordCredentials: { username, password: identity.password } };
  const where = tenant === null ? {} : 'id' in tenant ? { tenantId: tenant.id } : { tenantName: tenant.name };
  return { method: 'POST', url: `${authUrl}/tokens`, json: { auth: { ...who, ...where } } };
}

const ADDRESSES = { publicURL: v.nullish(v.string()), internalURL: v.nullish(v.string()) };
const ANSWER = v.object({
  access: v.object({
    token: v.object({ id: v.string() }),
    serviceCatalog: v.optional(
      v.array(
        v.object({
          type: v.string(),
          endpoints: v.array(v.object({ region: v.nullish(v.string()), ...ADDRESSES })),
        }),
      ),
      [],
    ),
    user: v.optional(v.object({ 'RAX-AUTH:defaultRegion': v.optional(v.string()) }), {}),
  }),
});

export function v2Login({ authVariable, wanted, storageUrl }: V2, answer: LoginAnswer): SwiftLogin {
  const parsed = v.safeParse(ANSWER, answer.json);
  if (!parsed.success)
    throw noLogin(`the answer is no login of the Identity API v2.0: check ${authVariable}`);
  const { token, serviceCatalog, user } = parsed.output.access;
  const catalog: Catalog = {
    homeRegion: user['RAX-AUTH:defaultRegion'] ?? null,
    endpoints: serviceCatalog.flatMap(({ type, endpoints }) =>
      endpoints.flatMap(({ region = null, publicURL, internalURL }) => [
        ...(publicURL ? [{ type, region, interface: 'public', url: publicURL }] : []),
        ...(internalURL ? [{ type, region, interface: 'internal', url: internalURL }] : []),
      ]),
    ),
  };
  return { token: token.id, storageUrl: storageUrl ?? storageUrlOf(catalog, wanted) };
}
