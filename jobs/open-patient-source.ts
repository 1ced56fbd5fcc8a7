import type { Meter } from '../runtime/meter.js';
import type { Shutdown } from '../runtime/shutdown.js';
import { openSource } from '../stores/open.js';
import type { Store } from '../stores/store.js';
import { insist, type Patience } from './insist.js';
import { createOutage } from './outage.js';
import { opened, preflight, SOME_KEY } from './preflight.js';
import type { PatientSource } from './read-image.js';

export interface PatientSourceNeeds extends Patience {
  readonly env: NodeJS.ProcessEnv;
  readonly shutdown: Shutdown;
  readonly meter: Meter;
}

/** A migration's source that lets us in, waited for while it is away; closed with the program. */
export async function openPatientSource(
  location: string,
  { env, shutdown, meter, ...patience }: PatientSourceNeeds,
): Promise<PatientSource & { readonly source: Store }> {
  const { clock, random, log } = patience;
  const plain = await opened('source', location, (at) => openSource(at, { log, env }));
  const source = await openSource(location, { log, env, meter, retry: { clock, random } });
  const outage = createOutage({
    ...patience,
    onChange: () => undefined,
    probes: { source: (probing) => plain.head(SOME_KEY, probing), destination: () => Promise.resolve() },
  });
  shutdown.onClose('source', async () => {
    await outage.stop();
    await Promise.all([plain.close(), source.close()]);
  });
  await insist(patience, shutdown.signal, () => preflight('source', plain, shutdown.signal));
  return { source, outage };
}
