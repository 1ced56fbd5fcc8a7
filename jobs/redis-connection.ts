import { hash } from 'node:crypto';
import { Redis } from 'ioredis';
import { aborted, ConvoyError, messageOf, permanent, transient, UsageError } from '../runtime/errors.js';

/**
 * The only file that knows ioredis. Each command is sent once: no offline queue, no resending after a reconnect, so
 * that whoever asked decides whether to ask again. A command that fails with `transient` may have been applied.
 *
 * - A connection is made when the first command needs it, and again when one is needed after it failed; only then is
 *   `locate` asked, so a live connection outlasts service discovery.
 * - A command without an answer within `timeoutMs` drops the connection: over a dead link nothing would ever arrive.
 * - `permanent`/`wrong-credentials`, `transient`/`out-of-memory`, `transient`/`unreachable`. Messages name host and port,
 *   never user or password; the client's own errors are not passed on, because they carry the AUTH command.
 */
export interface ConnectionOptions {
  /** Where Redis is now: `redis://[user:password@]host:port[/db]`, or rediss:// for TLS. */
  readonly locate: () => Promise<string>;
  readonly timeoutMs: number;
  /** Scripts by name, for `script`. */
  readonly scripts: ReadonlyMap<string, string>;
}

export type Argument = string | number | Buffer;
/** What the scripts of this product answer: a tree of texts and whole numbers. */
export type Reply = string | number | null | readonly Reply[];

interface Live {
  readonly redis: Redis;
  readonly address: string;
}

export class RedisConnection {
  readonly #options: ConnectionOptions;
  /** By name. */
  readonly #digests: ReadonlyMap<string, string>;
  #live: Promise<Live> | undefined;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#digests = new Map([...options.scripts].map(([name, lua]) => [name, hash('sha1', lua)]));
  }

  /**
   * By its digest, and by its text where Redis does not know it (yet, or any more). ioredis would do the same, but hangs a function on
   * each command that V8 allocates among the old: each would then be kept, with all its arguments, until the next mark-compact.
   */
  script(name: string, keys: readonly string[], args: readonly Argument[]): Promise<Reply> {
    const rest = [keys.length, ...keys, ...args];
    return this.#ask(async (redis) => {
      try {
        return (await redis.call('evalsha', this.#digests.get(name)!, ...rest)) as Reply;
      } catch (error) {
        if (!isReplyError(error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return (await redis.call('eval', this.#options.scripts.get(name)!, ...rest)) as Reply;
      }
    });
  }

  command(name: string, ...args: Argument[]): Promise<Reply> {
    return this.#ask((redis) => redis.call(name, ...args) as Promise<Reply>);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const live = await this.#live?.catch(() => undefined);
    live?.redis.disconnect();
  }

  async #ask(send: (redis: Redis) => Promise<Reply>): Promise<Reply> {
    if (this.#closed) throw aborted('the connection to Redis was closed');
    this.#live ??= this.#open();
    const live = this.#live;
    const { redis, address } = await live;
    try {
      return await send(redis);
    } catch (error) {
      const translated = translate(error, address);
      if (translated.code === 'unreachable' && this.#live === live) {
        this.#live = undefined;
        redis.disconnect();
      }
      throw translated;
    }
  }

  #open(): Promise<Live> {
    const live = this.#connect();
    const forget = (): void => {
      if (this.#live === live) this.#live = undefined;
    };
    live.then(({ redis }) => redis.once('close', forget), forget);
    return live;
  }

  async #connect(): Promise<Live> {
    const { url, address } = parse(await this.#options.locate());
    const { timeoutMs } = this.#options;
    const redis = new Redis(url, {
      lazyConnect: true,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
    });
    // What `connect` rejects with says only that the connection closed; the reason comes as an event.
    let reason: unknown;
    redis.on('error', (error: unknown) => {
      reason ??= error;
    });
    const timer = setTimeout(() => redis.disconnect(), timeoutMs);
    try {
      await redis.connect();
    } catch (error) {
      redis.disconnect();
      throw translate(reason ?? error, address);
    } finally {
      clearTimeout(timer);
    }
    return { redis, address };
  }
}

function parse(text: string): { url: string; address: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError('the address of Redis is not a URL; write it as redis://host:port');
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw new UsageError('the address of Redis begins with something else; write it as redis://host:port');
  const address = `${url.protocol}//${url.hostname}:${url.port || 6379}`;
  return { url: text, address };
}

const REFUSED = /^(NOAUTH|WRONGPASS|NOPERM)|invalid (username|password)/;
const UNABLE_NOW = /^(LOADING|BUSY|MASTERDOWN|READONLY|MISCONF|TRYAGAIN)/;

function isReplyError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function translate(error: unknown, address: string): ConvoyError {
  if (error instanceof ConvoyError) return error;
  const message = messageOf(error);
  if (!isReplyError(error)) {
    const why = message === 'Command timed out' ? 'it did not answer in time' : message;
    return transient(`Redis at ${address} is unreachable: ${why}`, { code: 'unreachable' });
  }
  if (REFUSED.test(message))
    return permanent(`Redis at ${address} refused the user name or password given`, {
      code: 'wrong-credentials',
    });
  if (message.startsWith('OOM'))
    return transient(`Redis at ${address} is out of memory: raise its maxmemory or wait for work to drain`, {
      code: 'out-of-memory',
    });
  if (UNABLE_NOW.test(message))
    return transient(`Redis at ${address} cannot serve now: ${message}`, { code: 'unavailable' });
  return permanent(`Redis at ${address} answered: ${message}`, { code: 'redis-error' });
}
