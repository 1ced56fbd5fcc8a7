import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { UsageError } from '../../runtime/errors.js';
import type { PkgcloudProvider } from '../location.js';

/**
 * pkgcloud 2.2.0, by the slice we use. Of its own methods only the login and the request are: `download` gives an
 * error page as data, `upload` asks the store once more after each object and loses errors on the way, Azure's
 * `getFile` reads the whole object and its `getFiles` knows one page only.
 */

/** What `request` (npm) is given: pkgcloud's hooks may change it. */
export interface RequestOptions extends Record<string, unknown> {
  readonly headers: Record<string, string>;
}

export interface AskOptions {
  readonly method: string;
  readonly uri: string;
  readonly path?: string;
  readonly qs?: Readonly<Record<string, string>>;
  readonly headers: Record<string, string>;
  readonly body?: Buffer;
}

/** A request under way: what is written to it is sent, what is read from it has come. Tells of its `response`. */
export type Asked = Duplex & { abort(): void };

export interface RequestClient {
  readonly before: ((options: RequestOptions) => void)[];
  _request(options: AskOptions): Asked;
}

export interface OpenstackClient extends RequestClient {
  auth(callback: (error?: unknown) => void): void;
  /** Whether there is a token that its own clock takes for good. */
  _isAuthorized(): boolean;
  readonly _serviceUrl: string | null;
  readonly _identity: { readonly token?: { readonly id: string } };
}

/** aws-sdk 2, which pkgcloud's client for Amazon is made of. */
export interface AmazonClient {
  readonly s3: {
    readonly config: { update(options: Readonly<Record<string, unknown>>): void };
    makeRequest(operation: string, parameters: Readonly<Record<string, string>>): AwsRequest;
  };
}

export interface AwsRequest {
  readonly httpRequest: {
    readonly endpoint: { protocol: string; host: string; hostname: string; port: number };
    method: string;
    path: string;
    headers: Record<string, string>;
    body: Buffer | string;
  };
  on(event: 'build', listener: () => void): this;
  on(
    event: 'httpHeaders',
    listener: (
      status: number,
      headers: Record<string, string>,
      response: { readonly httpResponse: { createUnbufferedStream(): IncomingMessage } },
    ) => void,
  ): this;
  on(event: 'httpError', listener: (error: unknown) => void): this;
  send(callback: (error: unknown) => void): void;
  abort(): void;
}

interface Clients {
  readonly rackspace: OpenstackClient;
  readonly openstack: OpenstackClient;
  readonly amazon: AmazonClient;
  readonly azure: RequestClient;
}

/** Throws a `UsageError` where the package is not installed. */
export async function loadPkgcloud<P extends PkgcloudProvider>(
  provider: P,
): Promise<(options: Readonly<Record<string, unknown>>) => Clients[P]> {
  // aws-sdk 2 says on stderr that it has reached its end; whoever chose pkgcloud knows.
  process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
  const { storage } = await importPkgcloud(provider);
  return (options) => storage.createClient({ ...options, provider }) as Clients[P];
}

interface Pkgcloud {
  readonly storage: { createClient(options: Readonly<Record<string, unknown>>): unknown };
}

async function importPkgcloud(provider: string): Promise<Pkgcloud> {
  try {
    // @ts-expect-error: it has no types.
    const loaded = (await import('pkgcloud')) as { readonly default: Pkgcloud };
    return loaded.default;
  } catch (cause) {
    // In what is built `import` is `require`, whose code has no ERR_.
    if (!/^(ERR_)?MODULE_NOT_FOUND$/.test(String((cause as NodeJS.ErrnoException).code))) throw cause;
    throw new UsageError(
      `pkgcloud+${provider}:// needs the package pkgcloud, which is not installed: npm install pkgcloud@2.2.0`,
      { cause },
    );
  }
}
