import { UsageError } from '../../runtime/errors.js';
import type { StoreEnvironment } from '../environment.js';

/** An account's blob service and what it lets us in with. `variable` is where that came from, for messages. */
export interface AzureAccess {
  readonly account: string;
  /** `https://ACCOUNT.blob.core.windows.net`, or as the connection string says; without a slash at its end. */
  readonly endpoint: string;
  readonly auth: AzureAuth;
}

export type AzureAuth =
  | { readonly kind: 'key'; readonly key: string; readonly variable: string }
  | {
      readonly kind: 'sas';
      /** The query string, without `?`. */
      readonly token: string;
      /** ms since 1970; null if a stored access policy of the container has the expiry. */
      readonly expiresMs: number | null;
      readonly variable: string;
    }
  /** Reads containers that are public; `variable` names what could be set. */
  | { readonly kind: 'none'; readonly variable: string };

const CONNECTION = 'AZURE_STORAGE_CONNECTION_STRING';
const ACCOUNT = 'AZURE_STORAGE_ACCOUNT';
const KEY = 'AZURE_STORAGE_KEY';
const SAS = 'AZURE_STORAGE_SAS_TOKEN';

/**
 * What the variables say about an account. Exactly one of connection string, key and SAS token may be set; with none
 * the store is asked without credentials. Throws a `UsageError` that names the variable that cannot be right.
 */
export function azureAccess(account: string, env: StoreEnvironment, nowMs: number): AzureAccess {
  const set = [CONNECTION, KEY, SAS].filter((name) => env.get(name) !== undefined);
  if (set.length > 1)
    throw new UsageError(
      `${set.map((name) => env.nameOf(name)).join(' and ')} are set: which one opens the account ${account}? Keep one`,
    );
  const stated = env.get(ACCOUNT);
  if (stated !== undefined && stated !== account)
    throw new UsageError(
      `${env.nameOf(ACCOUNT)} is ${JSON.stringify(stated)}, but the location is in the account ${account}`,
    );
  const endpoint = endpointOf(account, 'https', 'core.windows.net');
  const connection = env.get(CONNECTION);
  if (connection !== undefined)
    return fromConnectionString(account, connection, env.nameOf(CONNECTION), nowMs);
  const key = env.get(KEY);
  if (key !== undefined) return { account, endpoint, auth: keyAuth(key, env.nameOf(KEY), 'is') };
  const token = env.get(SAS);
  if (token !== undefined) return { account, endpoint, auth: sasAuth(token, env.nameOf(SAS), nowMs) };
  const names = [CONNECTION, KEY, SAS].map((name) => env.nameOf(name));
  return {
    account,
    endpoint,
    auth: { kind: 'none', variable: `${names.slice(0, 2).join(', ')} or ${names[2]}` },
  };
}

/** https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string */
function fromConnectionString(account: string, text: string, variable: string, nowMs: number): AzureAccess {
  const parts = new Map<string, string>();
  for (const part of text.split(';').map((one) => one.trim())) {
    if (part === '') continue;
    const at = part.indexOf('=');
    if (at < 1) throw new UsageError(`${variable} has a part that is not NAME=VALUE`);
    parts.set(part.slice(0, at).toLowerCase(), part.slice(at + 1));
  }
  const stated = parts.get('accountname');
  if (stated !== undefined && stated !== account)
    throw new UsageError(
      `${variable} is for the account ${JSON.stringify(stated)}, but the location is in the account ${account}`,
    );
  const [key, token] = [parts.get('accountkey'), parts.get('sharedaccesssignature')];
  if (key === undefined && token === undefined)
    throw new UsageError(`${variable} has neither AccountKey nor SharedAccessSignature`);
  if (key !== undefined && stated === undefined) throw new UsageError(`${variable} has no AccountName`);
  const blob = parts.get('blobendpoint');
  return {
    account,
    endpoint:
      blob === undefined
        ? endpointOf(
            account,
            parts.get('defaultendpointsprotocol') ?? 'https',
            parts.get('endpointsuffix') ?? 'core.windows.net',
          )
        : statedEndpoint(blob, variable),
    auth:
      key === undefined
        ? sasAuth(token ?? '', variable, nowMs)
        : keyAuth(key, variable, 'has an AccountKey that is'),
  };
}

function endpointOf(account: string, protocol: string, suffix: string): string {
  if (!/^[a-z0-9]{3,24}$/.test(account))
    throw new UsageError(
      `${JSON.stringify(account)} is no name of a storage account: 3 to 24 lower-case letters and digits`,
    );
  return `${protocol === 'http' ? 'http' : 'https'}://${account}.blob.${suffix}`;
}

function statedEndpoint(text: string, variable: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.username !== '')
    throw new UsageError(
      `${variable} has a BlobEndpoint that is not a plain http(s) address: a signature belongs into SharedAccessSignature`,
    );
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function keyAuth(key: string, variable: string, has: string): AzureAuth {
  if (!/^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(key))
    throw new UsageError(`${variable} ${has} no key of a storage account: not whole base64`);
  return { kind: 'key', key, variable };
}

/** https://learn.microsoft.com/rest/api/storageservices/create-service-sas: `sig` signs, `se` is the expiry. */
function sasAuth(text: string, variable: string, nowMs: number): AzureAuth {
  const token = text.replace(/^\?/, '');
  const query = new URLSearchParams(token);
  if (!query.get('sig') || /[\s#]/.test(token))
    throw new UsageError(`${variable} is no shared access signature: it has no sig=`);
  const expiry = query.get('se');
  const expiresMs = expiry === null ? null : Date.parse(expiry);
  if (Number.isNaN(expiresMs)) throw new UsageError(`${variable} has an expiry (se=) that is no time`);
  if (expiresMs !== null && expiresMs <= nowMs)
    throw new UsageError(`${variable} expired at ${new Date(expiresMs).toISOString()}: make a new one`);
  return { kind: 'sas', token, expiresMs, variable };
}
