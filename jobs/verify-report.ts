import { duration } from './quantities.js';
import type { VerificationStatus, VerifyOptions } from './work-queue.js';

/** What the checks of a round found wrong, or could not tell. */
export interface Findings {
  /** Reason -> checks that failed with it. */
  readonly reasons: ReadonlyMap<string, number>;
  /** The first of them. */
  readonly first: readonly { readonly key: string; readonly reason: string }[];
}

/** Whether nothing was missing or different, as far as it was looked. */
export function isClean({ finished, checks, images }: VerificationStatus): boolean {
  return finished && checks.failed === 0 && images.restarted === 0;
}

/** What zh-verify prints at the end of a round. */
export function reportLines(
  migration: string,
  verification: VerificationStatus,
  findings: Findings,
): string[] {
  const { options, round, checks, images, startedAt, finishedAt } = verification;
  const took = finishedAt === null ? '' : `, in ${duration(finishedAt - startedAt)}`;
  const wrong = [...findings.reasons].map(([reason, count]) => `${reason} ${count}`);
  const left = checks.failed - findings.first.length;
  return [
    `${migration}, round ${round} of verification: ${manner(options)}${took}`,
    `Checks: ${checks.done} of ${checks.total} done, ${checks.skipped} skipped, ${checks.failed} failed`,
    `Images: ${images.matched} matched, ${images.restarted} restarted, ${images.unproven} unproven`,
    ...(wrong.length === 0 ? [] : [`Failures: ${wrong.join(', ')}`]),
    ...findings.first.map(({ key, reason }) => `  ${key}: ${reason}`),
    ...(findings.first.length > 0 && left > 0 ? [`  and ${left} more`] : []),
    verdict(migration, verification),
  ];
}

/** Every tile or a part of them, and how. */
export function manner({ sample, read, unpublish }: VerifyOptions): string {
  const which = sample === 1 ? 'every tile' : `${percent(sample)} of the tiles, compared with the source`;
  const how = read ? 'read whole' : 'by what the stores tell';
  return `${which}, ${how}${unpublish ? ', what is wrong is unpublished' : ''}`;
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(6))}%`;
}

function verdict(migration: string, verification: VerificationStatus): string {
  const { checks, images, options } = verification;
  if (images.restarted > 0)
    return `Not verified: what is wrong is being copied again by the workers of ${migration}; then verify it again.`;
  if (checks.failed > 0)
    return `Not verified: some objects could not be looked at (convoyctl migration failures ${migration} --lane checks); verify it again.`;
  if (images.unproven === 0) return 'Verified: the destination holds what was stored.';
  const proof = options.sample === 1 && !options.read ? '; zh-verify --read proves them' : '';
  const unproven = images.unproven === 1 ? '1 image' : `${images.unproven} images`;
  return `Nothing is missing or different. The bytes of ${unproven} are not proven${proof}.`;
}
