import { type Dispatcher, Pool } from 'undici';
import type { Carrier } from './http-client.js';

export interface UndiciOptions {
  /** Kept open at most. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** PEM: the authorities to trust instead of the system's. */
  readonly ca: string | null;
}

/** Carries any request by undici, over HTTP/1.1 and TLS. */
export function undiciCarrier(origin: string, { connections, connectTimeoutMs, ca }: UndiciOptions): Carrier {
  const pool = new Pool(origin, {
    ...{ connections, pipelining: 1 },
    connect: { timeout: connectTimeoutMs, ...(ca === null ? {} : { ca }) },
    // The exchange's own time-out ends what hangs; these would only round it to whole seconds.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    carry({ method, path, headers, body }, exchange) {
      pool.dispatch(
        {
          method: method as Dispatcher.HttpMethod,
          path,
          headers,
          body: body as Dispatcher.DispatchOptions['body'] & null,
          // undici would close the connection after every HEAD, for servers that send a body there.
          reset: false,
        },
        exchange,
      );
    },
    close: () => pool.destroy(),
  };
}
