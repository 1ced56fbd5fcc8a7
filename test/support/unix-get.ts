import { request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** An answer over a unix socket. */
export function askOver(socketPath: string, path: string, timeout = 5000): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body })).once('error', reject);
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
    asked.once('error', reject).end();
  });
}

/** Its body, whatever its status. */
export async function getOver(socketPath: string, path: string, timeout?: number): Promise<string> {
  return (await askOver(socketPath, path, timeout)).body;
}
