import { createHash } from 'node:crypto';
import { parsed } from './answers.js';
import { objectPath } from './names.js';

/** A part of a large object that is stored. */
export interface Segment {
  /** In the segments' container. */
  readonly name: string;
  readonly md5: string;
  /** Bytes. */
  readonly size: number;
}

/** A segment of a large object as its manifest tells of it. */
export interface HeldSegment {
  /** Below the account's URL, encoded: `/container/name`. */
  readonly path: string;
  /** It is a large object of its own. */
  readonly isLarge: boolean;
}

const NAME_BYTES = 1024;

/**
 * The name of a segment: below the object's own, as Swift's own client does it, so that people see what it belongs
 * to; below the MD5 of a name that is too long for that. `attempt` is a new one for each writing, so that an object
 * that is there is never written into. `index` counts from 0.
 */
export function segmentName(name: string, attempt: string, size: number, index: number): string {
  const rest = `/slo/${attempt}/${size}/${String(index).padStart(8, '0')}`;
  return Buffer.byteLength(name) + rest.length <= NAME_BYTES
    ? name + rest
    : createHash('md5').update(name).digest('hex') + rest;
}

/** The body of a PUT with `?multipart-manifest=put`: Swift checks ETag and size of each segment. */
export function manifestOf(container: string, segments: readonly Segment[]): string {
  return JSON.stringify(
    segments.map(({ name, md5, size }) => ({ path: `/${container}/${name}`, etag: md5, size_bytes: size })),
  );
}

/** The ETag of a large object: the MD5 of its segments' ETags, as hex digits one after the other. */
export function manifestEtag(segments: readonly Segment[]): string {
  const hash = createHash('md5');
  for (const { md5 } of segments) hash.update(md5);
  return hash.digest('hex');
}

/** What a GET with `?multipart-manifest=get` answers; null if it is no manifest. Data within it is no segment. */
export function readManifest(text: string): readonly HeldSegment[] | null {
  const entries = parsed(text);
  if (!Array.isArray(entries)) return null;
  const held: HeldSegment[] = [];
  for (const { name, sub_slo } of entries as readonly Record<string, unknown>[]) {
    if (typeof name !== 'string') continue;
    const [container = '', ...rest] = name.replace(/^\//, '').split('/');
    held.push({ path: objectPath(container, rest.join('/')), isLarge: sub_slo === true });
  }
  return held;
}

/**
 * The answer to a DELETE with `?multipart-manifest=delete`, whose status is 200 whatever happened: null if all is
 * gone, else what was not removed, for messages.
 */
export function whatIsLeft(text: string): string | null {
  const answer = parsed(text) as Record<string, unknown> | null | undefined;
  const errors = answer?.Errors;
  const status = String(answer?.['Response Status'] ?? 'no answer');
  if (Array.isArray(errors) && errors.length === 0 && status.startsWith('200')) return null;
  const first = Array.isArray(errors) && Array.isArray(errors[0]) ? `, ${errors[0].join(': ')}` : '';
  return `${status}${first}`.slice(0, 300);
}
