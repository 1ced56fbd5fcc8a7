import { NO_DIGEST } from './digest.js';
import type { Sample } from './progress.js';
import type { Reply } from './redis-connection.js';
import { idOfRow, pairs, unpackDefinition, unpackRow } from './redis-rows.js';
import type * as q from './work-queue.js';

/** What the scripts answer, as the seam wants it. */

export function claimOf(token: string, answer: readonly Reply[]): q.Claim {
  const [lane, image, row, first, end, attempt, leaseMs, definition, requests, bytes, look, ...check] =
    answer as [
      ...[
        lane: q.Lane,
        image: number,
        row: string,
        first: number,
        end: number,
        attempt: number,
        leaseMs: number,
      ],
      ...[definition: string, requests: string, bytes: string, look: number, ...check: Reply[]],
    ];
  const known = unpackRow(image, row);
  return {
    token,
    migration: unpackDefinition(definition),
    lane,
    image: known,
    first,
    end,
    attempt,
    leaseMs,
    lookFirst: look === 1,
    share: limitOf(requests, bytes),
    check: lane === 'checks' ? checkOf(check, first, end, known.tiles) : null,
  };
}

function checkOf(answer: readonly Reply[], first: number, end: number, tiles: number): q.CheckedImage {
  const [round, options, settled, published, failed, differs] = answer as [
    ...[
      round: number,
      options: string,
      settled: number,
      published: number,
      failed: number[],
      differs: number,
    ],
  ];
  const indices: Run[] = [];
  for (let at = 0; at + 1 < failed.length; at += 2)
    indices.push({ first: failed[at]!, end: failed[at]! + failed[at + 1]! });
  return {
    options: JSON.parse(options) as q.VerifyOptions,
    round,
    settled: settled === 1,
    published: published === 1,
    failed: joined(indices, first, end),
    differs: differs === 1 && end > tiles,
  };
}

interface Run {
  readonly first: number;
  readonly end: number;
}

/** The runs cut to `[first, end)`, in order, neighbours together. */
function joined(runs: readonly Run[], first: number, end: number): { first: number; count: number }[] {
  const parts: { first: number; count: number }[] = [];
  for (const run of runs.toSorted((a, b) => a.first - b.first)) {
    const from = Math.max(run.first, first);
    const count = Math.min(run.end, end) - from;
    const last = parts.at(-1);
    if (count <= 0) continue;
    if (last !== undefined && last.first + last.count === from) last.count += count;
    else parts.push({ first: from, count });
  }
  return parts;
}

/** As the scripts tell it: two numbers as text, '' = none. */
export function limitOf(requests: string, bytes: string): q.Limit {
  const cap = (text: string): number | null => (text === '' ? null : Number(text));
  return { requestsPerSecond: cap(requests), bytesPerSecond: cap(bytes) };
}

/** The answer of scripts/show-images.lua. */
export function imagesOf(answer: Reply): q.ImageStatus[] {
  const flat = answer as (string | number)[];
  const statuses: q.ImageStatus[] = [];
  for (let at = 0; at < flat.length; at += FIELDS_PER_IMAGE) {
    const [number, row, open, bad, bytes, digest, released] = flat.slice(at, at + FIELDS_PER_IMAGE) as [
      ...[
        number: number,
        row: string,
        open: string,
        bad: string,
        bytes: string,
        digest: string,
        released: number,
      ],
    ];
    const image = unpackRow(number, row);
    const failed = Number(bad);
    const withheld = failed > 0 && open === bad;
    statuses.push({
      ...{ image, stored: image.tiles - Number(open), failed, bytes: Number(bytes), digest },
      descriptor: released === 1 ? 'released' : withheld ? 'withheld' : 'waiting',
    });
  }
  return statuses;
}
const FIELDS_PER_IMAGE = 7;

/** The answer of scripts/newest-failures.lua. */
export function attemptsOf(answer: Reply): q.FailedAttempt[] {
  const flat = answer as string[];
  const attempts: q.FailedAttempt[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [at, final, lane, image, first, count, reason, status, attempt, worker] = JSON.parse(
      flat[index]!,
    ) as [
      ...[at: number, final: boolean, lane: q.FailedAttempt['lane'], image: number | string],
      ...[first: number, count: number, reason: string, status: number, attempt: number, worker: string],
    ];
    attempts.push({
      ...{ at, final, lane, image: typeof image === 'string' ? image : idOfRow(flat[index + 1]!) },
      ...{ first, count, reason, status, attempt, worker },
    });
  }
  return attempts;
}

/** A worker of an older version tells no latency. */
export function reportOf(text: string): q.WorkerReport {
  type Told = Omit<q.WorkerReport, 'latency'> & Partial<Pick<q.WorkerReport, 'latency'>>;
  return { latency: [], ...(JSON.parse(text) as Told) };
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
  const [now, finished, checked, flat, failures, planOpen, samples] = answer as [
    ...[now: number, finished: number, checked: number, flat: string[], failures: string[]],
    ...[planOpen: string[], samples: string[]],
  ];
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
  const [tiles, descriptors, bytes] = [lane('tiles'), lane('descriptors'), number('bytes')];
  return {
    definition: unpackDefinition(meta.get('definition')!),
    state: meta.get('state') as q.MigrationStatus['state'],
    reason: meta.get('reason')!,
    planClosed: meta.get('planClosed') === '1',
    planOpen: [...planOpen].sort(),
    limit: limitOf(meta.get('limit.requests')!, meta.get('limit.bytes')!),
    finished: finished === 1,
    images: {
      total: number('images'),
      published: descriptors.done + descriptors.skipped,
      withheld: number('withheld'),
      incomplete: number('incomplete'),
      refused: number('refused'),
    },
    tiles,
    descriptors,
    bytes,
    reclaimed: number('reclaimed'),
    failures: Object.fromEntries([...pairs(failures)].map(([reason, count]) => [reason, Number(count)])),
    digest: meta.get('digest') ?? NO_DIGEST,
    startedAt: time('startedAt'),
    finishedAt: time('finishedAt'),
    now,
    samples: [
      ...samples.map(sampleOf),
      { at: now, settled: tiles.done + tiles.skipped + tiles.failed, bytes },
    ],
    verification:
      number('checks.round') === 0
        ? null
        : {
            options: JSON.parse(meta.get('checks.options')!) as q.VerifyOptions,
            round: number('checks.round'),
            checks: lane('checks'),
            images: {
              matched: number('checks.matched'),
              restarted: number('checks.restarted'),
              unproven: number('checks.unproven'),
            },
            finished: checked === 1,
            startedAt: number('checks.startedAt'),
            finishedAt: time('checks.finishedAt'),
          },
  };
}

function sampleOf(text: string): Sample {
  const [at, settled, bytes] = text.split(':').map(Number) as [number, number, number];
  return { at, settled, bytes };
}
