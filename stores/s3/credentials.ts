import { UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';
import { type ProfileSection, parseProfileFile } from './profile-file.js';
import type { Credentials } from './sign.js';

/** Where each part of the credentials came from, for messages: a variable, or a setting of a profile in a file. */
export interface NamedCredentials extends Credentials {
  readonly names: Readonly<Record<'accessKeyId' | 'secretAccessKey' | 'sessionToken', string>>;
}

/** One of AWS's shared files; `text` is null where there is none. */
export interface ProfileFile {
  readonly path: string;
  readonly text: string | null;
}

export interface ProfileFiles {
  readonly credentials: ProfileFile;
  readonly config: ProfileFile;
}

/** The settings of the chosen profile, from both files. */
export interface Profile {
  get(setting: string): string | undefined;
  /** For messages: `aws_secret_access_key of the profile "x" in FILE`. */
  nameOf(setting: string): string;
  /** Settings of a `[services x]` section that the profile points to. */
  service(setting: string): string | undefined;
}

/** Ways to get credentials that ask somebody else for them: by what a profile says when it uses one. */
const UNSUPPORTED_SETTINGS = [
  'role_arn',
  'source_profile',
  'credential_source',
  'web_identity_token_file',
  'sso_session',
  'sso_start_url',
  'sso_account_id',
  'credential_process',
  'login_session',
];
const UNSUPPORTED_VARIABLES = [
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
];

/**
 * The profile AWS_PROFILE names, else `default`. Of a setting in both files that of the credentials file is taken.
 * Throws a `UsageError` for a profile that was asked for and is nowhere.
 */
export function profileOf(env: StoreEnvironment, { credentials, config }: ProfileFiles): Profile {
  const asked = env.get('AWS_PROFILE');
  const name = asked ?? 'default';
  const configSections = parseProfileFile(config.text ?? '');
  const found: { readonly file: ProfileFile; readonly section: ProfileSection }[] = [];
  const own = parseProfileFile(credentials.text ?? '').get(name);
  if (own !== undefined) found.push({ file: credentials, section: own });
  const other =
    configSections.get(`profile ${name}`) ?? (name === 'default' ? configSections.get(name) : undefined);
  if (other !== undefined) found.push({ file: config, section: other });
  if (found.length === 0 && asked !== undefined)
    throw new UsageError(
      `${env.nameOf('AWS_PROFILE')}: there is no profile "${asked}" in ${credentials.path} nor in ${config.path}`,
    );

  const holder = (setting: string) => found.find(({ section }) => section.get(setting));
  const get = (setting: string): string | undefined => holder(setting)?.section.get(setting);
  return {
    get,
    nameOf: (setting) =>
      `${setting} of the profile "${name}" in ${(holder(setting)?.file ?? found[0]?.file ?? credentials).path}`,
    service: (setting) => configSections.get(`services ${get('services') ?? ''}`)?.get(setting),
  };
}

/**
 * From the variables, else from the profile, as the AWS CLI does. Throws a `UsageError` that names what is missing,
 * or what is configured and not supported (roles, single sign-on, credential processes, a machine's metadata).
 */
export function credentialsOf(env: StoreEnvironment, profile: Profile): NamedCredentials {
  const fromEnv = (variable: string) => ({ value: env.get(variable), name: env.nameOf(variable) });
  const fromProfile = (setting: string) => ({ value: profile.get(setting), name: profile.nameOf(setting) });

  const accessKeyId = fromEnv('AWS_ACCESS_KEY_ID');
  const secretAccessKey = fromEnv('AWS_SECRET_ACCESS_KEY');
  if (accessKeyId.value !== undefined || secretAccessKey.value !== undefined)
    return complete(accessKeyId, secretAccessKey, fromEnv('AWS_SESSION_TOKEN'));

  const unsupported = (name: string) =>
    new UsageError(
      `${name} is a way to get credentials that is not supported: give ${accessKeyId.name} and ${secretAccessKey.name}${token(env)}`,
    );
  for (const setting of UNSUPPORTED_SETTINGS)
    if (profile.get(setting) !== undefined) throw unsupported(profile.nameOf(setting));
  const keyId = fromProfile('aws_access_key_id');
  const secret = fromProfile('aws_secret_access_key');
  if (keyId.value !== undefined || secret.value !== undefined)
    return complete(keyId, secret, fromProfile('aws_session_token'));

  for (const variable of UNSUPPORTED_VARIABLES)
    if (env.get(variable) !== undefined) throw unsupported(env.nameOf(variable));
  throw new UsageError(
    `no credentials for S3: set ${accessKeyId.name} and ${secretAccessKey.name}, or ${env.nameOf('AWS_PROFILE')} to a profile that holds keys (a machine's own role is not asked for; a public bucket is read as https://)`,
  );
}

interface Named {
  readonly value: string | undefined;
  readonly name: string;
}

function complete(accessKeyId: Named, secretAccessKey: Named, sessionToken: Named): NamedCredentials {
  return {
    accessKeyId: sendable(accessKeyId, secretAccessKey),
    secretAccessKey: sendable(secretAccessKey, accessKeyId),
    sessionToken: sessionToken.value === undefined ? null : sendable(sessionToken, accessKeyId),
    names: {
      accessKeyId: accessKeyId.name,
      secretAccessKey: secretAccessKey.name,
      sessionToken: sessionToken.name,
    },
  };
}

function sendable({ value, name }: Named, other: Named): string {
  if (value === undefined) throw new UsageError(`${name} is not set, though ${other.name} is`);
  if (!/^[\x21-\x7e]+$/.test(value))
    throw new UsageError(`${name} holds a space, a line break or another character that no key has`);
  return value;
}

function token(env: StoreEnvironment): string {
  return `, of temporary credentials ${env.nameOf('AWS_SESSION_TOKEN')} too`;
}
