import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority of a test, with its files in a folder of its own. */
export interface Authority extends Certificate {
  /**
   * A certificate for servers at, and clients from, these (`IP:127.0.0.1`, `DNS:localhost`). `unit`: the OU of its
   * subject.
   */
  issue(name: string, addresses: string, unit?: string): Certificate;
}

/** Makes an authority whose certificates hold for a day. */
export function makeAuthority(dir: string): Authority {
  mkdirSync(dir, { recursive: true });
  const make = (name: string, subject: string, ...more: readonly string[]): Certificate => {
    const [cert, key] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
    const args = ['req', '-x509', '-nodes', '-days', '1', '-subj', subject];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    execFileSync('openssl', [...args, ...curve, '-keyout', key, '-out', cert, ...more], { stdio: 'pipe' });
    return { cert, key };
  };
  const own = make('authority', '/CN=authority');
  return {
    ...own,
    issue: (name, addresses, unit) =>
      make(
        name,
        `/CN=${name}${unit === undefined ? '' : `/OU=${unit}`}`,
        ...['-CA', own.cert, '-CAkey', own.key, '-addext', `subjectAltName=${addresses}`],
        ...['-addext', 'basicConstraints=critical,CA:FALSE'],
      ),
  };
}
