import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { permanent } from '../runtime/errors.js';
import { ownFile } from '../runtime/own-file.js';

/** The programs a private ground needs, and the Debian package each comes from. */
const PACKAGES = { etcd: 'etcd-server', 'redis-server': 'redis-server' } as const;

/** apt starts a service it installs unless this file says no (exit 101, Debian policy 9.3.3). */
const POLICY_FILE = '/usr/sbin/policy-rc.d';

/**
 * Makes sure of etcd and Redis, and of `more` (program, or the path of a file -> Debian package): what is not there is
 * installed, as root, from Debian's packages without starting the distribution's services. Throws one sentence that names the packages otherwise.
 * `say` gets a line before anything is installed.
 */
export function ensurePrograms(
  say: (line: string) => void,
  more: Readonly<Record<string, string>> = {},
): void {
  const packages = Object.entries({ ...PACKAGES, ...more });
  const missing = packages.filter(([program]) => !isThere(program)).map(([, name]) => name);
  if (missing.length === 0) return;
  const wanted = missing.join(' and ');
  if (process.getuid?.() !== 0)
    throw permanent(`${wanted} missing: install with "apt-get install ${missing.join(' ')}", or run as root`);
  if (!onPath('apt-get'))
    throw permanent(`${wanted} missing and there is no apt-get here: put their programs on PATH`);
  say(`installing Debian's ${wanted} (their services are not started) ...`);
  installQuietly(missing);
  const still = packages.map(([program]) => program).filter((program) => !isThere(program));
  if (still.length > 0) throw permanent(`installed ${wanted}, but ${still.join(' and ')} is not there`);
}

/** Our own programs, by the name units call them, and their built files. */
const OWN = {
  convoyd: 'agent/daemon-main.js',
  convoyctl: 'cli/main.js',
  'zh-populate': 'jobs/populate-main.js',
  'zh-import-blobs': 'jobs/import-blobs-main.js',
  'zh-upload-dzis': 'jobs/upload-dzis-main.js',
  'zh-verify': 'jobs/verify-main.js',
  'zh-stats': 'cli/stats-main.js',
} as const;

/** A folder below `dir` with a link to each of our programs: put first on PATH, it makes a clone as good as installed. */
export function linkPrograms(dir: string): string {
  const folder = join(dir, 'bin');
  if (existsSync(folder)) return folder;
  mkdirSync(folder, { recursive: true });
  for (const [name, file] of Object.entries(OWN)) symlinkSync(ownFile(file), join(folder, name));
  return folder;
}

function isThere(program: string): boolean {
  return program.startsWith('/') ? existsSync(program) : onPath(program);
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function installQuietly(packages: readonly string[]): void {
  const ownPolicy = !existsSync(POLICY_FILE);
  if (ownPolicy) writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    apt(['update', '-q']);
    apt(['install', '-q', '-y', '--no-install-recommends', ...packages]);
  } finally {
    if (ownPolicy) rmSync(POLICY_FILE, { force: true });
  }
  // Not started now, and not at the next boot either.
  if (existsSync('/run/systemd/system'))
    spawnSync('systemctl', ['disable', ...servicesOf(packages)], { stdio: 'ignore' });
}

function servicesOf(packages: readonly string[]): string[] {
  const { stdout } = spawnSync('dpkg', ['-L', ...packages], { encoding: 'utf8' });
  return [...stdout.matchAll(/^\/(?:usr\/)?lib\/systemd\/system\/([^/]+\.service)$/gm)].map(
    ([, name = '']) => name,
  );
}

function apt(args: readonly string[]): void {
  const result = spawnSync('apt-get', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    encoding: 'utf8',
  });
  if (result.status !== 0)
    throw permanent(
      `apt-get ${args.join(' ')} failed: ${(result.stderr || result.stdout).trim().split('\n').at(-1)}`,
    );
}
