import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useGround } from '../../support/services.js';
import { alive, killHard, openSupervisor } from '../../support/supervisor.js';
import { until } from '../../support/until.js';
import { openPlacedCluster, startTestAgent } from './agent-kit.js';

const ground = useGround('agent-killed');

test('the agent killed: units, exit codes, restarts and logs go on, and the next agent adopts them', async () => {
  const dir = mkdtempSync(join(ground.dir, 'run-'));
  mkdirSync(join(dir, 'root'));
  const sh = (script: string): string => `[Service]\nExecStart=/bin/sh -c '${script}'\n`;
  const go = join(dir, 'go');
  const units = [
    { name: 'web.service', text: sh(`echo $$$$ >>${dir}/web; while :; do echo tick; sleep 0.05; done`) },
    { name: 'ends.service', text: sh(`while [ ! -e ${go} ]; do sleep 0.05; done; exit 3`) },
    {
      name: 'again.service',
      text: `${sh(`echo $$$$ >>${dir}/again; exec sleep 1000`)}Restart=always\nRestartSec=10ms\n`,
    },
  ];
  const script = join(import.meta.dirname, 'agent-process.ts');
  const child = ground.spawn('agent', process.execPath, [
    '--import',
    'tsx',
    script,
    dir,
    JSON.stringify(units),
  ]);
  const output = join(ground.dir, 'agent.log');
  await until('the agent has started all', () => readFileSync(output, 'utf8').includes('up\n'), 30_000);
  const pids = (file: string) => readFileSync(join(dir, file), 'utf8').trim().split('\n').map(Number);
  const [web] = pids('web') as [number];
  const [again] = pids('again') as [number];
  await killHard(child.pid as number);

  // Nobody but the supervisor is there now.
  writeFileSync(go, '');
  process.kill(again, 'SIGKILL');
  await until('the killed unit was brought back', () => pids('again').length === 2);
  expect(alive(web)).toBe(true);

  const manager = await openSupervisor(ground, dir);
  const log = async (): Promise<number> => {
    let count = 0;
    const all = { lines: 1_000_000, follow: false, output: 'cat' as const, since: null };
    for await (const _ of manager.log('web.service', all, new AbortController().signal)) count++;
    return count;
  };
  const cluster = await openPlacedCluster();
  const ticks = await log();
  // Placed before the agent looks: what is there is what should be.
  for (const { name, text } of units) await cluster.place(name, text);
  const agent = startTestAgent(cluster.client(), manager);
  const published = (name: string) =>
    until(`${name} is published`, async () => (await cluster.states(name))[0]);
  expect(await published('web.service')).toMatchObject({
    active: 'active',
    reached: 'launched',
    autoRestarts: 0,
  });
  await until('the exit is published', async () => (await cluster.states('ends.service'))[0]?.exit === '3');
  expect(await published('ends.service')).toMatchObject({ active: 'failed', reason: 'exited with code 3' });
  await until(
    'the restart is published',
    async () => (await cluster.states('again.service'))[0]?.autoRestarts === 1,
  );
  await until('the log goes on', async () => (await log()) > ticks);
  expect(pids('web')).toEqual([web]);
  expect(pids('again')).toHaveLength(2);

  await cluster.unplace('web.service');
  await until('the adopted unit is stopped', () => !alive(web));
  await agent.stop();
  expect(alive(pids('again')[1] as number)).toBe(true);
  for (const { name } of await manager.list()) await manager.unload(name);
  await manager.close();
  cluster.close();
});
