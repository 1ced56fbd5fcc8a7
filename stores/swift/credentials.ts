import { UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { WantedEndpoint } from './catalog.js';
import { httpAddress, listed, type Variables, variablesOf } from './variables.js';

/** A name is unique only in its domain, an id everywhere. */
export type Named =
  | { readonly id: string }
  | { readonly name: string; readonly domain: { readonly id: string } | { readonly name: string } };

interface Login {
  /** The version's own address, without a slash at its end: `https://host:5000/v3`. */
  readonly authUrl: string;
  /** The variable it came from. */
  readonly authVariable: string;
}

/** A login that answers with a catalog of services. */
interface CatalogLogin extends Login {
  readonly wanted: WantedEndpoint;
  /** Instead of the catalog's (OS_STORAGE_URL). */
  readonly storageUrl: string | null;
}

/** Where to log in to a Swift cluster, and as whom. Holds secrets. */
export type SwiftCredentials = { readonly variables: string } & (
  | { readonly kind: 'token'; readonly storageUrl: string; readonly token: string }
  | (Login & { readonly kind: 'v1'; readonly user: string; readonly key: string })
  | (CatalogLogin & {
      readonly kind: 'v2';
      readonly identity:
        | { readonly username: string; readonly password: string }
        | { readonly username: string; readonly apiKey: string };
      readonly tenant: { readonly id: string } | { readonly name: string } | null;
    })
  | (CatalogLogin & {
      readonly kind: 'v3';
      readonly identity:
        | { readonly user: Named; readonly password: string }
        | { readonly applicationCredential: ApplicationCredential; readonly secret: string };
      readonly project: Named | null;
    })
);
export type ApplicationCredential = { readonly id: string } | { readonly name: string; readonly user: Named };

const RACKSPACE_AUTH_URL = 'https://identity.api.rackspacecloud.com/v2.0';

/** What each kind of login needs, by how its variables' names begin. */
const LOGINS = {
  OS_: ['OS_AUTH_URL', 'OS_USERNAME', 'OS_PASSWORD', 'OS_PROJECT_NAME'],
  ST_: ['ST_AUTH', 'ST_USER', 'ST_KEY'],
  RAX_: ['RAX_USERNAME', 'RAX_API_KEY'],
} as const;
export type SwiftFamily = keyof typeof LOGINS;

/**
 * Which credentials the environment holds, of these families of variables: the others are taken for unset. Where it
 * holds several sets, the first of these counts:
 * 1. OS_AUTH_TOKEN with OS_STORAGE_URL: no login.
 * 2. ST_AUTH with ST_USER and ST_KEY: v1.
 * 3. OS_AUTH_URL: v3 with a password or an application credential, or v2.0 with a password.
 * 4. RAX_USERNAME with RAX_API_KEY, or RAX_PASSWORD: Rackspace's v2.0.
 *
 * Throws a `UsageError` that names the variable that is missing or cannot be right.
 */
export function swiftCredentials(
  env: StoreEnvironment,
  families: readonly SwiftFamily[] = ['OS_', 'ST_', 'RAX_'],
): SwiftCredentials {
  const all = [
    { family: 'OS_', chosenBy: 'OS_AUTH_TOKEN', others: [], read: givenToken },
    { family: 'ST_', chosenBy: 'ST_AUTH', others: ['ST_USER', 'ST_KEY'], read: v1 },
    {
      family: 'OS_',
      chosenBy: 'OS_AUTH_URL',
      others: ['OS_USERNAME', 'OS_USER_ID', 'OS_PASSWORD', 'OS_APPLICATION_CREDENTIAL_SECRET'],
      read: keystone,
    },
    { family: 'RAX_', chosenBy: 'RAX_USERNAME', others: ['RAX_API_KEY', 'RAX_PASSWORD'], read: rackspace },
  ] as const;
  const sets = all.filter(({ family }) => families.includes(family));
  const set =
    sets.find(({ chosenBy }) => env.get(chosenBy) !== undefined) ??
    sets.find(({ others }) => others.some((name) => env.get(name) !== undefined));
  if (set === undefined) {
    const ways = families.map((family) => {
      const [first, ...rest] = LOGINS[family].map((name) => env.nameOf(name));
      return `${first} with ${listed(rest)}`;
    });
    throw new UsageError(`no credentials for Swift: set ${ways.join(', or ')}`);
  }
  return set.read(variablesOf(env), env);
}

function givenToken(variables: Variables): SwiftCredentials {
  const storageUrl = variables.address('a token needs the address it is good for', 'OS_STORAGE_URL');
  const token = variables.required('', 'OS_AUTH_TOKEN');
  return { kind: 'token', storageUrl, token, variables: variables.used() };
}

function v1(variables: Variables, env: StoreEnvironment): SwiftCredentials {
  const purpose = 'a v1 login needs an address, a user and a key';
  const authUrl = variables.address(purpose, 'ST_AUTH');
  const user = variables.required(purpose, 'ST_USER');
  const key = variables.required(purpose, 'ST_KEY');
  const authVariable = env.nameOf('ST_AUTH');
  return { kind: 'v1', authUrl, authVariable, user, key, variables: variables.used() };
}

function keystone(variables: Variables, env: StoreEnvironment): SwiftCredentials {
  const address = variables.address('it is where to log in, https://HOST:5000/v3', 'OS_AUTH_URL');
  const { version, method } = authType(env, address);
  const storageUrl = env.get('OS_STORAGE_URL');
  const login = {
    authUrl: `${address.replace(/\/v[23](\.\d+)?$/, '')}/${version === 'v2' ? 'v2.0' : 'v3'}`,
    authVariable: env.nameOf('OS_AUTH_URL'),
    wanted: { region: env.get('OS_REGION_NAME') ?? null, ...inCatalog(env, 'OS_REGION_NAME') },
    storageUrl: storageUrl === undefined ? null : httpAddress(storageUrl, env.nameOf('OS_STORAGE_URL')),
  };
  if (version === 'v2') {
    const username = variables.required('a v2.0 login needs a user', 'OS_USERNAME');
    const password = variables.required('a v2.0 login needs a password', 'OS_PASSWORD');
    const id = variables.optional('OS_PROJECT_ID', 'OS_TENANT_ID');
    const name = id === null ? variables.optional('OS_PROJECT_NAME', 'OS_TENANT_NAME') : null;
    const tenant = id !== null ? { id } : name !== null ? { name } : null;
    const identity = { username, password };
    return { kind: 'v2', ...login, identity, tenant, variables: variables.used() };
  }
  if (method === 'application credential') {
    const id = variables.optional('OS_APPLICATION_CREDENTIAL_ID');
    const applicationCredential =
      id !== null
        ? { id }
        : {
            name: variables.required(
              'an application credential needs its id, or its name and its user',
              'OS_APPLICATION_CREDENTIAL_ID',
              'OS_APPLICATION_CREDENTIAL_NAME',
            ),
            user: v3User(variables),
          };
    const secret = variables.required(
      'an application credential needs its secret',
      'OS_APPLICATION_CREDENTIAL_SECRET',
    );
    // It belongs to one project: a scope of our own would be refused.
    const identity = { applicationCredential, secret };
    return { kind: 'v3', ...login, identity, project: null, variables: variables.used() };
  }
  const user = v3User(variables);
  const password = variables.required('a v3 login needs a password', 'OS_PASSWORD');
  const projectId = variables.optional('OS_PROJECT_ID', 'OS_TENANT_ID');
  const projectName = projectId === null ? variables.optional('OS_PROJECT_NAME', 'OS_TENANT_NAME') : null;
  const project =
    projectId !== null
      ? { id: projectId }
      : projectName !== null
        ? { name: projectName, domain: domainOf(variables, 'OS_PROJECT_DOMAIN') }
        : null;
  return { kind: 'v3', ...login, identity: { user, password }, project, variables: variables.used() };
}

function v3User(variables: Variables): Named {
  const id = variables.optional('OS_USER_ID');
  if (id !== null) return { id };
  const name = variables.required('a v3 login needs a user', 'OS_USERNAME');
  return { name, domain: domainOf(variables, 'OS_USER_DOMAIN') };
}

/** Without a domain it is the one that every cluster begins with, unless OS_DEFAULT_DOMAIN says which: as openstackclient does. */
function domainOf(variables: Variables, of: 'OS_USER_DOMAIN' | 'OS_PROJECT_DOMAIN') {
  const id = variables.optional(`${of}_ID`);
  if (id !== null) return { id };
  const name = variables.optional(`${of}_NAME`);
  return name !== null ? { name } : { id: variables.optional('OS_DEFAULT_DOMAIN') ?? 'default' };
}

const AUTH_TYPES = {
  password: { version: null, method: 'password' },
  v2password: { version: 'v2', method: 'password' },
  v3password: { version: 'v3', method: 'password' },
  v3applicationcredential: { version: 'v3', method: 'application credential' },
} as const;

/** What OS_AUTH_TYPE and OS_IDENTITY_API_VERSION say, else the address, else which secret there is; else v3. */
function authType(env: StoreEnvironment, address: string) {
  const onlySecret =
    env.get('OS_APPLICATION_CREDENTIAL_SECRET') !== undefined && env.get('OS_PASSWORD') === undefined;
  const named = env.get('OS_AUTH_TYPE') ?? (onlySecret ? 'v3applicationcredential' : 'password');
  if (!Object.hasOwn(AUTH_TYPES, named))
    throw new UsageError(
      `${env.nameOf('OS_AUTH_TYPE')} is "${named}": expected ${Object.keys(AUTH_TYPES).join(', ')}`,
    );
  const { version, method } = AUTH_TYPES[named as keyof typeof AUTH_TYPES];
  const number = env.get('OS_IDENTITY_API_VERSION');
  const [, major = ''] = /^v?([23])(\.\d+)?$/.exec(number ?? '3') ?? [];
  if (major === '')
    throw new UsageError(`${env.nameOf('OS_IDENTITY_API_VERSION')} is "${number}": expected 2 or 3`);
  const wanted = number === undefined ? null : major === '2' ? ('v2' as const) : ('v3' as const);
  if (version !== null && wanted !== null && version !== wanted)
    throw new UsageError(
      `${env.nameOf('OS_AUTH_TYPE')} is "${named}", and ${env.nameOf('OS_IDENTITY_API_VERSION')} is "${number}": unset one`,
    );
  const ofAddress = /\/v2(\.\d+)?$/.test(address) ? ('v2' as const) : ('v3' as const);
  return { version: version ?? wanted ?? ofAddress, method };
}

function rackspace(variables: Variables, env: StoreEnvironment): SwiftCredentials {
  const authUrl = variables.address('', 'RAX_AUTH_URL', RACKSPACE_AUTH_URL);
  const username = variables.required('a Rackspace login needs a user', 'RAX_USERNAME');
  const apiKey = variables.optional('RAX_API_KEY');
  const identity =
    apiKey !== null
      ? { username, apiKey }
      : {
          username,
          password: variables.required(
            'a Rackspace login needs an API key or a password',
            'RAX_API_KEY',
            'RAX_PASSWORD',
          ),
        };
  return {
    kind: 'v2',
    authUrl,
    authVariable: env.nameOf('RAX_AUTH_URL'),
    wanted: { region: env.get('RAX_REGION') ?? null, ...inCatalog(env, 'RAX_REGION') },
    storageUrl: null,
    identity,
    tenant: null,
    variables: variables.used(),
  };
}

function inCatalog(
  env: StoreEnvironment,
  regionVariable: 'OS_REGION_NAME' | 'RAX_REGION',
): Omit<WantedEndpoint, 'region'> {
  const set = env.get('OS_INTERFACE') === undefined ? 'OS_ENDPOINT_TYPE' : 'OS_INTERFACE';
  const wanted = env.get(set)?.replace(/URL$/, '') ?? 'public';
  if (wanted !== 'public' && wanted !== 'internal')
    throw new UsageError(`${env.nameOf(set)} is "${env.get(set)}": expected public or internal`);
  const variables = {
    region: env.nameOf(regionVariable),
    interface: env.nameOf(set),
    project: env.nameOf('OS_PROJECT_NAME'),
  };
  return { interface: wanted, variables };
}
