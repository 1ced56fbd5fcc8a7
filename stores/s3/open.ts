import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { systemClock } from '../../runtime/clock.js';
import { messageOf, UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import type { Location } from '../location.js';
import type { ProfileFile } from './credentials.js';
import { type ProfilePath, profilePaths, type S3Settings, s3Settings } from './settings.js';
import { type S3Store, s3Store } from './store.js';

/** Throws a `UsageError` that names the variable, or the profile and its file, that is missing or wrong. */
export async function openS3(
  { container, prefix }: Location & { readonly kind: 's3' },
  env: StoreEnvironment,
): Promise<S3Store> {
  const { settings, ca } = await readS3Settings(container, env);
  return s3Store(settings, { bucket: container, prefix, clock: systemClock(), ca });
}

/** The settings, and the PEM of the authorities they name (null: the system's). */
export async function readS3Settings(
  bucket: string,
  env: StoreEnvironment,
): Promise<{ readonly settings: S3Settings; readonly ca: string | null }> {
  const settings = await settingsFrom(bucket, env, homedir());
  const ca = settings.caBundle === null ? null : await text(settings.caBundle.path, settings.caBundle.name);
  return { settings, ca };
}

async function settingsFrom(bucket: string, env: StoreEnvironment, home: string): Promise<S3Settings> {
  const paths = profilePaths(env, home);
  const credentials = await profileFile(paths.credentials);
  const config = await profileFile(paths.config);
  return s3Settings(bucket, env, { credentials, config });
}

/** A file that nobody named may be absent. */
async function profileFile({ path, variable }: ProfilePath): Promise<ProfileFile> {
  return { path, text: variable === null ? await textIfThere(path) : await text(path, variable) };
}

async function textIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new UsageError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

async function text(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${name}: ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
