import type { Azurite } from '../../support/stores/azurite.js';
import type { SwiftServer } from '../../support/stores/swift.js';
import type { Remote } from './rclone.js';

/** One place as both sides know it. */
export interface Place {
  readonly location: string;
  /** The credentials of the location. */
  readonly env: Readonly<Record<string, string>>;
  readonly remote: Remote;
}

export function onHttp(url: string): Place {
  // rclone takes an address without a slash at its end to be a file.
  return { location: url, env: {}, remote: { options: { TYPE: 'http', URL: `${url}/` }, path: '' } };
}

export function onAzurite({ account, key, url, connectionString }: Azurite, container: string): Place {
  return {
    location: `azure://${account}/${container}`,
    env: { AZURE_STORAGE_CONNECTION_STRING: connectionString },
    remote: {
      options: { TYPE: 'azureblob', USE_EMULATOR: 'true', ACCOUNT: account, KEY: key, ENDPOINT: url },
      path: container,
    },
  };
}

export function onSwift({ authUrl, user, key }: SwiftServer, container: string): Place {
  return {
    location: `swift://${container}`,
    env: { ST_AUTH: authUrl, ST_USER: user, ST_KEY: key },
    remote: {
      options: { TYPE: 'swift', AUTH: authUrl, USER: user, KEY: key, AUTH_VERSION: '1' },
      path: container,
    },
  };
}

export function onS3({ s3 }: SwiftServer, bucket: string): Place {
  const { endpoint, accessKey, secretKey, region } = s3;
  return {
    location: `s3://${bucket}`,
    env: {
      ...{ AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region },
      ...{ AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
    },
    remote: {
      options: {
        ...{ TYPE: 's3', PROVIDER: 'Other', ENDPOINT: endpoint, REGION: region, FORCE_PATH_STYLE: 'true' },
        ...{ ACCESS_KEY_ID: accessKey, SECRET_ACCESS_KEY: secretKey },
      },
      path: bucket,
    },
  };
}
