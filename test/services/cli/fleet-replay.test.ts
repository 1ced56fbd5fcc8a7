import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { startFakeFleet } from '../../support/fake-fleet.js';
import { ROOT } from '../../support/programs.js';
import { DIFFERENCES } from './differences.js';

/** Command lines given to fleetctl 1.0, given to convoyctl: the same texts and exit codes, but for what is listed. */

interface Step {
  readonly argv: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
}

interface Recording {
  readonly machines: readonly { id: string; ip: string; metadata: Record<string, string> }[];
  readonly steps: readonly Step[];
}

const FOLDER = join(ROOT, 'test/fixtures/fleetctl-1.0');
const FILES = readdirSync(FOLDER)
  .filter((name) => !name.startsWith('raw-'))
  .map((name) => name.replace('.json', ''));

test.concurrent.each(FILES)('%s ends as with fleetctl', async (name) => {
  const { machines, steps } = JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Recording;
  const fleet = await startFakeFleet(machines);
  try {
    const differences = DIFFERENCES[name];
    await differences?.before?.(fleet);
    for (const [number, step] of steps.entries()) {
      const difference = differences?.steps?.[number];
      const label = `${number}: ${step.argv.slice(1).join(' ')}`;
      const cwd = folderWith(fleet.dir, step.files);
      const env = { CONVOY_ENDPOINT: `unix://${fleet.socket}` };
      const result = await convoyctl(step.argv.slice(1), { cwd, env });
      await fleet.rest();
      if (difference?.unchecked) continue;
      const { stdout, stderr, exit } = { ...step, ...difference };
      expect({ label, ...unordered(result) }).toEqual({ label, ...unordered({ stdout, stderr, exit }) });
    }
  } finally {
    await fleet.stop();
  }
});

/** Several units are waited for at once: their lines may come in any order. */
function unordered({ stdout, stderr, exit }: CliResult): Record<string, unknown> {
  return { stdout: stdout.split('\n').sort(), stderr: stderr.split('\n'), exit };
}

function folderWith(parent: string, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(parent, 'cwd-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
