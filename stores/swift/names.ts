import { encodeKey } from '../key.js';

/** How Swift's own client calls the container of a container's large objects' segments. */
export function segmentsContainer(container: string): string {
  return `${container}_segments`;
}

/** Below the account's URL, encoded: `/container`. */
export function containerPath(container: string): string {
  return `/${encodeURIComponent(container)}`;
}

/** Below the account's URL, encoded: `/container/name`. */
export function objectPath(container: string, name: string): string {
  return `${containerPath(container)}/${encodeKey(name)}`;
}

/** A page of a container's names that start with `prefix` and come after `marker`, as JSON; folders in place of what is in them. */
export function folderPath(container: string, prefix: string, marker: string | null, limit: number): string {
  return `${listingPath(container, prefix, marker, limit)}&delimiter=/`;
}

/** A page of a container's names that start with `prefix` and come after `marker`, as JSON. */
export function listingPath(container: string, prefix: string, marker: string | null, limit: number): string {
  const after = marker === null ? '' : `&marker=${encodeURIComponent(marker)}`;
  return `${containerPath(container)}?format=json&limit=${limit}&prefix=${encodeURIComponent(prefix)}${after}`;
}

/**
 * The account that `storageUrl` is of, encoded, if it is one of the same cluster as `other`, else null: all up to
 * the last part of a storage URL is the cluster's (`https://host/v1/AUTH_account`).
 */
export function accountInCluster(storageUrl: string, other: string): string | null {
  const [cluster, account] = parted(storageUrl);
  return account !== '' && cluster === parted(other)[0] ? account : null;
}

function parted(storageUrl: string): readonly [string, string] {
  const end = storageUrl.lastIndexOf('/');
  return [storageUrl.slice(0, end), storageUrl.slice(end + 1)];
}
