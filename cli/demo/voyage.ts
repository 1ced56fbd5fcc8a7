import { readFile } from 'node:fs/promises';
import type { Ground } from '../../agent/ground.js';
import { MAX_DESCRIPTOR_BYTES, readDescriptor } from '../../jobs/descriptor.js';
import { descriptorKey } from '../../jobs/pyramid.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { FailureRecord, ImageGeometry, OperatorQueue } from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import { permanent, transient } from '../../runtime/errors.js';
import { silentLog } from '../../runtime/log.js';
import { openDestination, openSource } from '../../stores/open.js';
import type { ReadableStore } from '../../stores/store.js';
import { openClient } from '../client.js';
import { cutPower, type DemoMachine, startMachine, writeSettings } from './cluster.js';
import { compareStores } from './compare.js';
import { report } from './report.js';
import { convoyctlAt } from './shell.js';
import { watch } from './watch.js';

export interface Voyage {
  readonly ground: Ground;
  readonly etcd: string;
  readonly source: string;
  /** Path of the file with the ids. */
  readonly ids: string;
  readonly destination: string;
  /** null: as fast as it goes. */
  readonly maxRps: number | null;
  readonly calm: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const MIGRATION = 'demo';
const SHIPPED = 'units/shipped';
/** For what takes a second or two on a machine that has nothing else to do. */
const PATIENCE_MS = 120_000;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** The whole of it, from three machines to the verdict. Answers the exit code. */
export async function voyage(options: Voyage): Promise<number> {
  const { clock, signal } = options;
  const machines = await startMachines(options);
  const [first] = machines as [DemoMachine];
  const convoyctl = convoyctlAt(first.endpoint, signal);
  await convoyctl('list-machines');

  await convoyctl('start', `${SHIPPED}/zh-redis.service`);
  const redis = await redisUrl(first.endpoint, options);
  await convoyctl('services');
  await convoyctl(
    'migration',
    'create',
    MIGRATION,
    '--source',
    options.source,
    '--destination',
    options.destination,
    '--create-container',
    // Small ranges, so that all four importers have work in a migration this small.
    ...['--range-size', '100'],
  );
  const started = clock.steady();
  await convoyctl('submit', `${SHIPPED}/zh-import-blobs@.service`, `${SHIPPED}/zh-upload-dzis@.service`);
  if (options.maxRps !== null)
    say(
      `\nImporters are held to ${options.maxRps} tiles/s each by their own --max-rps (ZH_MAX_RPS in zh-import-blobs.env),\n` +
        'so that there is something to watch; --full-speed leaves that out.',
    );
  await convoyctl(
    'start',
    `${SHIPPED}/zh-populate.service`,
    ...[1, 2, 3, 4].map((instance) => `zh-import-blobs@${instance}.service`),
    ...['zh-upload-dzis@1.service', `${SHIPPED}/zh-stats.service`],
  );
  await convoyctl('list-units');

  const queue = new RedisQueue({ locate: () => Promise.resolve(redis), timeoutMs: 5000 });
  try {
    say('');
    const status = await watch({
      status: () => queue.status(MIGRATION),
      places: () => placesOf(first.endpoint, machines),
      halfWay: () => (options.calm ? Promise.resolve() : loseOne(machines, first)),
      out: process.stdout,
      clock,
      signal,
    });
    const seconds = (clock.steady() - started) / 1000;
    await convoyctl('migration', 'status', MIGRATION);
    await convoyctl('migration', 'failures', MIGRATION);
    await convoyctl('journal', '--lines=3', 'zh-stats.service');
    await convoyctl('list-units');
    say('\nComparing every object at the destination with the source, byte for byte ...\n');
    const source = await openSource(options.source, { log: silentLog, env: process.env });
    const destination = await openDestination(options.destination, { log: silentLog, env: process.env });
    const ids = await readFile(options.ids, 'utf8');
    const failures = await allFailures(queue);
    const verdict = report(
      status,
      await compareStores(ids, source, destination),
      failures,
      await geometriesOf(failures, source),
      seconds,
    );
    say(verdict.text);
    say(verdict.accountedFor ? 'Everything is accounted for.' : 'NOT everything is accounted for.');
    return verdict.accountedFor ? 0 : 1;
  } finally {
    await queue.close();
  }
}

async function startMachines(options: Voyage): Promise<DemoMachine[]> {
  say('Starting three machines: each a convoyd of its own, with the supervisor in place of systemd.');
  const machines = await Promise.all(
    ['a', 'b', 'c'].map((name) => startMachine(options.ground, name, options.etcd)),
  );
  for (const machine of machines) {
    writeSettings(machine, 'zh-populate.env', { ZH_IDS: options.ids });
    if (options.maxRps !== null)
      writeSettings(machine, 'zh-import-blobs.env', { ZH_MAX_RPS: `${options.maxRps}` });
  }
  await eventually('three machines to join', options, async () => {
    const client = openClient((machines as [DemoMachine])[0].endpoint);
    try {
      return (await client.machines()).length === machines.length || null;
    } finally {
      await client.close();
    }
  });
  return machines;
}

/** Where service discovery says Redis is. */
function redisUrl(endpoint: string, options: Voyage): Promise<string> {
  return eventually('service redis', options, async () => {
    const client = openClient(endpoint);
    try {
      const [entry] = await client.services('redis');
      return entry === undefined ? null : `redis://${entry.host}:${entry.port}`;
    } finally {
      await client.close();
    }
  });
}

async function eventually<T>(
  what: string,
  { clock, signal }: Voyage,
  probe: () => Promise<T | null>,
): Promise<T> {
  const deadline = clock.steady() + PATIENCE_MS;
  while (clock.steady() < deadline) {
    const value = await probe().catch(() => null);
    if (value !== null) return value;
    await clock.sleep(100, signal);
  }
  throw transient(`waited ${PATIENCE_MS / 1000} s in vain for ${what}`);
}

/** `a: zh-redis zh-import-blobs@2 | b: lost | c: -`, of the units that run. */
async function placesOf(endpoint: string, machines: readonly DemoMachine[]): Promise<string> {
  const client = openClient(endpoint);
  try {
    const [states, live] = await Promise.all([client.states(), client.machines()]);
    return machines
      .map(({ name, id }) => {
        if (!live.some((machine) => machine.id === id)) return `${name}: lost`;
        const units = states.filter(
          (state) => state.machineID === id && state.systemdActiveState === 'active',
        );
        return `${name}: ${units.map((state) => state.name.replace(/\.service$/, '')).join(' ') || '-'}`;
      })
      .join(' | ');
  } finally {
    await client.close();
  }
}

/** Cuts the power of a machine that runs importers but neither zh-redis nor the endpoint we talk to. */
async function loseOne(machines: readonly DemoMachine[], keep: DemoMachine): Promise<void> {
  const client = openClient(keep.endpoint);
  try {
    const states = await client.states();
    const runs = (machine: DemoMachine, unit: string): boolean =>
      states.some((state) => state.machineID === machine.id && state.name.startsWith(unit));
    const victim = machines.find(
      (machine) => machine !== keep && !runs(machine, 'zh-redis') && runs(machine, 'zh-import-blobs'),
    );
    if (victim === undefined)
      throw permanent('no machine runs importers but not zh-redis: the placement is wrong');
    process.stdout.write(
      `${process.stdout.isTTY ? '\r\x1b[K' : ''}\nHalf-way. Cutting the power of machine ${victim.name}: SIGKILL to its convoyd, ` +
        'supervisor and units.\nTheir claims run out and are taken over; after its lease and grace its units come up elsewhere.\n\n',
    );
    cutPower(victim);
  } finally {
    await client.close();
  }
}

async function allFailures(queue: OperatorQueue): Promise<FailureRecord[]> {
  const failures: FailureRecord[] = [];
  for await (const failure of queue.failures(MIGRATION, {})) failures.push(failure);
  return failures;
}

/** The geometry of each image with a failure, read from its descriptor at the source. */
async function geometriesOf(
  failures: readonly FailureRecord[],
  source: ReadableStore,
): Promise<Map<string, ImageGeometry>> {
  const geometries = new Map<string, ImageGeometry>();
  for (const id of new Set(failures.filter(({ lane }) => lane === 'tiles').map(({ image }) => image))) {
    const reading = readDescriptor((await source.read(descriptorKey(id), MAX_DESCRIPTOR_BYTES)).bytes);
    if ('geometry' in reading) geometries.set(id, reading.geometry);
  }
  return geometries;
}
