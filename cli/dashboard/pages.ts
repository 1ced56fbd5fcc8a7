import { assertNever } from '../../runtime/errors.js';
import { failurePage } from './failure-page.js';
import { failuresPage } from './failures-page.js';
import { fleetPage } from './fleet-page.js';
import { imagePage } from './image-page.js';
import { machinePage } from './machine-page.js';
import { migrationPage } from './migration-page.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';
import { unitPage } from './unit-page.js';
import { workerPage } from './worker-page.js';

/** What is to be seen now: the detail opened last, else the page itself. */
export function pageOf(snapshot: Snapshot, state: State): Page {
  const detail = state.details.at(-1);
  if (detail === undefined)
    return state.page === 'fleet' ? fleetPage(snapshot, state) : migrationPage(snapshot, state);
  switch (detail.kind) {
    case 'worker':
      return workerPage(snapshot, state, detail);
    case 'unit':
      return unitPage(snapshot, state, detail);
    case 'machine':
      return machinePage(snapshot, state, detail);
    case 'image':
      return imagePage(snapshot, state, detail);
    case 'failures':
      return failuresPage(snapshot, state, detail);
    case 'failure':
      return failurePage(snapshot, state, detail);
    default:
      return assertNever(detail);
  }
}
