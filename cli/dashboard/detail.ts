import type { FailureFilter, FailureRecord } from '../../jobs/work-queue.js';

/** What can be opened: one thing seen from near, in place of a page. */
export type Detail =
  | { readonly kind: 'worker'; readonly worker: string }
  /** `machine`: the one whose state and log are shown; null: whichever has it. */
  | { readonly kind: 'unit'; readonly unit: string; readonly machine: string | null }
  | { readonly kind: 'machine'; readonly machine: string }
  | { readonly kind: 'image'; readonly migration: string; readonly image: string }
  | { readonly kind: 'failures'; readonly migration: string; readonly filter: FailureFilter }
  | {
      readonly kind: 'failure';
      readonly migration: string;
      readonly failure: Pick<FailureRecord, 'lane' | 'image' | 'first' | 'count'>;
    };
