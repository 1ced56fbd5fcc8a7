import { createHash } from 'node:crypto';
import type { ConvoyError } from '../runtime/errors.js';
import { type Caller, ROLES, type Role, refuse } from './route.js';

/** What a token or certificate can give. */
const CREDENTIAL_ROLES = ['read', 'operate', 'admin'] as const;
type CredentialRole = (typeof CREDENTIAL_ROLES)[number];

export interface Token {
  readonly name: string;
  readonly role: CredentialRole;
  readonly secret: string;
}

/** Whom the API believes over TCP. */
export interface Access {
  readonly tokens: readonly Token[];
  /** null: plain HTTP, on loopback only. */
  readonly tls: ServerTls | null;
}

/** PEM texts. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Signs the certificates of callers; null: they show tokens. */
  readonly ca: string | null;
}

/** What a caller over TCP has shown. */
export interface Shown {
  /** The Authorization header. */
  readonly authorization: string | undefined;
  /** null: none was shown. `problem`: why it is not to be trusted. */
  readonly certificate: { readonly subject: Subject; readonly problem: string | null } | null;
}

/** The parts of a certificate's subject that count; more than one of a kind is a list. */
export interface Subject {
  readonly CN?: string | readonly string[];
  readonly OU?: string | readonly string[];
}

/** The header in which a machine names the caller it asks for: the role, and the name percent-encoded. Read from machines only. */
export const VOUCHED = 'x-convoy-caller';

const UNIT_PREFIX = 'convoy-';
/** Shorter ones can be guessed. */
const LEAST_SECRET = 16;

/**
 * Who is asking, by all that was shown: a credential that is no good is refused even beside a good one. A token
 * decides before a certificate. Throws the refusal: 401 without a good credential, 403 for one without a role.
 */
export function identify(shown: Shown, tokens: readonly Token[]): Caller {
  const { authorization, certificate } = shown;
  if (certificate !== null && certificate.problem !== null)
    throw refuse(401, 'credentials', `this certificate is not accepted: ${certificate.problem}`);
  if (authorization !== undefined) return tokenOf(authorization, tokens);
  if (certificate !== null) return certified(certificate.subject);
  throw refuse(401, 'credentials', 'show a token (Authorization: Bearer TOKEN) or a client certificate');
}

/** The header by which a machine asks another one for `caller`. */
export function vouchFor({ name, role }: Caller): string {
  return `${role} ${encodeURIComponent(name)}`;
}

/** Whether callers can be told apart at all. */
export function canIdentify({ tokens, tls }: Access): boolean {
  return tokens.length > 0 || (tls !== null && tls.ca !== null);
}

/** The caller whom a machine of the cluster asks for, by its `VOUCHED` header. Throws the refusal if that names none. */
export function vouchedCaller(machine: string, vouched: string | undefined): Caller {
  const [, role, encoded] = /^(\w+) (\S+)$/.exec(vouched ?? '') ?? [];
  const known = ROLES.find((one) => one === role);
  const name = decoded(encoded ?? '');
  if (known === undefined || name === '')
    throw refuse(403, 'role', `${machine} is a machine: it asks for others only, and has to say for whom`);
  return { name, role: known, through: machine };
}

/** The refusal for a caller whose role is not enough; null if it is. */
export function lacksRole(caller: Caller, needed: Role): ConvoyError | null {
  if (ROLES.indexOf(caller.role) >= ROLES.indexOf(needed)) return null;
  const message =
    caller.role === 'unit'
      ? 'only services, machines, states and metrics are shown here: ask over api.sock, or with a token or certificate'
      : `${caller.name} has the role ${caller.role}: this needs the role ${needed}`;
  return refuse(403, 'role', message);
}

/**
 * Reads `NAME ROLE TOKEN` lines; empty lines and those that begin with # do not count. Throws a plain Error that says
 * which line is wrong, and never shows a token.
 */
export function parseTokens(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const fail = (problem: string): Error => new Error(`line ${index + 1}: ${problem}`);
    const [name = '', role = '', secret = '', ...more] = line.trim().split(/\s+/);
    if (secret === '' || more.length > 0) throw fail('expected NAME ROLE TOKEN');
    if (!isCredentialRole(role)) throw fail(`expected one of ${CREDENTIAL_ROLES.join(', ')} as the role`);
    if (secret.length < LEAST_SECRET)
      throw fail(
        `the token is shorter than ${LEAST_SECRET} characters (openssl rand -hex 32 makes a good one)`,
      );
    if (!/^[\w.~+/-]+=*$/.test(secret)) throw fail('a token is of letters, digits and ._~+/- only');
    if (tokens.some((token) => token.secret === secret)) throw fail('the token stands there twice');
    tokens.push({ name, role, secret });
  }
  if (tokens.length === 0) throw new Error('no line NAME ROLE TOKEN in it');
  return tokens;
}

/** The role that a certificate gives: the one OU of its subject that begins with `convoy-`. null: none, or several. */
function roleOfSubject({ OU }: Subject): CredentialRole | null {
  const roles = listOf(OU).flatMap((unit) =>
    unit.startsWith(UNIT_PREFIX) ? [unit.slice(UNIT_PREFIX.length)] : [],
  );
  const [only = ''] = roles;
  return roles.length === 1 && isCredentialRole(only) ? only : null;
}

/** Compared by digests, each to its end, and with all tokens: the time it takes tells nothing of any of them. */
function tokenOf(authorization: string, tokens: readonly Token[]): Caller {
  const given = digest(/^bearer +(\S+)\s*$/i.exec(authorization)?.[1] ?? '');
  let found: Token | undefined;
  for (const token of tokens) if (sameBytes(given, digest(token.secret))) found = token;
  if (found === undefined) throw refuse(401, 'credentials', 'this token is not accepted');
  return { name: found.name, role: found.role };
}

function certified(subject: Subject): Caller {
  const name = listOf(subject.CN)[0];
  const role = roleOfSubject(subject);
  if (name === undefined || role === null) {
    const units = CREDENTIAL_ROLES.map((one) => `${UNIT_PREFIX}${one}`);
    throw refuse(
      403,
      'role',
      `the certificate ${name ?? 'without a CN'} gives no role: its subject needs a CN and one OU of ${units.join(', ')}`,
    );
  }
  return { name, role };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  let difference = 0;
  for (const [at, byte] of a.entries()) difference |= byte ^ (b[at] ?? 0);
  return difference === 0;
}

function isCredentialRole(text: string): text is CredentialRole {
  return CREDENTIAL_ROLES.some((role) => role === text);
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}
