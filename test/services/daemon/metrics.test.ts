import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { type TestMachine, testMachine } from '../../support/fleet.js';
import { ROOT } from '../../support/programs.js';
import { type Family, lintMetrics, parseMetrics, sample } from '../../support/prometheus-text.js';
import { startProxy } from '../../support/proxy.js';
import { testEtcd, useGround } from '../../support/services.js';
import { askOver, getOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

const ground = useGround('metrics');
let etcd: Awaited<ReturnType<typeof startProxy>>;
let machine: TestMachine;
let socket: string;

/** The first cells of the tables; what begins with convoy_zh_ is of other programs. */
const DOCUMENTED = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `') && !line.startsWith('| `convoy_zh_'))
  .flatMap((line) => line.split(' | ')[0]?.match(/\w+/g) ?? [])
  .sort();

beforeAll(async () => {
  etcd = await startProxy((await testEtcd(ground)).port);
  machine = await testMachine(ground, 'c', `http://127.0.0.1:${etcd.port}`);
  socket = join(machine.dir, 'run/api.sock');
  // A machine may lead before it has joined; a unit that is asked for in between is counted as one nobody takes.
  await until('a leader that has joined', async () => {
    const text = await getOver(socket, '/metrics').catch(() => '');
    return text.includes('\nconvoy_leader 1\n') && text.includes('\nconvoy_lease_held 1\n');
  });
  return () => etcd.close();
});

async function metrics(): Promise<ReadonlyMap<string, Family>> {
  return parseMetrics(await getOver(socket, '/metrics'));
}

/** How far each series has moved when it has moved by as much as is said, or further. */
async function moves(
  expected: Readonly<Record<string, number>>,
  happening: () => Promise<unknown>,
): Promise<void> {
  const before = await metrics();
  await happening();
  let last: Record<string, number> = {};
  await until('the numbers to move', async () => {
    const after = await metrics();
    last = Object.fromEntries(
      Object.keys(expected).map((series) => [series, sample(after, series) - sample(before, series)]),
    );
    return Object.entries(expected).every(([series, by]) => (last[series] ?? 0) >= by);
  }).catch(() => expect(last).toEqual(expected));
}

/** Asks the API for a unit, as fleet's clients do. */
async function want(unit: string, options: readonly [string, string, string][], state = 'launched') {
  const body = JSON.stringify({
    desiredState: state,
    options: options.map(([section, name, value]) => ({ section, name, value })),
  });
  const headers = { 'content-type': 'application/json' };
  const { status } = await askOver(socket, `/fleet/v1/units/${unit}`, { method: 'PUT', headers, body });
  expect(status).toBe(201);
}

const RUNS: [string, string, string] = ['Service', 'ExecStart', '/bin/sleep 1000'];

test('every metric that is documented is there, and no other; promtool would not complain', async () => {
  const { status, headers } = await askOver(socket, '/metrics');
  expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  const families = await metrics();
  expect([...families.keys()].sort()).toEqual(DOCUMENTED);
  const own = new Map([...families].filter(([name]) => !name.startsWith('fleet_')));
  expect(lintMetrics(own)).toEqual([]);
});

test('units that read only see them too; nobody can change them', async () => {
  const reader = join(machine.dir, 'run/read.sock');
  expect(parseMetrics(await getOver(reader, '/metrics')).has('convoy_leader')).toBe(true);
  expect((await askOver(socket, '/metrics', { method: 'PUT' })).status).toBe(405);
});

test('a unit that is placed and started moves what tells of it, from the request to the task', async () => {
  await moves(
    {
      'fleet_engine_task_count_total{type="attemptscheduleunit"}': 1,
      fleet_engine_reconcile_count_total: 1,
      fleet_engine_reconcile_duration_second_count: 1,
      convoy_scheduler_reconcile_duration_seconds_count: 1,
      'convoy_scheduler_decisions_total{kind="place",outcome="committed"}': 1,
      convoy_scheduling_latency_seconds_count: 1,
      convoy_agent_reconcile_duration_seconds_count: 1,
      'convoy_agent_tasks_total{kind="load",outcome="done"}': 1,
      'convoy_agent_tasks_total{kind="start",outcome="done"}': 1,
      'convoy_agent_task_duration_seconds_count{kind="start"}': 1,
      'fleet_registry_operation_count_total{type="set"}': 2,
      'fleet_registry_operation_duration_second_count{ops="set"}': 2,
      'convoy_etcd_requests_total{operation="txn",outcome="ok"}': 2,
      'convoy_etcd_request_duration_seconds_count{operation="txn"}': 2,
      'convoy_etcd_bytes_total{direction="out",operation="txn"}': 200,
      'convoy_etcd_requests_total{operation="watch",outcome="ok"}': 1,
      'convoy_api_request_duration_seconds_count{method="PUT",route="/fleet/v1/units/:name",status="201"}': 1,
    },
    () => want('good.service', [RUNS]),
  );
  const now = await metrics();
  expect(sample(now, 'convoy_scheduling_latency_seconds_sum')).toBeGreaterThan(0);
  expect(sample(now, 'convoy_scheduling_latency_seconds_sum')).toBeLessThan(10);
  expect(sample(now, 'fleet_engine_task_failure_count_total{type="attemptscheduleunit"}')).toBe(0);
  // fleet counted one of these for every healthy unit in every round, and every round twice.
  expect(sample(now, 'fleet_engine_reconcile_failure_count_total{type="schedule"}')).toBe(0);
  expect(sample(now, 'fleet_engine_reconcile_count_total')).toBe(
    sample(now, 'fleet_engine_reconcile_duration_second_count'),
  );
});

test('a unit that is taken away moves the other half', () =>
  moves(
    {
      'fleet_engine_task_count_total{type="unscheduleunit"}': 1,
      'convoy_scheduler_decisions_total{kind="unplace",outcome="committed"}': 1,
      'convoy_agent_tasks_total{kind="unload",outcome="done"}': 1,
      'convoy_api_request_duration_seconds_count{method="DELETE",route="/fleet/v1/units/:name",status="204"}': 1,
    },
    () => askOver(socket, '/fleet/v1/units/good.service', { method: 'DELETE' }),
  ));

test('a start that fails and a unit that has to leave are counted as that', async () => {
  const fails: [string, string, string] = ['Service', 'ExecStartPre', '/bin/false'];
  await moves({ 'convoy_agent_tasks_total{kind="start",outcome="failed"}': 1 }, () =>
    want('fails.service', [fails, RUNS]),
  );
  await moves({ 'fleet_engine_reconcile_failure_count_total{type="run"}': 1 }, async () => {
    await want('picky.service', [RUNS, ['X-Fleet', 'MachineMetadata', 'host=c']]);
    await until('it is placed', async () =>
      (await askOver(socket, '/fleet/v1/units/picky.service')).body.includes(machine.id),
    );
    const path = `/${machine.id}/metadata/host`;
    const body = JSON.stringify([{ op: 'replace', path, value: 'other' }]);
    const headers = { 'content-type': 'application/json' };
    const { status } = await askOver(socket, '/fleet/v1/machines', { method: 'PATCH', headers, body });
    expect(status).toBe(204);
  });
});

test('a unit that no machine takes is pending, by reason, until it is not wanted any more', async () => {
  const reason = 'convoy_pending_units{reason="metadata"}';
  const before = sample(await metrics(), reason);
  await moves({ [reason]: 1, 'fleet_engine_reconcile_failure_count_total{type="schedule"}': 1 }, () =>
    want('lonely.service', [RUNS, ['X-Fleet', 'MachineMetadata', 'disk=ssd']]),
  );
  await askOver(socket, '/fleet/v1/units/lonely.service', { method: 'DELETE' });
  await until('nothing is pending', async () => sample(await metrics(), reason) === before);
  const reasons = [...((await metrics()).get('convoy_pending_units')?.samples.keys() ?? [])];
  expect(reasons).toContain('convoy_pending_units{reason="no-machine"}');
  expect(reasons.length).toBe(14);
});

test('what callers make up is no label', async () => {
  const before = (await metrics()).get('convoy_api_request_duration_seconds')?.samples.size ?? 0;
  for (let i = 0; i < 20; i++) {
    await askOver(socket, `/v1/units/made-up-${i}.service`);
    await askOver(socket, `/made/up/${i}`);
    await askOver(socket, '/v1/units', { method: 'PROPFIND' });
  }
  const { samples } = (await metrics()).get('convoy_api_request_duration_seconds')!;
  const SERIES = 15;
  expect(samples.size - before).toBeLessThanOrEqual(4 * SERIES);
  expect([...samples.keys()].filter((series) => /made/.test(series))).toEqual([]);
  expect([...samples.keys()].some((series) => series.includes('method="other",route="/v1/units"'))).toBe(
    true,
  );
  expect([...samples.keys()].some((series) => series.includes('route="none"'))).toBe(true);
});

test('this process tells of itself', async () => {
  const now = await metrics();
  expect(Math.abs(sample(now, 'process_start_time_seconds') - Date.now() / 1000)).toBeLessThan(600);
  expect(sample(now, 'process_resident_memory_bytes')).toBeGreaterThan(10e6);
  expect(sample(now, 'process_open_fds')).toBeGreaterThan(10);
  expect(sample(now, 'process_cpu_seconds_total')).toBeGreaterThan(0.1);
  const started = sample(now, 'fleet_engine_leader_start_time');
  expect(started).toBeGreaterThanOrEqual(sample(now, 'process_start_time_seconds'));
  expect(started).toBeLessThan(Date.now() / 1000);
});

test('with etcd away the lease runs out before everybody, /healthz stays well and /readyz says why it is not', async () => {
  const ready = await askOver(socket, '/readyz');
  expect([ready.status, JSON.parse(ready.body)]).toEqual([
    200,
    {
      status: 'ok',
      leader: machine.id,
      checks: ['registry', 'joined', 'unit-manager', 'hold'].map((name) => ({
        name,
        ok: true,
        reason: null,
      })),
    },
  ]);
  const before = await metrics();
  expect(sample(before, 'convoy_lease_held')).toBe(1);
  expect(sample(before, 'convoy_lease_trusted_seconds')).toBeGreaterThan(0);
  expect(sample(before, 'convoy_lease_trusted_seconds')).toBeLessThanOrEqual(3);
  onTestFinished(() => etcd.restore());
  etcd.cut();
  await moves(
    {
      'convoy_etcd_requests_total{operation="range",outcome="failed"}': 1,
      'fleet_registry_operation_failed_count_total{type="get"}': 1,
      'convoy_api_request_duration_seconds_count{method="GET",route="/readyz",status="503"}': 1,
    },
    async () => {
      const away = await until('it is not ready', async () => {
        const answer = await askOver(socket, '/readyz');
        const { checks } = JSON.parse(answer.body) as {
          checks: { name: string; ok: boolean; reason: string }[];
        };
        return (
          answer.status === 503 &&
          checks.every(({ name, ok }) => ok === /unit-manager|hold/.test(name)) &&
          checks
        );
      });
      expect(away[0]?.reason).toContain('etcd at http://127.0.0.1:');
      expect(away[1]?.reason).toMatch(/has not confirmed the lease|cannot join|session was lost/);
      expect((await askOver(socket, '/healthz')).status).toBe(200);
    },
  );
  const now = await metrics();
  expect(sample(now, 'convoy_lease_held')).toBe(0);
  expect(sample(now, 'convoy_lease_trusted_seconds')).toBe(0);
  await until('the leadership ends', async () => sample(await metrics(), 'convoy_leader') === 0);
  const over = await metrics();
  expect(sample(over, 'fleet_engine_leader_start_time')).toBe(0);
  expect([...(over.get('convoy_pending_units')?.samples ?? [])]).toEqual([]);
  etcd.restore();
  await until('it is ready again', async () => (await askOver(socket, '/readyz')).status === 200, 20_000);
  expect(sample(await metrics(), 'convoy_lease_held')).toBe(1);
});
