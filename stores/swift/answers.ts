import type { HttpAnswer, StatusMeaning } from '../http-client.js';
import type { FolderPage, ListedObject } from '../store.js';

/** What a status means to Swift beyond what it means in HTTP. `body` is the beginning of the answer's body. */
export function explainSwift(answer: Pick<HttpAnswer, 'status'> & Headers, body: string): StatusMeaning {
  switch (answer.status) {
    case 413:
      // A quota that is used up is said with the status of a body that is too large.
      return /quota/i.test(body)
        ? { kind: 'permanent', code: 'disk-full', detail: 'the quota is used up' }
        : { kind: 'permanent', code: 'too-large' };
    case 422:
      return { kind: 'permanent', code: 'checksum-mismatch', detail: 'the bytes do not have their MD5' };
    // Swift's own ratelimit.
    case 498:
      return { kind: 'transient', code: 'throttled' };
    case 400:
    case 411:
    case 412:
      return answer.header('content-type')?.startsWith('text/plain') ? { detail: oneLine(body) } : {};
    default:
      return {};
  }
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ').slice(0, 200);
}

type Headers = Pick<HttpAnswer, 'header'>;

/** The MD5 of the content: the ETag, but of large objects, whose ETag is of something else. */
export function md5Of(answer: Headers): string | null {
  return isLarge(answer) || answer.header('x-object-manifest') !== null ? null : etagOf(answer);
}

/** 32 hex digits; null where there is no such ETag. */
export function etagOf(answer: Headers): string | null {
  return /^"?([0-9a-f]{32})"?$/.exec(answer.header('etag') ?? '')?.[1] ?? null;
}

/** Whether it is a large object of segments (SLO). */
export function isLarge(answer: Headers): boolean {
  return answer.header('x-static-large-object')?.toLowerCase() === 'true';
}

/** Bytes of the whole, as Content-Range tells them; null if the range does not begin at `first`. */
export function rangedSizeOf(answer: Headers, first: number): number | null {
  const found = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.header('content-range') ?? '');
  return found !== null && Number(found[1]) === first ? Number(found[2]) : null;
}

/**
 * One page of a container's listing, null if the text is none. Keys are below `prefix` (with its slash at the
 * end); the object that is called like the prefix itself has no key. The cursor is what the next page comes after,
 * null if there was nothing. Folders (`subdir`) come only where they were asked for.
 */
export function readListing(text: string, prefix: string): FolderPage | null {
  const entries = parsed(text);
  if (!Array.isArray(entries)) return null;
  const objects: ListedObject[] = [];
  const folders: string[] = [];
  let cursor: string | null = null;
  for (const { name, bytes, last_modified, subdir } of entries as readonly Record<string, unknown>[]) {
    if (typeof subdir === 'string') {
      cursor = subdir;
      folders.push(subdir.slice(prefix.length));
      continue;
    }
    if (typeof name !== 'string' || typeof bytes !== 'number') return null;
    cursor = name;
    if (name.length > prefix.length)
      objects.push({ key: name.slice(prefix.length), size: bytes, modifiedMs: modifiedOf(last_modified) });
  }
  return { objects, folders, cursor };
}

/** Swift writes UTC without saying so. */
function modifiedOf(text: unknown): number | null {
  const time = Date.parse(`${String(text)}Z`);
  return Number.isNaN(time) ? null : time;
}

/** What is not JSON is undefined. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
