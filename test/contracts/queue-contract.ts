import { queueAttempts } from './queue-attempts-contract.js';
import type { OpenQueue } from './queue-cases.js';
import { queueCheckpoints } from './queue-checkpoints-contract.js';
import { queueChecks } from './queue-checks-contract.js';
import { queueClaims } from './queue-claims-contract.js';
import { queueDescriptors } from './queue-descriptors-contract.js';
import { queueFailures } from './queue-failures-contract.js';
import { queueOperator } from './queue-operator-contract.js';
import { queuePlan } from './queue-plan-contract.js';
import { queueRestarts } from './queue-restarts-contract.js';
import { queueShares } from './queue-shares-contract.js';

/** The promises of jobs/work-queue.ts, held by every form of it. */
export function queueContract(open: OpenQueue): void {
  queuePlan(open);
  queueClaims(open);
  queueCheckpoints(open);
  queueDescriptors(open);
  queueFailures(open);
  queueAttempts(open);
  queueChecks(open);
  queueRestarts(open);
  queueShares(open);
  queueOperator(open);
}
