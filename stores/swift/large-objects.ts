import { kindOf, permanent, transient } from '../../runtime/errors.js';
import type { ObjectInfo, WriteProperties } from '../store.js';
import type { SwiftAccount } from './account.js';
import { isLarge } from './answers.js';
import { type HeldSegment, readManifest, whatIsLeft } from './manifest.js';
import { infoOf } from './put.js';

const MANIFEST_BYTES = 16 * 1024 ** 2;
const DELETES_AT_ONCE = 8;
/** Swift removes the segments of a large object one or two at a time, before it answers. */
const REMOVE_TIMEOUT_MS = 10 * 60_000;

/** What is under a name, the newest that any replica has; null if nothing is. */
export interface HeldObject {
  readonly info: ObjectInfo;
  /** It has segments, which are to go with it. */
  readonly isLarge: boolean;
  /** It has a date to be deleted at. */
  readonly expires: boolean;
}

/** `path` is below the account. */
export async function objectUnder(
  account: SwiftAccount,
  path: string,
  signal: AbortSignal | undefined,
): Promise<HeldObject | null> {
  const what = `HEAD swift:/${path}`;
  const headers = { 'x-newest': 'true' };
  return account.send({ method: 'HEAD', path, what, headers, accept: [200, 404], signal }, (answer) => {
    answer.discard();
    if (answer.status === 404) return null;
    const info = infoOf(answer, answer.length ?? 0);
    return { info, isLarge: isLarge(answer), expires: answer.header('x-delete-at') !== null };
  });
}

/** Whether these very bytes are there with these very properties, and to stay. */
export function isHeld(
  { info, expires }: HeldObject,
  { md5, contentType, headers, metadata }: WriteProperties,
  size: number,
): boolean {
  return (
    !expires &&
    info.md5 === md5 &&
    info.size === size &&
    (contentType === null || info.contentType === contentType) &&
    isSame(info.headers, headers) &&
    isSame(info.metadata, metadata)
  );
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** The segments of a large object, to be removed when something else is under its name. */
export async function segmentsOf(
  account: SwiftAccount,
  path: string,
  signal: AbortSignal | undefined,
): Promise<readonly HeldSegment[]> {
  const request = {
    ...{ method: 'GET', path: `${path}?multipart-manifest=get`, headers: { 'x-newest': 'true' } },
    ...{ what: `GET swift:/${path}, its manifest`, accept: [200, 404], signal },
  };
  return account.send(request, async (answer) => {
    if (answer.status === 404 || !isLarge(answer)) {
      answer.discard();
      return [];
    }
    const segments = readManifest(Buffer.from(await answer.bytes(MANIFEST_BYTES)).toString());
    if (segments === null) throw permanent(`${request.what}: it is none`, { code: 'rejected' });
    return segments;
  });
}

/** Removes segments of what was replaced; one that is gone already is done. */
export type RemoveSegments = (
  segments: readonly HeldSegment[],
  signal: AbortSignal | undefined,
) => Promise<void>;

/** What could not be removed for a passing reason is removed with the next: nobody else knows of it any more. */
export function segmentRemover(account: SwiftAccount): RemoveSegments {
  let owed: HeldSegment[] = [];

  return async (segments, signal) => {
    const left = [...owed, ...segments];
    owed = [];
    const errors: unknown[] = [];
    const remover = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        try {
          await (next.isLarge ? removeLarge : removeSmall)(account, next.path, signal);
        } catch (error) {
          errors.push(error);
          if (kindOf(error) !== 'permanent') owed.push(next);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, left.length) }, remover));
    if (errors.length > 0) throw errors[0];
  };
}

/** An object without segments. */
export async function removeSmall(
  account: SwiftAccount,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const what = `DELETE swift:/${path}`;
  await account.send({ method: 'DELETE', path, what, accept: [200, 204, 404], signal }, (answer) =>
    answer.discard(),
  );
}

/** A large object with all its segments. */
export async function removeLarge(
  account: SwiftAccount,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = {
    ...{
      method: 'DELETE',
      path: `${path}?multipart-manifest=delete`,
      headers: { accept: 'application/json' },
    },
    ...{ what: `DELETE swift:/${path}, with its segments`, timeoutMs: REMOVE_TIMEOUT_MS, signal },
  };
  await account.send(request, async (answer) => {
    const left = whatIsLeft(Buffer.from(await answer.bytes(MANIFEST_BYTES)).toString());
    if (left !== null) throw transient(`${request.what}: ${left}`, { code: 'server-error' });
  });
}
