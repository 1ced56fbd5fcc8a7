import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Ground } from '../../../agent/ground.js';
import { until } from '../until.js';

/**
 * A real OpenStack Keystone (Identity API v3) of Debian's packages, with a user and a project in a domain that is not
 * the default one.
 */
export interface KeystoneServer {
  /** `http://127.0.0.1:PORT`, which answers 300. */
  readonly url: string;
  /** `OS_AUTH_URL`. */
  readonly authUrl: string;
  /** May do all, in the default domain; its project is `admin`. */
  readonly admin: { readonly user: string; readonly password: string };
  readonly domain: { readonly id: string; readonly name: string };
  readonly project: { readonly id: string; readonly name: string };
  readonly user: { readonly id: string; readonly name: string; readonly password: string };
  /** The user's role in the project. */
  readonly role: string;
  /** Puts an address of the object storage into the catalog; `%(project_id)s` stands for the project. */
  offer(interfaceName: 'public' | 'internal', region: string, url: string): Promise<void>;
  /** A new application credential of the user. */
  applicationCredential(
    name: string,
  ): Promise<{ readonly id: string; readonly name: string; readonly secret: string }>;
  /** The token is refused from now on, as if it had expired; by a Swift that asked before, once it forgets that. */
  revoke(token: string): Promise<void>;
}

const ADMIN = { user: 'admin', password: 'admins-word' };
const ROLE = 'member';

/** Starts it on a free port of 127.0.0.1 and resolves when all of the above is there. */
export async function startKeystone(ground: Ground): Promise<KeystoneServer> {
  const folder = join(ground.dir, 'keystone');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  mkdirSync(join(folder, 'fernet'), { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'keystone.conf'), configuration(folder));
  const child = ground.spawn('keystone', '/usr/bin/python3', [
    join(import.meta.dirname, 'keystone-server.py'),
    ...[folder, String(port), ADMIN.password],
  ]);
  await until(
    `Keystone answers on port ${port}`,
    async () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        const log = readFileSync(join(ground.dir, 'keystone.log'), 'utf8');
        throw new Error(`Keystone ended while starting: ${log.slice(-2000)}`);
      }
      const answer = await fetch(`${url}/v3`, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
      return answer?.ok;
    },
    60_000,
  );

  const byDefault = { domain: { id: 'default' } };
  const adminToken = await tokenFor(
    { name: ADMIN.user, password: ADMIN.password, ...byDefault },
    { name: 'admin', ...byDefault },
  );

  async function tokenFor(user: object, project: object): Promise<string> {
    const identity = { methods: ['password'], password: { user } };
    const answer = await ask(null, 'POST', '/auth/tokens', { auth: { identity, scope: { project } } });
    return answer.headers.get('x-subject-token') ?? '';
  }

  async function ask(token: string | null, method: string, path: string, body?: unknown): Promise<Response> {
    const headers = {
      'content-type': 'application/json',
      ...(token === null ? {} : { 'x-auth-token': token }),
    };
    const answer = await fetch(`${url}/v3${path}`, { method, headers, body: JSON.stringify(body) ?? null });
    if (!answer.ok) throw new Error(`Keystone: ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  async function make<T>(kind: string, fields: object, token = adminToken, base = ''): Promise<T> {
    const answer = await ask(token, 'POST', `${base}/${kind}s`, { [kind]: fields });
    return ((await answer.json()) as Record<string, T>)[kind] as T;
  }

  type Made = { readonly id: string; readonly name: string };
  const domain = await make<Made>('domain', { name: 'Tiles and more' });
  const project = await make<Made>('project', { name: 'tiles', domain_id: domain.id });
  const password = 'movers-word';
  const user = await make<Made>('user', { name: 'mover', domain_id: domain.id, password });
  const service = await make<Made>('service', { type: 'object-store', name: 'swift' });
  const roles = (await (await ask(adminToken, 'GET', `/roles?name=${ROLE}`)).json()) as {
    roles: readonly Made[];
  };
  await ask(adminToken, 'PUT', `/projects/${project.id}/users/${user.id}/roles/${roles.roles[0]?.id}`);

  return {
    url,
    authUrl: `${url}/v3`,
    admin: ADMIN,
    domain,
    project,
    user: { ...user, password },
    role: ROLE,
    async offer(interfaceName, region, address) {
      await ask(adminToken, 'PUT', `/regions/${region}`, { region: {} }).catch(() => undefined);
      const endpoint = { service_id: service.id, interface: interfaceName, region, url: address };
      await make('endpoint', endpoint);
    },
    async applicationCredential(name) {
      const token = await tokenFor({ id: user.id, password }, { id: project.id });
      return make('application_credential', { name }, token, `/users/${user.id}`);
    },
    async revoke(token) {
      const headers = { 'x-auth-token': adminToken, 'x-subject-token': token };
      const answer = await fetch(`${url}/v3/auth/tokens`, { method: 'DELETE', headers });
      if (!answer.ok) throw new Error(`Keystone: a token is not revoked: ${answer.status}`);
    },
  };
}

function configuration(folder: string): string {
  return `[DEFAULT]
use_stderr = true
default_log_levels = keystone=ERROR
[database]
connection = sqlite:///${join(folder, 'keystone.db')}
[token]
provider = fernet
[fernet_tokens]
key_repository = ${join(folder, 'fernet')}
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
`;
}
