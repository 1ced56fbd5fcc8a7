/**
 * What one would write by hand: no queue, no retry, no counters. `node bare-loop.js SOURCE KEYS`; carries all keys of the
 * file to each URL that comes on stdin, and says what each time took.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

const IN_FLIGHT = 64;
const source = new URL(process.argv[2] ?? '');
const keys = readFileSync(process.argv[3] ?? '', 'utf8').split('\n');
const from = new Pool(source.origin, { connections: IN_FLIGHT });

for await (const line of createInterface(process.stdin)) {
  const target = new URL(line);
  const to = new Pool(target.origin, { connections: IN_FLIGHT });
  const [began, before] = [performance.now(), process.cpuUsage()];
  let next = 0;
  let digits = 0;
  const carry = async (): Promise<void> => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      const got = await from.request({ method: 'GET', path: `${source.pathname}/${key}` });
      const body = await got.body.bytes();
      digits += createHash('md5').update(body).digest('hex').length;
      const put = await to.request({ method: 'PUT', path: `${target.pathname}/${key}`, body });
      await put.body.dump();
      if (got.statusCode !== 200 || put.statusCode !== 201) throw new Error(`${key} was not carried`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, carry));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  await to.close();
  console.log(JSON.stringify({ tiles: digits / 32, seconds, cpuSeconds: (user + system) / 1e6 }));
}
