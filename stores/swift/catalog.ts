import { type ConvoyError, permanent } from '../../runtime/errors.js';
import { scrub } from '../location.js';
import { listed } from './variables.js';

/** Which of a service's addresses: for all the world, or for machines in the provider's own network. */
export type Interface = 'public' | 'internal';

/** One address of one service. */
export interface Endpoint {
  /** `object-store` is Swift's, whatever the service is called (`swift`, `cloudFiles`). */
  readonly type: string;
  readonly region: string | null;
  readonly interface: string;
  readonly url: string;
}

export interface WantedEndpoint {
  /** null: the only one there is, or the login's own. */
  readonly region: string | null;
  readonly interface: Interface;
  /** To be named where another has to be said. */
  readonly variables: { readonly region: string; readonly interface: string; readonly project: string };
}

/** What a login with a catalog answered. */
export interface Catalog {
  readonly endpoints: readonly Endpoint[];
  /** The login's own idea of the region, where nobody asks for one. */
  readonly homeRegion: string | null;
}

/**
 * The address of the account's objects, without a slash at its end. A region is found whatever its case. Throws
 * `permanent`/`wrong-credentials` that says what there is instead.
 */
export function storageUrlOf({ endpoints, homeRegion }: Catalog, wanted: WantedEndpoint): string {
  const { variables } = wanted;
  const stores = endpoints.filter(({ type }) => type === 'object-store');
  if (stores.length === 0)
    throw noLogin(withoutStorage(distinct(endpoints.map(({ type }) => type)), variables.project));
  const offered = stores.filter((one) => one.interface === wanted.interface);
  if (offered.length === 0) {
    const kinds = listed(distinct(stores.map((one) => one.interface)));
    throw noLogin(
      `the login names no ${wanted.interface} address of its object storage, only ${kinds}: see ${variables.interface}`,
    );
  }
  const regions = distinct(offered.map(({ region }) => region ?? ''));
  const asked = wanted.region ?? (regions.length > 1 ? homeRegion : null);
  if (asked === null && regions.length > 1)
    throw noLogin(`there is object storage in ${listed(regions)}: set ${variables.region} to one of them`);
  const found = offered.find(({ region }) => asked === null || region?.toLowerCase() === asked.toLowerCase());
  if (found === undefined)
    throw noLogin(
      `no object storage in the region "${asked}" of ${variables.region}, only in ${listed(regions)}`,
    );
  return storageAddress(found.url);
}

/** What a login said of where the objects are, as an address without a slash at its end. */
export function storageAddress(text: string): string {
  if (!URL.canParse(text) || !/^https?:/i.test(text))
    throw noLogin(
      `the login says that the objects are at ${JSON.stringify(scrub(text))}, which is no address`,
    );
  return text.replace(/\/+$/, '');
}

/** There is no login as things are configured: a person has to change a variable. */
export function noLogin(message: string): ConvoyError {
  return permanent(message, { code: 'wrong-credentials' });
}

function withoutStorage(services: readonly string[], projectVariable: string): string {
  return services.length === 0
    ? `the login names no services: it was for no project, set ${projectVariable}`
    : `the login names no object storage (object-store), only ${listed(services)}`;
}

function distinct(items: readonly string[]): readonly string[] {
  return [...new Set(items)];
}
