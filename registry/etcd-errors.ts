import { ConvoyError, conflict, messageOf, permanent, transient } from '../runtime/errors.js';

/** gRPC's status numbers that mean something of their own to us; all others are transient. */
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const UNAUTHENTICATED = 16;

/**
 * An error of the etcd client as one of ours. `what` names the call and the endpoint. A `transient` one says
 * nothing about the effect: a write may have been applied, or may still be.
 */
export function translate(error: unknown, what: string): ConvoyError {
  if (error instanceof ConvoyError) return error;
  const { status, text } = read(error);
  const message = `${what}: ${text}`;
  if (/requested lease not found/.test(text)) return conflict(message, { code: 'lease-gone', cause: error });
  if (/compacted/.test(text) && status === OUT_OF_RANGE)
    return conflict(message, { code: 'compacted', cause: error });
  if (/request is too large|larger than max/.test(text))
    return permanent(`${what}: it is larger than what etcd takes at once`, {
      code: 'too-large',
      cause: error,
    });
  if (/invalid user ID or password/.test(text))
    return permanent(`${what}: etcd does not know the user, or the password is wrong`, {
      code: 'wrong-credentials',
      cause: error,
    });
  if (/user name is empty/.test(text))
    return permanent(`${what}: etcd asks for a user and a password`, {
      code: 'wrong-credentials',
      cause: error,
    });
  const certificate = tlsTrouble(text);
  if (certificate !== undefined) return permanent(`${what}: ${certificate}`, { code: 'tls', cause: error });
  // What does not speak TLS hangs up, in good order or not.
  const reset = /No connection established\..*ECONNRESET/.test(text) && what.includes('https://');
  if (reset || /disconnected before secure TLS connection/.test(text))
    return transient(`${what}: it ended the connection before TLS began; does it speak TLS?`, {
      code: 'unreachable',
      cause: error,
    });
  switch (status ?? 0) {
    case DEADLINE_EXCEEDED:
      return transient(`${what}: no answer in time`, { code: 'deadline', cause: error });
    case INVALID_ARGUMENT:
    case UNIMPLEMENTED:
      return permanent(message, { code: 'refused', cause: error });
    case PERMISSION_DENIED:
      return permanent(`${what}: the user may not read and write all keys under the prefix`, {
        code: 'wrong-credentials',
        cause: error,
      });
    case UNAUTHENTICATED:
      return permanent(message, { code: 'wrong-credentials', cause: error });
    default:
      return transient(message, { code: 'unreachable', cause: error });
  }
}

/** What is wrong with the certificates, if that is why there is no connection. */
function tlsTrouble(text: string): string | undefined {
  if (!/No connection established/.test(text)) return undefined;
  if (/does not match certificate's altnames/.test(text)) return 'its certificate is not for this address';
  if (/self.signed certificate|unable to (?:get|verify)[^.]*certificate/.test(text))
    return 'its certificate is not signed by an authority that is trusted here: give its authority';
  if (/certificate has expired|certificate is not yet valid/.test(text))
    return 'its certificate has expired or is not valid yet';
  if (/bad certificate|certificate required|handshake failure/.test(text))
    return 'it does not accept the certificate of this machine: give one its authority signed';
  return undefined;
}

/** The client wraps gRPC's error and drops its number, but the message still starts with `14 UNAVAILABLE: `. */
function read(error: unknown): { status: number | undefined; text: string } {
  const message = messageOf(error);
  const [, number, text] = /^(\d+) [A-Z_]+: (.*)$/s.exec(message) ?? [];
  const code = (error as { code?: unknown }).code;
  return {
    status: number === undefined ? (typeof code === 'number' ? code : undefined) : Number(number),
    text: text ?? message,
  };
}
