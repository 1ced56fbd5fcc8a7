import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UsageError } from '../runtime/errors.js';
import { isStoreVariable } from './environment.js';

/**
 * What systemd's `LoadCredential=AWS_SECRET_ACCESS_KEY:/etc/convoy/aws-secret` gives a unit: files in
 * CREDENTIALS_DIRECTORY that are named as the variables whose place they take. A line end at the end is no part of
 * the value. Throws a `UsageError` that names a file which cannot be read.
 */
export function readCredentialFiles(env: NodeJS.ProcessEnv): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const directory = env.CREDENTIALS_DIRECTORY;
  if (!directory) return found;
  try {
    for (const name of readdirSync(directory).filter(isStoreVariable))
      found.set(name, readFileSync(join(directory, name), 'utf8').replace(/[\r\n]+$/, ''));
  } catch (cause) {
    throw new UsageError(`CREDENTIALS_DIRECTORY cannot be read: ${messageOf(cause)}`, { cause });
  }
  return found;
}
