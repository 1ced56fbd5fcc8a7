import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import * as v from 'valibot';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { messageOf, transient, UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';

export interface DiscoveryOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Asks where Redis is: `redis://[:password@]host:port`, which is never to be logged. */
export type Locate = (signal: AbortSignal) => Promise<string>;

/**
 * Finds Redis: `REDIS_URL` if set, else what this machine's convoyd (`CONVOY_API`) knows as service `redis`. Waits,
 * and says so, while there is none; asked again only when a connection failed. The password comes from
 * `REDIS_PASSWORD` or the credential file `redis-password`.
 *
 * Throws a `UsageError` if neither variable is set, or CONVOY_API is no address.
 */
export function redisLocator(options: DiscoveryOptions): Locate {
  const { env, clock, log } = options;
  const find = finderOf(env);
  return async (signal) => {
    let told = '';
    for (let attempt = 1; ; attempt++) {
      const found = await find().catch((error: unknown) => ({ trouble: messageOf(error) }));
      if ('url' in found) {
        if (found.api !== null) log.info({ redis: found.address, api: found.api }, 'found Redis');
        return found.url;
      }
      if (found.trouble !== told) log.warn({ api: env.CONVOY_API }, `waiting for Redis: ${found.trouble}`);
      told = found.trouble;
      await clock.sleep(backoffMs(attempt, BACKOFF, options.random()), signal);
    }
  };
}

/** The same, but does not wait: rejects with why there is none now. */
export function redisFinder(env: NodeJS.ProcessEnv): () => Promise<string> {
  const find = finderOf(env);
  return async () => (await find()).url;
}

interface Found {
  /** With the password: not to be logged. */
  readonly url: string;
  readonly address: string;
  /** Which convoyd knew it; null: nobody had to be asked. */
  readonly api: string | null;
}

function finderOf(env: NodeJS.ProcessEnv): () => Promise<Found> {
  const { REDIS_URL: fixed, CONVOY_API: api } = env;
  if (fixed) return () => Promise.resolve({ url: fixed, address: '', api: null });
  if (!api)
    throw new UsageError('no way to find Redis: set REDIS_URL, or CONVOY_API to the address of a convoyd');
  const ask = askerOf(api);
  return async () => {
    const address = await findService(ask);
    return { url: withPassword(address, passwordOf(env)), address, api };
  };
}

const BACKOFF: BackoffPolicy = { firstMs: 250, factor: 2, maxMs: 2_000 };
const TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

const Answer = v.object({
  services: v.array(
    v.object({ host: v.string(), port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)) }),
  ),
});

type Ask = (path: string) => Promise<string>;

async function findService(ask: Ask): Promise<string> {
  const { services } = v.parse(Answer, JSON.parse(await ask('/v1/services/redis')));
  const first = services[0];
  if (first === undefined) throw transient('no unit announces the service redis yet');
  return `redis://${first.host.includes(':') ? `[${first.host}]` : first.host}:${first.port}`;
}

function passwordOf(env: NodeJS.ProcessEnv): string {
  if (env.REDIS_PASSWORD) return env.REDIS_PASSWORD;
  if (!env.CREDENTIALS_DIRECTORY) return '';
  try {
    return readFileSync(join(env.CREDENTIALS_DIRECTORY, 'redis-password'), 'utf8').trim();
  } catch {
    return '';
  }
}

function withPassword(url: string, password: string): string {
  return password === '' ? url : url.replace('redis://', `redis://:${encodeURIComponent(password)}@`);
}

/** `unix:///path` or `http://host:port`, as convoyd gives it to its units. */
function askerOf(api: string): Ask {
  const target = targetOf(api);
  return (path) =>
    new Promise((resolve, reject) => {
      const call = request(
        { ...target, path, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            body += chunk;
            if (body.length > MAX_ANSWER_BYTES) call.destroy(transient('convoyd sent too long an answer'));
          });
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode === 200) resolve(body);
            else reject(transient(`convoyd answered HTTP ${response.statusCode}`));
          });
        },
      );
      call.on('error', (cause) => reject(transient(`convoyd at ${api} does not answer`, { cause })));
      call.end();
    });
}

function targetOf(api: string): { socketPath: string } | { host: string; port: number } {
  if (api.startsWith('unix:///')) return { socketPath: api.slice('unix://'.length) };
  const url = URL.canParse(api) ? new URL(api) : undefined;
  if (url?.protocol !== 'http:')
    throw new UsageError(`CONVOY_API: expected unix:///PATH or http://HOST:PORT, got "${api}"`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}
