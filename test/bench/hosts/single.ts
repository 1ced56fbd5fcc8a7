import { performance } from 'node:perf_hooks';
import { type ApiClient, openClient } from '../../../cli/client.js';
import type { Host } from '../../support/hosts.js';
import { ctl, timed } from './steps.js';

const TEXT = [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep infinity' }];

/** One new unit after the other by `convoyctl start`: how long until it has ended, in ms each. */
export async function byProgram(host: Host, names: readonly string[]): Promise<number[]> {
  const took: number[] = [];
  for (const name of names) took.push(1000 * (await timed(() => ctl(host, 'start', name))));
  return took;
}

/** The same through the API: from the submit until the event that says it runs, in ms each. */
export async function byApi(host: Host, names: readonly string[]): Promise<number[]> {
  const api = openClient(host.endpoint);
  const stop = new AbortController();
  const running = new Set<string>();
  let heard = (): void => undefined;
  const listening = (async () => {
    for await (const { events } of api.events({ kinds: ['state'] }, stop.signal)) {
      for (const event of events)
        if (event.kind === 'state' && event.value?.active === 'active') running.add(event.unit);
      heard();
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  try {
    const took: number[] = [];
    for (const name of names) {
      const start = performance.now();
      await submit(api, name);
      while (!running.has(name))
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      took.push(performance.now() - start);
    }
    return took;
  } finally {
    stop.abort();
    await listening;
    api.close();
  }
}

async function submit(api: ApiClient, name: string): Promise<void> {
  await api.submitUnits([{ name, options: TEXT, target: 'launched', expected: 0 }], false);
}
