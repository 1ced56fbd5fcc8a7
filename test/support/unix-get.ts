import { request } from 'node:http';

/** The body of an answer over a unix socket, whatever its status. */
export function getOver(socketPath: string, path: string, timeout = 5000): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => resolve(text)).once('error', reject);
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
    asked.once('error', reject).end();
  });
}
