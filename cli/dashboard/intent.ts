import type { FailureFilter } from '../../jobs/work-queue.js';

/** What the dashboard is asked to do to the world. */
export type Intent =
  | { readonly kind: 'pause' | 'resume'; readonly migration: string }
  /** Every failure that matches one of the filters. */
  | { readonly kind: 'retry'; readonly migration: string; readonly filters: readonly FailureFilter[] }
  | { readonly kind: 'start' | 'stop'; readonly unit: string }
  /** One importer more than are wanted when it is done. */
  | { readonly kind: 'scale'; readonly by: 1 }
  /** One fewer: this one, which has to be the last of those wanted still. */
  | { readonly kind: 'scale'; readonly by: -1; readonly unit: string }
  | { readonly kind: 'drain' | 'uncordon'; readonly machine: string };
