import type { ErrorKind } from '../../runtime/errors.js';
import type { HttpAnswer, StatusMeaning } from '../http-client.js';
import type { AzureAccess, AzureAuth } from './credentials.js';

/** https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes and blob-service-error-codes */
const MEANINGS: Readonly<Record<string, { readonly kind?: ErrorKind } & Omit<StatusMeaning, 'detail'>>> = {
  BlobNotFound: { code: 'not-found' },
  ContainerNotFound: { code: 'container-absent' },
  Md5Mismatch: { code: 'checksum-mismatch' },
  RequestBodyTooLarge: { code: 'too-large' },
  InvalidMetadata: { code: 'metadata-refused' },
  MetadataTooLarge: { code: 'metadata-refused' },
  InvalidResourceName: { code: 'name-refused' },
  InvalidUri: { code: 'name-refused' },
  UnsupportedHeader: { code: 'copy-refused' },
  // To be written anew from its first part.
  InvalidBlockList: { kind: 'transient', code: 'server-error' },
  ContainerBeingDeleted: { kind: 'transient', code: 'server-error' },
  AccountBeingCreated: { kind: 'transient', code: 'server-error' },
};
/** Who we are was not believed. */
const NOT_LET_IN = [
  'AuthenticationFailed',
  'AuthorizationFailure',
  'InvalidAuthenticationInfo',
  'NoAuthenticationInformation',
  'KeyBasedAuthenticationNotPermitted',
  'PublicAccessNotPermitted',
];
/** Who we are may not do this. */
const NOT_ALLOWED = [
  'AuthorizationPermissionMismatch',
  'AuthorizationProtocolMismatch',
  'AuthorizationResourceTypeMismatch',
  'AuthorizationServiceMismatch',
  'AuthorizationSourceIPMismatch',
  'InsufficientAccountPermissions',
];
const HINTS: Readonly<Record<string, string>> = {
  BlobArchived: 'the object is in the archive tier and must be rehydrated first',
  BlobBeingRehydrated: 'the object is on its way out of the archive tier',
  InvalidBlockList: 'another writer finished the object first, and the blocks of this one are gone',
  InvalidBlobOrBlock:
    'blocks that another program left there have ids of another length; they go after a week, or when the object is written whole',
};
/** A wrong key to Azurite, to Azure itself an address that its rules do not let in. */
const FIREWALL = ", or the account's network rules keep this machine out";
/** The service refuses requests whose time is further off. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

/** What the service's own error codes mean. Of the answer only the code is told: its text repeats signatures. */
export function explainAzure(
  access: AzureAccess,
  now: () => number,
): (answer: HttpAnswer, body: string) => StatusMeaning {
  return (answer, body) => {
    const code = answer.header('x-ms-error-code') ?? /<Code>(\w{1,80})<\/Code>/.exec(body)?.[1];
    if (code === undefined) return {};
    if (NOT_LET_IN.includes(code))
      return {
        kind: 'permanent',
        code: 'wrong-credentials',
        detail: `${code}: ${whyNotLetIn(access, answer, now())}${code === 'AuthorizationFailure' ? FIREWALL : ''}`,
      };
    if (NOT_ALLOWED.includes(code))
      return {
        code: 'forbidden',
        detail: `${code}: ${access.auth.variable} does not allow it`,
      };
    if (code === 'ResourceNotFound')
      return access.auth.kind === 'none'
        ? { code: 'wrong-credentials', detail: `${code}: ${whyNotLetIn(access, answer, now())}` }
        : { code: 'container-absent', detail: code };
    // Azurite's way to say Md5Mismatch.
    if (code === 'InvalidOperation' && body.includes('contentMD5'))
      return { code: 'checksum-mismatch', detail: code };
    if (code === 'CannotVerifyCopySource')
      return answer.status >= 500 ? { detail: code } : { code: 'copy-refused', detail: code };
    const hint = HINTS[code];
    return { ...MEANINGS[code], detail: hint === undefined ? code : `${code}: ${hint}` };
  };
}

function whyNotLetIn({ account, auth }: AzureAccess, answer: HttpAnswer, now: number): string {
  const theirs = Date.parse(answer.header('date') ?? '');
  switch (auth.kind) {
    case 'none':
      return `the container is not public, or not there, and none of ${auth.variable} is set`;
    case 'key':
      return `${auth.variable} holds no key of the account ${account}${clockSkew(now, theirs)}`;
    case 'sas':
      return expired(auth, Math.max(now, theirs || 0))
        ? `${auth.variable} expired at ${new Date(auth.expiresMs ?? 0).toISOString()}`
        : `${auth.variable} is not valid for the account ${account}, this container, or now${clockSkew(now, theirs)}`;
  }
}

function expired(auth: AzureAuth & { readonly kind: 'sas' }, now: number): boolean {
  return auth.expiresMs !== null && auth.expiresMs <= now;
}

function clockSkew(now: number, theirs: number): string {
  const ms = now - theirs;
  if (Number.isNaN(theirs) || Math.abs(ms) < CLOCK_TOLERANCE_MS) return '';
  return `; this machine's clock is ${Math.round(Math.abs(ms) / 60_000)} minutes ${ms > 0 ? 'ahead of' : 'behind'} the service's`;
}
