import { clean } from './cells.js';
import type { Intent } from './intent.js';

/** What is said while it is under way. */
export function intentWords(intent: Intent): string {
  switch (intent.kind) {
    case 'pause':
      return clean(`pausing ${intent.migration} ...`);
    case 'resume':
      return clean(`resuming ${intent.migration} ...`);
    case 'retry':
      return clean(`putting failures of ${intent.migration} back to work ...`);
    case 'start':
      return clean(`starting ${intent.unit} ...`);
    case 'stop':
      return clean(`stopping ${intent.unit} ...`);
    case 'scale':
      return `scaling the importers ...`;
    case 'drain':
      return clean(`draining machine ${intent.machine} ...`);
    case 'uncordon':
      return clean(`letting machine ${intent.machine} take units again ...`);
  }
}
