import { NO_DIGEST } from './digest.js';
import type { Reply } from './redis-connection.js';
import { pairs, unpackDefinition, unpackRow } from './redis-rows.js';
import type * as q from './work-queue.js';
import { NO_LIMIT } from './work-queue.js';

/** What the scripts answer, as the seam wants it. */

export function claimOf(token: string, answer: readonly Reply[]): q.Claim {
  const [lane, image, row, first, end, attempt, leaseMs, definition] = answer as [
    ...[lane: q.Lane, image: number, row: string, first: number, end: number],
    ...[attempt: number, leaseMs: number, definition: string],
  ];
  return {
    token,
    migration: unpackDefinition(definition),
    lane,
    image: unpackRow(image, row),
    first,
    end,
    attempt,
    leaseMs,
    lookFirst: false,
    share: NO_LIMIT,
    check: null,
  };
}

/** What the migrations asked answered together: each is empty, paused, finished or cancelled. */
export function idleOf(answers: readonly { readonly why: string; readonly due: number | null }[]): q.Idle {
  const empty = answers.filter(({ why }) => why === 'empty');
  if (empty.length > 0) {
    const dues = empty.flatMap(({ due }) => (due === null ? [] : [due]));
    return { kind: 'idle', why: 'empty', dueInMs: dues.length === 0 ? null : Math.min(...dues) };
  }
  if (answers.length === 0) return { kind: 'idle', why: 'none', dueInMs: null };
  const paused = answers.some(({ why }) => why === 'paused');
  return { kind: 'idle', why: paused ? 'paused' : 'finished', dueInMs: null };
}

/** The answer of scripts/status.lua. */
export function statusOf(answer: Reply): q.MigrationStatus {
  const [now, finished, flat, failures, planOpen] = answer as [number, number, string[], string[], string[]];
  const meta = pairs(flat);
  const number = (name: string): number => Number(meta.get(name));
  const time = (name: string): number | null => (meta.has(name) ? number(name) : null);
  const lane = (name: q.Lane): q.StateCounts => ({
    total: number(`${name}.total`),
    ready: number(`${name}.ready`),
    claimed: number(`${name}.claimed`),
    delayed: number(`${name}.delayed`),
    done: number(`${name}.done`),
    skipped: number(`${name}.skipped`),
    failed: number(`${name}.failed`),
  });
  return {
    definition: unpackDefinition(meta.get('definition')!),
    state: meta.get('state') as q.MigrationStatus['state'],
    reason: meta.get('reason')!,
    planClosed: meta.get('planClosed') === '1',
    planOpen: [...planOpen].sort(),
    limit: NO_LIMIT,
    finished: finished === 1,
    images: {
      total: number('images'),
      published: number('published'),
      withheld: number('withheld'),
      incomplete: 0,
      refused: number('refused'),
    },
    tiles: lane('tiles'),
    descriptors: lane('descriptors'),
    bytes: number('bytes'),
    reclaimed: number('reclaimed'),
    failures: Object.fromEntries([...pairs(failures)].map(([reason, count]) => [reason, Number(count)])),
    digest: meta.get('digest') ?? NO_DIGEST,
    startedAt: time('startedAt'),
    finishedAt: time('finishedAt'),
    now,
    samples: [],
    verification: null,
  };
}
