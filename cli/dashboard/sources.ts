import type { OperatorQueue } from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import { permanent } from '../../runtime/errors.js';
import type { ApiClient } from '../client.js';
import { createCargoLook } from './cargo-look.js';
import { createEyes, type Eyes } from './eyes.js';
import { createFleetLook, type FleetLook } from './fleet-look.js';
import { createKnownImages } from './known-images.js';
import { createOpenedLook, NO_CONVOYD } from './opened-look.js';

/** Where the two halves come from. Nobody here closes them. */
export interface Sources {
  readonly queue: OperatorQueue;
  /** null: no convoyd is known. */
  readonly api: ApiClient | null;
  readonly clock: Clock;
}

/** Runs `use` with eyes on both halves, closed when it is done. */
export async function withEyes<T>(sources: Sources, use: (eyes: Eyes) => Promise<T>): Promise<T> {
  const { queue, api, clock } = sources;
  const images = createKnownImages(queue);
  const fleet = api === null ? NO_FLEET : createFleetLook({ api, clock });
  const eyes = createEyes({
    cargo: createCargoLook({ queue, images }),
    fleet,
    opened: createOpenedLook({ queue, images, api }),
    clock,
  });
  try {
    return await use(eyes);
  } finally {
    eyes.close();
    await fleet.close();
  }
}

const NO_FLEET: FleetLook = {
  look: () => Promise.reject(permanent(NO_CONVOYD)),
  close: () => Promise.resolve(),
};
