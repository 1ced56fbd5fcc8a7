import { ConvoyError } from '../../runtime/errors.js';
import type { S3Client } from './client.js';
import type { S3Settings } from './settings.js';

/**
 * The bucket, made where it is not: in the settings' region, which S3 wants to be told unless it is us-east-1. One
 * that is there is done if `check` finds it to be ours to use.
 */
export async function createBucket(
  client: S3Client,
  { region }: S3Settings,
  check: (signal?: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const body = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
  try {
    await client.send(
      {
        ...{ method: 'PUT', key: null, signal },
        ...(region === 'us-east-1' ? {} : { body, headers: { 'content-type': 'application/xml' } }),
      },
      (answer) => answer.discard(),
    );
  } catch (error) {
    const isThere = error instanceof ConvoyError && error.status === 409 && error.kind === 'permanent';
    if (!isThere) throw error;
    await check(signal);
  }
}
