import { UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import { scrub } from '../location.js';
import { credentialsOf, type NamedCredentials, type ProfileFiles, profileOf } from './credentials.js';

export interface S3Settings {
  /** Of the server, `https://host:port`, with the base path if it has one. */
  readonly endpoint: string;
  /** Where this bucket's requests go: the endpoint's origin, or the bucket's own host. */
  readonly origin: string;
  /** What stands before a key's own `/`: '' in virtual-host style. */
  readonly bucketPath: string;
  readonly region: string;
  /** The variable that sets the region. */
  readonly regionName: string;
  readonly credentials: NamedCredentials;
  /** A file of authorities to trust, and what names it. */
  readonly caBundle: { readonly path: string; readonly name: string } | null;
}

/** Files of settings: whose path, and the variable that names it (null: it is where AWS's tools look by themselves). */
export interface ProfilePath {
  readonly path: string;
  readonly variable: string | null;
}

const STYLES = ['auto', 'path', 'virtual'] as const;
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** A bucket that is one DNS label: of another, no certificate of AWS holds the name. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** `home` is the user's folder, absolute. */
export function profilePaths(
  env: StoreEnvironment,
  home: string,
): { readonly credentials: ProfilePath; readonly config: ProfilePath } {
  const at = (variable: string, usual: string): ProfilePath => {
    const path = env.get(variable);
    return path === undefined
      ? { path: `${home}/.aws/${usual}`, variable: null }
      : { path: path.replace(/^~(?=\/)/, home), variable: env.nameOf(variable) };
  };
  return {
    credentials: at('AWS_SHARED_CREDENTIALS_FILE', 'credentials'),
    config: at('AWS_CONFIG_FILE', 'config'),
  };
}

/**
 * What the AWS SDKs and the CLI read, in their order: variables before the profile, S3's own endpoint before that of
 * all services. Throws a `UsageError` that names the variable, or profile and file, that is missing or wrong.
 */
export function s3Settings(bucket: string, env: StoreEnvironment, files: ProfileFiles): S3Settings {
  const wrong = wrongWithBucket(bucket);
  if (wrong !== null)
    throw new UsageError(`s3://${scrub(bucket)} names a bucket that S3 cannot have: ${wrong}`);
  const profile = profileOf(env, files);
  const setting = (name: string, ...variables: readonly string[]): Setting | null => {
    for (const variable of variables) {
      const value = env.get(variable);
      if (value !== undefined) return { value, name: env.nameOf(variable) };
    }
    const value = profile.get(name);
    return value === undefined ? null : { value, name: profile.nameOf(name) };
  };

  const credentials = credentialsOf(env, profile);
  const ofService = profile.service('s3.endpoint_url');
  const given = endpointOf(
    env,
    ofService === undefined
      ? setting('endpoint_url')
      : { value: ofService, name: `endpoint_url of s3 in ${profile.nameOf('services')}` },
  );
  const region = regionOf(setting('region', 'AWS_REGION', 'AWS_DEFAULT_REGION'), given === null, env);
  const endpoint = given ?? `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  const caBundle = setting('ca_bundle', 'AWS_CA_BUNDLE');
  const style = setting('s3.addressing_style', 'AWS_S3_ADDRESSING_STYLE');
  return {
    endpoint,
    ...addressed(bucket, new URL(endpoint), style ?? { value: 'auto', name: '' }),
    region,
    regionName: env.nameOf('AWS_REGION'),
    credentials,
    caBundle: caBundle === null ? null : { path: caBundle.value, name: caBundle.name },
  };
}

interface Setting {
  readonly value: string;
  readonly name: string;
}

function endpointOf(env: StoreEnvironment, configured: Setting | null): string | null {
  const variable = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((name) => env.get(name) !== undefined);
  const given =
    variable === undefined ? configured : { value: env.get(variable) ?? '', name: env.nameOf(variable) };
  if (given === null) return null;
  const url = URL.canParse(given.value) ? new URL(given.value) : null;
  const plain = url !== null && url.search === '' && url.hash === '' && url.username + url.password === '';
  if (!plain || !/^https?:$/.test(url.protocol))
    throw new UsageError(`${given.name} is no plain http:// or https:// address: ${scrub(given.value)}`);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function regionOf(given: Setting | null, onAws: boolean, env: StoreEnvironment): string {
  if (given === null) {
    if (onAws)
      throw new UsageError(
        `${env.nameOf('AWS_REGION')} is not set (nor a region in the profile): S3 of AWS is asked in the bucket's region; for another server set ${env.nameOf('AWS_ENDPOINT_URL_S3')}`,
      );
    return 'us-east-1';
  }
  if (!/^[A-Za-z0-9_-]+$/.test(given.value))
    throw new UsageError(`${given.name} is no region's name: ${JSON.stringify(given.value.slice(0, 80))}`);
  return given.value;
}

/** `auto`: the bucket's own host on AWS, where the bucket's name can be one; else the bucket in the path. */
function addressed(
  bucket: string,
  endpoint: URL,
  style: Setting,
): { readonly origin: string; readonly bucketPath: string } {
  const known = STYLES.find((one) => one === style.value);
  if (known === undefined)
    throw new UsageError(`${style.name} is "${scrub(style.value)}": one of ${STYLES.join(', ')} is expected`);
  const onAws = /\.amazonaws\.com(\.cn)?$/.test(endpoint.hostname);
  const base = endpoint.pathname.replace(/\/+$/, '');
  if (known === 'path' || (known === 'auto' && !(onAws && LABEL.test(bucket))))
    return { origin: endpoint.origin, bucketPath: `${base}/${bucket}` };
  if (!bucket.split('.').every((label) => LABEL.test(label)))
    throw new UsageError(
      `${style.name} is "virtual", but the bucket ${bucket} can be no part of a host's name`,
    );
  return { origin: `${endpoint.protocol}//${bucket}.${endpoint.host}`, bucketPath: base };
}

/** By the rules that AWS has had for buckets of any age, in words; null if nothing. */
function wrongWithBucket(bucket: string): string | null {
  if (bucket.length < 3 || bucket.length > 255)
    return `a name has 3 to 255 characters, this one ${bucket.length}`;
  if (!BUCKET.test(bucket)) return 'letters, digits, . _ - only, the first a letter or digit';
  return bucket.includes('..') ? 'two dots in a row' : null;
}
