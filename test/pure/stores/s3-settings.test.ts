import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import { profilePaths, type S3Settings, s3Settings } from '../../../stores/s3/settings.js';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'hush-env', AWS_REGION: 'eu-west-1' };

interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly credentials?: string;
  readonly config?: string;
  readonly bucket?: string;
}

/** Variables are named as a source's own would be. */
function settings({ env = {}, credentials, config, bucket = 'tiles' }: Given): S3Settings {
  return s3Settings(
    bucket,
    { get: (name) => env[name] || undefined, nameOf: (name) => `SOURCE_${name}` },
    {
      credentials: { path: '/h/.aws/credentials', text: credentials ?? null },
      config: { path: '/h/.aws/config', text: config ?? null },
    },
  );
}

function refusal(given: Given): string {
  try {
    settings(given);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

describe('credentials', () => {
  test('from the variables, before any profile', () => {
    const { credentials } = settings({
      env: { ...KEYS, AWS_SESSION_TOKEN: 'token', AWS_PROFILE: 'x' },
      credentials: '[x]\naws_access_key_id = other\naws_secret_access_key = other',
    });
    expect(credentials).toEqual({
      ...{ accessKeyId: 'AKID', secretAccessKey: 'hush-env', sessionToken: 'token' },
      names: {
        accessKeyId: 'SOURCE_AWS_ACCESS_KEY_ID',
        secretAccessKey: 'SOURCE_AWS_SECRET_ACCESS_KEY',
        sessionToken: 'SOURCE_AWS_SESSION_TOKEN',
      },
    });
  });

  test('from the profile AWS_PROFILE names, named by profile and file', () => {
    const { credentials, region } = settings({
      env: { AWS_PROFILE: 'move' },
      credentials:
        '[default]\naws_access_key_id=no\naws_secret_access_key=no\n[move]\naws_access_key_id = AKID2\naws_secret_access_key = hush/file+1= \naws_session_token=t',
      config: '[profile move]\nregion = eu-north-1\n',
    });
    expect(credentials).toEqual({
      ...{ accessKeyId: 'AKID2', secretAccessKey: 'hush/file+1=', sessionToken: 't' },
      names: {
        accessKeyId: 'aws_access_key_id of the profile "move" in /h/.aws/credentials',
        secretAccessKey: 'aws_secret_access_key of the profile "move" in /h/.aws/credentials',
        sessionToken: 'aws_session_token of the profile "move" in /h/.aws/credentials',
      },
    });
    expect(region).toBe('eu-north-1');
  });

  test('from the profile default when none is named, in the config file too', () => {
    const config = '[default]\naws_access_key_id = A\naws_secret_access_key = B\nregion = r-1\n';
    expect(settings({ config }).credentials).toMatchObject({ accessKeyId: 'A', sessionToken: null });
  });

  test('the credentials file wins over the config file', () => {
    const { credentials } = settings({
      env: { AWS_PROFILE: 'x', AWS_REGION: 'r' },
      credentials: '[x]\naws_access_key_id = A\naws_secret_access_key = B\n',
      config: '[profile x]\naws_access_key_id = C\naws_secret_access_key = D\n',
    });
    expect([credentials.accessKeyId, credentials.secretAccessKey]).toEqual(['A', 'B']);
  });

  test.each([
    ['one variable of the two', { AWS_ACCESS_KEY_ID: 'A' }, 'SOURCE_AWS_SECRET_ACCESS_KEY is not set'],
    ['the other', { AWS_SECRET_ACCESS_KEY: 'hush' }, 'SOURCE_AWS_ACCESS_KEY_ID is not set'],
    ['none at all', {}, 'set SOURCE_AWS_ACCESS_KEY_ID and SOURCE_AWS_SECRET_ACCESS_KEY'],
    ['a key with a line break', { ...KEYS, AWS_SECRET_ACCESS_KEY: 'hush\n' }, 'SOURCE_AWS_SECRET_ACCESS_KEY'],
    ['a token with a space', { ...KEYS, AWS_SESSION_TOKEN: 'hush hush' }, 'SOURCE_AWS_SESSION_TOKEN holds'],
    ['a web identity', { AWS_WEB_IDENTITY_TOKEN_FILE: '/x' }, 'SOURCE_AWS_WEB_IDENTITY_TOKEN_FILE'],
    [
      'a container role',
      { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://hush' },
      'SOURCE_AWS_CONTAINER_CREDENTIALS_FULL_URI',
    ],
  ])('%s is named, and no value of it', (_, env, name) => {
    const message = refusal({ env });
    expect(message).toContain(name);
    expect(message).not.toContain('hush');
  });

  test('a profile that is nowhere is named, with the files it was looked for in', () => {
    const message = refusal({ env: { AWS_PROFILE: 'gone' }, credentials: '[other]\n' });
    expect(message).toBe(
      'SOURCE_AWS_PROFILE: there is no profile "gone" in /h/.aws/credentials nor in /h/.aws/config',
    );
  });

  test('half a profile is named by what it lacks', () => {
    expect(refusal({ credentials: '[default]\naws_access_key_id = A\n' })).toContain(
      'aws_secret_access_key of the profile "default" in /h/.aws/credentials is not set',
    );
  });

  test.each([
    'role_arn',
    'sso_session',
    'sso_start_url',
    'credential_process',
    'credential_source',
    'web_identity_token_file',
    'login_session',
  ])('%s in the profile is refused by name, even beside keys', (setting) => {
    const message = refusal({
      env: { AWS_PROFILE: 'x', AWS_REGION: 'r' },
      credentials: '[x]\naws_access_key_id = A\naws_secret_access_key = B\n',
      config: `[profile x]\n${setting} = hush\n`,
    });
    expect(message).toContain(`${setting} of the profile "x" in /h/.aws/config`);
    expect(message).not.toContain('hush');
  });
});

describe('the region', () => {
  test.each([
    [{ ...KEYS, AWS_DEFAULT_REGION: 'later' }, 'eu-west-1'],
    [{ ...KEYS, AWS_REGION: '', AWS_DEFAULT_REGION: 'us-west-2' }, 'us-west-2'],
    [{ ...KEYS, AWS_REGION: '' }, 'from-profile'],
  ])('%#: AWS_REGION, AWS_DEFAULT_REGION, the profile', (env, region) => {
    expect(settings({ env, config: '[default]\nregion = from-profile\n' }).region).toBe(region);
  });

  test('is us-east-1 on another server, and must be given for AWS', () => {
    const env = { ...KEYS, AWS_REGION: '' };
    expect(settings({ env: { ...env, AWS_ENDPOINT_URL: 'http://h:1' } }).region).toBe('us-east-1');
    expect(refusal({ env })).toContain('SOURCE_AWS_REGION is not set');
  });

  test('that leads to another host is refused', () => {
    expect(refusal({ env: { ...KEYS, AWS_REGION: 'x.evil.example/' } })).toContain('SOURCE_AWS_REGION');
  });
});

describe('where requests go', () => {
  const at = (env: Record<string, string>, bucket = 'tiles', config = '') => {
    const { origin, bucketPath } = settings({ env: { ...KEYS, ...env }, bucket, config });
    return origin + bucketPath;
  };

  test.each([
    ['AWS, by the host', {}, 'tiles', 'https://tiles.s3.eu-west-1.amazonaws.com'],
    ['AWS in China', { AWS_REGION: 'cn-north-1' }, 'tiles', 'https://tiles.s3.cn-north-1.amazonaws.com.cn'],
    ['AWS, a bucket with dots', {}, 'my.tiles', 'https://s3.eu-west-1.amazonaws.com/my.tiles'],
    ['AWS, a bucket with capitals', {}, 'Tiles', 'https://s3.eu-west-1.amazonaws.com/Tiles'],
    ['another server, by the path', { AWS_ENDPOINT_URL: 'http://h:9000/' }, 'tiles', 'http://h:9000/tiles'],
    ['below a path', { AWS_ENDPOINT_URL: 'https://h/s3/' }, 'tiles', 'https://h/s3/tiles'],
    [
      'by the host where told so',
      { AWS_ENDPOINT_URL: 'https://h:9000/s3', AWS_S3_ADDRESSING_STYLE: 'virtual' },
      'my.tiles',
      'https://my.tiles.h:9000/s3',
    ],
    [
      'AWS by the path where told so',
      { AWS_S3_ADDRESSING_STYLE: 'path' },
      'tiles',
      'https://s3.eu-west-1.amazonaws.com/tiles',
    ],
    [
      "S3's own endpoint before that of all",
      { AWS_ENDPOINT_URL: 'http://all', AWS_ENDPOINT_URL_S3: 'http://s3' },
      'tiles',
      'http://s3/tiles',
    ],
  ])('%s', (_, env, bucket, url) => {
    expect(at(env, bucket)).toBe(url);
  });

  const CONFIG =
    '[default]\nservices = mine\nendpoint_url = http://all\ns3 =\n  addressing_style = virtual\n[services mine]\nsqs =\n  endpoint_url = http://sqs\ns3 =\n  endpoint_url = http://mine:1\n';

  test('the profile: endpoint of the service, then its own; addressing style below s3', () => {
    expect(at({}, 'tiles', CONFIG)).toBe('http://tiles.mine:1');
    expect(at({}, 'tiles', CONFIG.replace('services = mine', ''))).toBe('http://tiles.all');
    expect(at({ AWS_ENDPOINT_URL: 'http://env' }, 'tiles', CONFIG)).toBe('http://tiles.env');
  });

  test.each([
    [{ AWS_S3_ADDRESSING_STYLE: 'hosted' }, 'SOURCE_AWS_S3_ADDRESSING_STYLE is "hosted"'],
    [{ AWS_ENDPOINT_URL_S3: 'h:9000' }, 'SOURCE_AWS_ENDPOINT_URL_S3'],
    [{ AWS_ENDPOINT_URL: 'http://user:hush@h' }, 'SOURCE_AWS_ENDPOINT_URL'],
    [{ AWS_ENDPOINT_URL: 'http://h/?sig=hush' }, 'SOURCE_AWS_ENDPOINT_URL'],
  ])('%o is refused by name', (env, name) => {
    const message = refusal({ env: { ...KEYS, ...env } });
    expect(message).toContain(name);
    expect(message).not.toContain('hush');
  });

  test.each<[string, string]>([
    ['b', 'a name has 3 to 255 characters, this one 1'],
    ['ab', 'a name has 3 to 255 characters, this one 2'],
    ['x'.repeat(256), 'a name has 3 to 255 characters, this one 256'],
    ['a..b', 'two dots in a row'],
    ['...', 'letters, digits, . _ - only'],
    ['a b', 'letters, digits, . _ - only'],
    ['x?y', 'letters, digits, . _ - only'],
    ['üüü', 'letters, digits, . _ - only'],
    ['-xy', 'the first a letter or digit'],
  ])('the bucket %s is refused', (bucket, words) => {
    expect(refusal({ env: KEYS, bucket })).toContain(`s3://${bucket} names a bucket`);
    expect(refusal({ env: KEYS, bucket })).toContain(words);
  });

  test.each(['abc', 'x'.repeat(255)])('the bucket %s is taken', (bucket) => {
    expect(at({ AWS_S3_ADDRESSING_STYLE: 'path' }, bucket)).toBe(
      `https://s3.eu-west-1.amazonaws.com/${bucket}`,
    );
  });

  test('a bucket that is no name of a host is refused in virtual-host style', () => {
    const env = { ...KEYS, AWS_S3_ADDRESSING_STYLE: 'virtual' };
    expect(refusal({ env, bucket: 'My_Tiles' })).toContain('can be no part of a host');
  });
});

test('the bundle of authorities, from the variable or the profile', () => {
  const config = '[default]\nca_bundle = /profile.pem\n';
  expect(settings({ env: { ...KEYS, AWS_CA_BUNDLE: '/env.pem' }, config }).caBundle).toEqual({
    ...{ path: '/env.pem', name: 'SOURCE_AWS_CA_BUNDLE' },
  });
  expect(settings({ env: KEYS, config }).caBundle?.name).toBe(
    'ca_bundle of the profile "default" in /h/.aws/config',
  );
  expect(settings({ env: KEYS }).caBundle).toBeNull();
});

test('the files are where the variables say, else in the home folder', () => {
  const env = { get: (name: string) => ({ AWS_CONFIG_FILE: '~/c' })[name], nameOf: (name: string) => name };
  expect(profilePaths(env, '/home/me')).toEqual({
    credentials: { path: '/home/me/.aws/credentials', variable: null },
    config: { path: '/home/me/c', variable: 'AWS_CONFIG_FILE' },
  });
});
