import { type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** ms without a sign of life. */
  readonly timeout?: number;
}

/** An answer over a unix socket. */
export function askOver(
  socketPath: string,
  path: string,
  { method = 'GET', headers = {}, body: sent, timeout = 5000 }: Asking = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, headers, timeout, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response
        .once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
        .once('error', reject);
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
    asked.once('error', reject).end(sent);
  });
}

/** Its body, whatever its status. */
export async function getOver(socketPath: string, path: string, timeout?: number): Promise<string> {
  return (await askOver(socketPath, path, timeout === undefined ? {} : { timeout })).body;
}
