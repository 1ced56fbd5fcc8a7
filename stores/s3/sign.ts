import { createHmac, hash } from 'node:crypto';

/**
 * AWS Signature Version 4 in the Authorization header, from "Authenticating Requests: Using the Authorization Header"
 * of the Amazon S3 API Reference: a canonical request, hashed into a string to sign, signed with a key that is
 * derived from the secret for one day, region and service.
 */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials; null for a user's own keys. */
  readonly sessionToken: string | null;
}

export interface UnsignedRequest {
  readonly method: string;
  /** As `encodePath` gives it, from `/` on. */
  readonly path: string;
  /** As `canonicalQuery` gives it, '' for none. */
  readonly query: string;
  /** By lower-case name, `host` among them: all of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hex, or `UNSIGNED_PAYLOAD`: what the header x-amz-content-sha256 says. */
  readonly payloadHash: string;
}

/** The body is not part of what is signed. Content-MD5, which is, still binds it. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

/** The headers to add to the request: `x-amz-date`, `authorization`, for temporary credentials the token. */
export type Sign = (request: UnsignedRequest, nowMs: number) => Record<string, string>;

export function signer(credentials: Credentials, region: string, service: string): Sign {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  let day = '';
  let scope = '';
  let key: Uint8Array = new Uint8Array();
  let second = Number.NaN;
  let date = '';

  /** The key changes once a day, the date once a second: a store signs thousands of requests in between. */
  function turnTo(nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    if (now === second) return;
    second = now;
    date = new Date(now * 1000).toISOString().replace(/[-:]|\.000/g, '');
    if (day === date.slice(0, 8)) return;
    day = date.slice(0, 8);
    scope = `${day}/${region}/${service}/aws4_request`;
    key = [day, region, service, 'aws4_request'].reduce<Uint8Array>(
      hmac,
      Buffer.from(`AWS4${secretAccessKey}`),
    );
  }

  return (request, nowMs) => {
    turnTo(nowMs);
    const added: Record<string, string> = { 'x-amz-date': date };
    if (sessionToken !== null) added['x-amz-security-token'] = sessionToken;
    const headers: Record<string, string> = { ...request.headers, ...added };
    const names = Object.keys(headers).sort();
    const signedHeaders = names.join(';');
    let canonical = `${request.method}\n${request.path}\n${request.query}\n`;
    for (const name of names) canonical += `${name}:${trimmed(headers[name] ?? '')}\n`;
    canonical += `\n${signedHeaders}\n${request.payloadHash}`;
    const signature = createHmac('sha256', key)
      .update(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`)
      .digest('hex');
    added.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
    return added;
  };
}

/** SHA-256 as hex. */
export function sha256(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex');
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return createHmac('sha256', key).update(text).digest();
}

function trimmed(value: string): string {
  return value.trim().replace(/ {2,}/g, ' ');
}

/** S3's UriEncode: everything but letters, digits and `-._~`, which is more than encodeURIComponent does. */
function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A key as S3 reads it in a path: encoded once, `/` kept, nothing normalised. */
export function encodePath(key: string): string {
  return uriEncode(key).replaceAll('%2F', '/');
}

/** Parameters as they are signed and sent: encoded, sorted by name, then by value. */
export function canonicalQuery(parameters: readonly (readonly [name: string, value: string])[]): string {
  return parameters
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
