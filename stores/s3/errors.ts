import { ConvoyError, transient } from '../../runtime/errors.js';
import type { HttpAnswer, StatusMeaning } from '../http-client.js';
import { scrub } from '../location.js';
import type { NamedCredentials } from './credentials.js';

/** What an error of S3 may have to say to the operator. */
export interface ErrorContext {
  readonly credentials: NamedCredentials;
  readonly region: string;
  /** The variable that sets it. */
  readonly regionName: string;
}

const meaning = (
  kind: 'transient' | 'permanent',
  code: NonNullable<StatusMeaning['code']>,
  ...words: readonly string[]
) => words.map((word) => [word, { kind, code }] as const);

/** By the code in an error's body ("Error responses" of the S3 API Reference), and those of its relatives. */
const MEANINGS: ReadonlyMap<string, StatusMeaning> = new Map([
  ...meaning('permanent', 'not-found', 'NoSuchKey', 'NoSuchUpload', 'NoSuchVersion'),
  ...meaning('permanent', 'container-absent', 'NoSuchBucket'),
  ...meaning('permanent', 'wrong-credentials', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken'),
  ...meaning('permanent', 'wrong-credentials', 'InvalidToken', 'TokenRefreshRequired'),
  ...meaning('permanent', 'wrong-credentials', 'RequestTimeTooSkewed', 'RequestExpired'),
  ...meaning('permanent', 'forbidden', 'AccessDenied', 'AllAccessDisabled', 'AccountProblem'),
  ...meaning('permanent', 'checksum-mismatch', 'BadDigest', 'XAmzContentSHA256Mismatch'),
  ...meaning('permanent', 'too-large', 'EntityTooLarge'),
  ...meaning('permanent', 'name-refused', 'KeyTooLongError', 'InvalidURI'),
  ...meaning('permanent', 'metadata-refused', 'MetadataTooLarge'),
  ...meaning('permanent', 'rejected', 'AuthorizationHeaderMalformed', 'NotImplemented', 'PermanentRedirect'),
  ...meaning('transient', 'throttled', 'SlowDown', 'ServiceUnavailable', 'Throttling', 'TooManyRequests'),
  ...meaning('transient', 'server-error', 'InternalError', 'RequestTimeout', 'OperationAborted'),
  ...meaning('transient', 'server-error', 'IncompleteBody', 'TemporaryRedirect'),
]);

/** What an answer of S3 means, by the code in its body; an answer to HEAD has none. */
export function explainS3(context: ErrorContext): (answer: HttpAnswer, body: string) => StatusMeaning {
  return (answer, body) => {
    const word = element(body, 'Code');
    const region = element(body, 'Region') ?? answer.header('x-amz-bucket-region');
    if (region !== null && region !== context.region && answer.status < 404)
      return {
        ...{ kind: 'permanent', code: 'rejected' },
        detail: `the bucket is in the region ${region}, not in ${context.region}: set ${context.regionName}`,
      };
    if (word === null) return {};
    const known = MEANINGS.get(word);
    const advice = adviceOn(word, answer, context) ?? (known === undefined ? messageOf(body, context) : null);
    return { ...known, detail: advice === null ? word : `${word}: ${advice}` };
  };
}

/**
 * Refuses the body of a status 200 that is not the result it should be. S3 sends the status before a copy, or a large
 * object out of its parts, is done, and so may have to say in the body that it was not.
 */
export function insistOnResult(
  what: string,
  answer: HttpAnswer,
  body: string,
  result: string,
  context: ErrorContext,
): void {
  if (new RegExp(`<${result}[\\s>]`).test(body)) return;
  if (!/<Error[\s>]/.test(body))
    throw transient(`${what}: HTTP 200, yet no result: is something between us and the store?`, {
      code: 'bad-answer',
    });
  const { kind = 'permanent', code = 'rejected', detail = '' } = explainS3(context)(answer, body);
  throw new ConvoyError(kind, `${what}: HTTP 200, yet an error in its body: ${detail}`, {
    ...{ code, status: 200 },
  });
}

function adviceOn(word: string, answer: HttpAnswer, { credentials }: ErrorContext): string | null {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials.names;
  switch (word) {
    case 'InvalidAccessKeyId':
      return `the store knows no such key: ${accessKeyId}`;
    case 'SignatureDoesNotMatch':
      return `wrong ${secretAccessKey} (or ${accessKeyId})`;
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
      return `${sessionToken} has expired: get new temporary credentials`;
    case 'InvalidToken':
      return `wrong ${sessionToken}`;
    case 'RequestTimeTooSkewed':
    case 'RequestExpired':
      return `the clocks differ too much: the store's says ${answer.header('date') ?? 'another time'}; set this machine's right, ${accessKeyId} may be good`;
    case 'AccessDenied':
      return `not allowed to the owner of ${accessKeyId}`;
    case 'NoSuchBucket':
      return 'there is no bucket of that name';
    case 'InvalidObjectState':
      return 'the object is archived: restore it first';
    default:
      return null;
  }
}

/** What the store says of what we have no word for, without anything of the credentials it may repeat. */
function messageOf(body: string, { credentials }: ErrorContext): string | null {
  let text = element(body, 'Message');
  for (const secret of [credentials.secretAccessKey, credentials.sessionToken])
    if (secret !== null) text = text?.replaceAll(secret, '***') ?? null;
  return text === null ? null : scrub(text.replace(/[0-9a-f]{64}/gi, '***')).slice(0, 200);
}

/** The text of the first element of that name; the body may be cut off, and so be no XML. */
function element(body: string, name: string): string | null {
  return new RegExp(`<${name}>([^<]{1,1000})</${name}>`).exec(body)?.[1] ?? null;
}
