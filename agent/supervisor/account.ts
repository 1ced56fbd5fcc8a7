import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { ServiceSettings } from '../service-settings.js';

/** Whom a unit's commands run as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** All other groups. */
  readonly groups: readonly number[];
  /** Of User=; null if only a group is given. */
  readonly user: { readonly name: string; readonly home: string; readonly shell: string } | null;
  /** False if it is who we are anyway. */
  readonly differs: boolean;
}

type Names = Pick<ServiceSettings, 'user' | 'group' | 'supplementaryGroups'>;

/** `null`: as the supervisor itself. Throws an Error that says who does not exist, or that we may not become them. */
export function findAccount({ user, group, supplementaryGroups }: Names): Account | null {
  if (user === null && group === null && supplementaryGroups.length === 0) return null;
  const [ownUid, ownGid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const person = user === null ? null : findUser(user);
  const gid = group === null ? (person?.gid ?? ownGid) : groupId('Group', group);
  const uid = person?.uid ?? ownUid;
  const extra = supplementaryGroups.map((name) => groupId('SupplementaryGroups', name));
  const differs = ownUid === 0 || uid !== ownUid || gid !== ownGid || extra.length > 0;
  if (differs && ownUid !== 0)
    throw new Error(
      `the supervisor does not run as root, so its units run as user ${ownUid} and group ${ownGid} only`,
    );
  if (differs && findProgram('setpriv', process.env.PATH ?? '') === null)
    throw new Error('another user or group needs the program setpriv (package util-linux)');
  const groups = person === null ? [] : groupsOf(person.name);
  return { uid, gid, groups: [...new Set([...groups, ...extra])], user: person, differs };
}

/** What makes `setpriv` become the account and then run the command, in the same process. */
export function asAccount(account: Account, program: string, args: readonly string[]): string[] {
  const { uid, gid, groups } = account;
  return [
    ...['--reuid', String(uid), '--regid', String(gid)],
    ...(groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]),
    ...['--', program, ...args],
  ];
}

/** Where a program is, as execvp finds it; null if it cannot be run. */
export function findProgram(program: string, path: string): string | null {
  const places = program.includes('/') ? [program] : path.split(':').map((dir) => join(dir || '.', program));
  return places.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findUser(user: string) {
  const [name, , uid, gid, , home, shell] = entry('passwd', user) ?? [];
  if (name === undefined || uid === undefined || gid === undefined)
    throw new Error(`User=${user}: there is no such user on this machine`);
  return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' };
}

function groupId(option: string, group: string): number {
  const gid = entry('group', group)?.[2];
  if (gid !== undefined) return Number(gid);
  if (/^\d+$/.test(group)) return Number(group);
  throw new Error(`${option}=${group}: there is no such group on this machine`);
}

/** The groups that list the user as a member; not its primary one. */
function groupsOf(user: string): number[] {
  const words = (getent('initgroups', user) ?? '').trim().split(/\s+/);
  return words.slice(1).map(Number);
}

function entry(database: 'passwd' | 'group', key: string): string[] | undefined {
  return getent(database, key)?.trimEnd().split(':');
}

/** Answers of this turn of the event loop: hundreds of units are loaded, or adopted, in one. */
const answers = new Map<string, string | undefined>();

/** The machine's databases, wherever it keeps them (nsswitch.conf). */
function getent(database: string, key: string): string | undefined {
  const question = `${database} ${key}`;
  if (answers.size === 0) setImmediate(() => answers.clear());
  if (!answers.has(question)) answers.set(question, ask(database, key));
  return answers.get(question);
}

function ask(database: string, key: string): string | undefined {
  try {
    return execFileSync('getent', [database, key], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}
