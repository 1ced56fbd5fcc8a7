import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { TargetState } from '../../../units/state.js';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { program, ROOT } from '../../support/programs.js';
import { until } from '../../support/until.js';
import { isElided, RECORDINGS, type Request, type Setup, type Step } from '../api/fleet-recording.js';
import { DIFFERENCES } from './differences.js';

/**
 * Every command line given to fleetctl 1.0, given to convoyctl by the name of fleetctl: the same stdout, stderr and exit
 * code, but for what is listed.
 */

interface CliStep extends Step {
  readonly files: Readonly<Record<string, string>>;
  readonly stdout: string;
  readonly stderr: string;
  /** null: it was still waiting when the recorder ended it. */
  readonly exit: number | null;
}

interface CliRecording {
  readonly machines: readonly { id: string; ip: string; metadata: Record<string, string> }[];
  readonly steps: readonly CliStep[];
}

const FOLDER = join(ROOT, 'test/fixtures/fleetctl-1.0');
const readRecording = (name: string): CliRecording =>
  JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as CliRecording;
const isFleetctl = ({ argv }: Step): boolean => argv[0] === 'fleetctl';
const NAMES = RECORDINGS.filter((name) => readRecording(name).steps.some(isFleetctl));

test.concurrent.each(NAMES)('%s ends as with fleetctl', async (name) => {
  const { machines, steps } = readRecording(name);
  const fleet = await startFakeFleet(machines);
  const link = join(fleet.dir, 'fleetctl');
  symlinkSync(program('cli/main.js'), link);
  writeFileSync(join(fleet.dir, 'ssh'), '#!/bin/sh\necho "ssh: this test has none" >&2\nexit 255\n', {
    mode: 0o755,
  });
  const { before, steps: differences = {} } = DIFFERENCES[name] ?? {};
  try {
    await before?.(fleet);
    for (const [number, step] of steps.entries()) {
      if (step.setup !== undefined) await setUp(fleet, step.setup, step);
      if (!isFleetctl(step)) {
        for (const one of step.exchanges) if (!isElided(one)) await send(fleet.url, one.request);
        continue;
      }
      const difference = differences[number];
      const argv = step.argv.slice(1).filter((word) => !word.startsWith('--endpoint='));
      const cwd = folderWith(fleet.dir, step.files);
      const waiting = new AbortController();
      const run = convoyctl(argv, {
        ...{ program: link, cwd, signal: waiting.signal },
        env: { FLEETCTL_ENDPOINT: `unix://${fleet.socket}`, PATH: `${fleet.dir}:${process.env.PATH}` },
      });
      if (step.exit === null) await onceWaiting(fleet, argv.at(-1) ?? '').then(() => waiting.abort());
      const result = await run;
      await fleet.rest();
      const label = `${number}: ${argv.join(' ')}`;
      const { stdout, stderr, exit } = { ...step, ...difference };
      if (typeof stdout !== 'string') expect(result.stdout).toMatch(stdout);
      const text = typeof stdout === 'string' ? named(stdout, result.stdout) : result.stdout;
      const expected = { stdout: text, stderr, exit };
      expect({ label, ...comparable(result) }).toEqual({ label, ...comparable(expected) });
    }
  } finally {
    await fleet.stop();
  }
});

test('no command line is left out, and every difference is one of a recorded step', () => {
  const steps = NAMES.flatMap((name) => readRecording(name).steps.filter(isFleetctl));
  expect({ files: NAMES.length, commands: steps.length }).toEqual({ files: 27, commands: 240 });
  for (const [name, { steps: differences = {} }] of Object.entries(DIFFERENCES))
    for (const number of Object.keys(differences))
      expect(readRecording(name).steps[Number(number)]?.argv[0]).toBe('fleetctl');
});

/** Several units are waited for at once: their lines may come in any order. A line of the log has a date and a source. */
function comparable({ stdout, stderr, exit }: CliResult): Record<string, unknown> {
  const dated = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d ([A-Z]+) \S+:/;
  return {
    stdout: stdout.split('\n').sort(),
    stderr: stderr.split('\n').map((line) => line.replace(dated, '$1')),
    exit,
  };
}

/** Of several units fleetctl named the machine of some only, as it happened: we name it always. */
function named(recorded: string, ours: string): string {
  const lines = ours.split('\n');
  return recorded
    .split('\n')
    .map((line) =>
      /^Unit \S+ (loaded|launched)$/.test(line)
        ? (lines.find((one) => one.startsWith(`${line} on `)) ?? line)
        : line,
    )
    .join('\n');
}

/** It has asked for all that it asks for, and nothing comes of it. */
async function onceWaiting(fleet: FakeFleet, unit: string): Promise<void> {
  await until('the unit to be wanted', async () => (await targetOf(fleet, unit)) === 'launched');
  await fleet.rest();
}

async function targetOf({ registry }: FakeFleet, unit: string): Promise<TargetState | undefined> {
  return (await registry.readAll()).units.get(unit)?.target;
}

/** What the recorder did itself: units made or destroyed, by number. */
async function setUp(
  { registry, rest }: FakeFleet,
  { note, units, like }: Setup,
  { exchanges }: Step,
): Promise<void> {
  const [, first, last] = /-(\d+)\.service to .*-(\d+)\.service$/.exec(units ?? '') ?? [];
  // Their names are in the note; how they are is in the list that follows.
  const list = exchanges.flatMap((one) => (isElided(one) ? [] : (one.response.body?.units ?? [])));
  if (note.startsWith('PUT by the recorder, launched'))
    for (const { name, options } of list) await registry.submitUnit(name, { options }, 'launched');
  for (let number = Number(first); number <= Number(last); number++) {
    const name = `tiny-${String(number).padStart(3, '0')}.service`;
    if (note.startsWith('DELETE')) await registry.destroyUnit(name);
    if (like === undefined) continue;
    const options = like.options.map((option) => ({
      ...option,
      value: option.value.replace('9001', String(9000 + number)),
    }));
    await registry.submitUnit(name, { options }, like.desiredState as TargetState);
  }
  await rest();
}

async function send(url: string, { method, path, headers, body, text }: Request): Promise<void> {
  const type = headers['content-type'];
  await fetch(new URL(path, url), {
    method,
    headers: type === undefined ? {} : { 'content-type': String(type) },
    ...(body === undefined && text === undefined ? {} : { body: text ?? JSON.stringify(body) }),
  });
}

function folderWith(parent: string, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(parent, 'cwd-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
