import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { LeaderTerm } from '../../../registry/registry.js';
import { aPlace, aUnit } from '../../contracts/registry-contract.js';
import { freeze } from '../../support/freeze.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';
import { blind, submitMany, useRegistries } from './registry-lab.js';

const TTL_MS = 3000;
const ground = useGround('leader');
const etcd = testEtcd(ground);
const open = useRegistries();
const forever = new AbortController().signal;
const uptime = (): number => Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1000;

/** Samples who trusts itself until stopped; answers how often nobody, one, and more than one did. */
function sampler(terms: () => readonly (LeaderTerm | undefined)[]): () => number[] {
  const counts = [0, 0, 0];
  const timer = setInterval(() => {
    const trusting = terms().filter((term) => term?.trusted()).length;
    counts[Math.min(2, trusting)]! += 1;
  }, 2);
  return () => {
    clearInterval(timer);
    return counts;
  };
}

describe('two leaders never both trust themselves, and never both commit', () => {
  it('when the leader is frozen with SIGSTOP', async () => {
    const { url, port } = await etcd;
    const other = await open(port, '/frozen/');
    const { generation } = await other.submitUnit('a.service', aUnit(), 'launched');
    const script = join(import.meta.dirname, 'leader-process.ts');
    const args = ['--import', 'tsx', script, url, '/frozen/', 'm1', String(TTL_MS)];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...ground.mark },
    });
    const facts: Record<string, unknown>[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => facts.push(JSON.parse(line)));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const fact = (name: string) => until(name, () => facts.find((one) => one.fact === name), 30_000);

    await fact('leads');
    const frozenAt = uptime();
    await freeze(child.pid ?? 0);
    const second = await other.campaign('m2', TTL_MS, forever);
    const electedAt = uptime();
    expect(electedAt - frozenAt).toBeLessThan(30_000);
    expect(await other.commit([aPlace('a.service', 'm2', generation)], second)).toEqual({
      ...{ kind: 'done', outcomes: ['committed'], revision: expect.any(Number) },
    });
    child.kill('SIGCONT');
    const over = await fact('over');
    expect(over.trustedAt).toBeLessThan(electedAt);
    expect(over.samples).toBeGreaterThanOrEqual(10);
    expect(await fact('commits')).toMatchObject({ honest: 'deposed', forced: 'deposed', trusted: false });
    await ended;
    expect((await other.readAll()).assigned.get('a.service')?.machine).toBe('m2');
  });

  it('when etcd is frozen with SIGSTOP', async () => {
    const server = await testEtcd(ground, { name: 'etcd-freezes' });
    const [one, two] = [await open(server.port, '/p/'), await open(server.port, '/p/')];
    const first = await one.campaign('m1', TTL_MS, forever);
    let second: LeaderTerm | undefined;
    void two.campaign('m2', TTL_MS, forever).then((term) => {
      second = term;
    });
    const stop = sampler(() => [first, second]);
    await server.freeze();
    await until('the first gives up', () => first.lost.aborted);
    expect(first.trusted()).toBe(false);
    server.thaw();
    await until('the second is elected', () => second, 30_000);
    const [, alone, both] = stop();
    expect(alone).toBeGreaterThan(0);
    expect(both).toBe(0);
    expect([first.trusted(), second?.trusted()]).toEqual([false, true]);
  });

  it('when the connection of the leader is black-holed', async () => {
    const { port } = await etcd;
    const [one, two] = [await open(port, '/hole/'), await open(port, '/hole/')];
    const { generation } = await one.submitUnit('a.service', aUnit(), 'launched');
    const first = await one.campaign('m1', TTL_MS, forever);
    let second: LeaderTerm | undefined;
    void two.campaign('m2', TTL_MS, forever).then((term) => {
      second = term;
    });
    const stop = sampler(() => [first, second]);
    one.proxy.blackHole();
    const late = one.commit([aPlace('a.service', 'm1', generation)], first);
    const elected = await until('the second is elected', () => second, 30_000);
    expect(await two.commit([aPlace('a.service', 'm2', generation)], elected)).toMatchObject({
      kind: 'done',
    });
    one.proxy.restore();
    expect(await late).toEqual({ kind: 'deposed' });
    await until('the first can speak again', () => one.readLeader().catch(() => undefined));
    expect(await one.commit([aPlace('a.service', 'm1', generation)], blind(first))).toEqual({
      kind: 'deposed',
    });
    const [, alone, both] = stop();
    expect(alone).toBeGreaterThan(0);
    expect(both).toBe(0);
    expect((await two.readAll()).assigned.get('a.service')?.machine).toBe('m2');
  });

  it('when a deposed leader goes on writing beside the new one', async () => {
    const { port } = await etcd;
    const [one, two] = [await open(port, '/beside/'), await open(port, '/beside/')];
    const mine = await submitMany(one, 300, 'm1');
    const theirs = mine.map(({ unit, generation }) => aPlace(unit, 'm2', generation));
    const first = await one.campaign('m1', TTL_MS, forever);
    const writing = one.commit(mine, blind(first));
    await first.resign();
    const second = await two.campaign('m2', TTL_MS, forever);
    const done = await two.commit(theirs, second);
    await writing;
    expect(await one.commit(mine, blind(first))).toEqual({ kind: 'deposed' });
    // Nothing but the fence speaks against this one, nor against collecting what `destroyed` leaves.
    const { generation } = await one.submitUnit('new.service', aUnit(), 'launched');
    await one.submitUnit('destroyed.service', aUnit('x'), 'launched');
    await one.destroyUnit('destroyed.service');
    expect(await one.commit([aPlace('new.service', 'm1', generation)], blind(first))).toEqual({
      kind: 'deposed',
    });
    expect(await one.collectContents(blind(first))).toBe(0);
    expect(await two.collectContents(second)).toBe(1);
    const all = await two.readAll();
    const outcomes = done.kind === 'done' ? done.outcomes : [];
    expect(all.assigned.size).toBe(300);
    for (const [i, { unit }] of theirs.entries()) {
      const machine = all.assigned.get(unit)?.machine;
      expect(machine).toBe(outcomes[i] === 'committed' ? 'm2' : 'm1');
      expect([...all.placements].filter(([, rows]) => rows.has(unit)).map(([id]) => id)).toEqual([machine]);
    }
  });
});
