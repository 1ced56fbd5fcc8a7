import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedUnit, UnitManager } from '../../agent/unit-manager.js';
import { parse } from '../../units/parse.js';
import { hashOf } from '../../units/unit-file.js';
import { until } from '../support/until.js';

/** What the suite needs of an implementation: a manager, and another one for the same machine after it was closed. */
export interface UnitManagerUnderTest {
  readonly manager: UnitManager;
  reopen(): Promise<UnitManager>;
  close(): Promise<void>;
}

/**
 * The contract of the seam agent/unit-manager.ts. Commands are true, false, echo and sleep: all that a fake has to
 * know.
 */
export function unitManagerContract(name: string, open: () => Promise<UnitManagerUnderTest>): void {
  describe(`unit manager contract: ${name}`, () => {
    let under: UnitManagerUnderTest;
    let manager: UnitManager;

    beforeEach(async () => {
      under = await open();
      manager = under.manager;
    });
    afterEach(() => under.close());

    const load = (unit: string, lines: string) => manager.load(unitOf(unit, lines));
    const start = (unit: string, restarts = 0, environment: Record<string, string> = {}) =>
      manager.start(unit, { environment, restarts });
    const find = async (unit: string): Promise<ManagedUnit | undefined> =>
      (await manager.list()).find((other) => other.name === unit);
    const untilUnit = (unit: string, what: string, holds: (state: ManagedUnit) => boolean) =>
      until(`${unit} ${what}`, async () => {
        const state = await find(unit);
        return state !== undefined && holds(state) ? state : undefined;
      });
    async function lines(unit: string, count: number): Promise<string[]> {
      const got: string[] = [];
      const options = { lines: count, follow: false };
      for await (const line of manager.log(unit, options, new AbortController().signal)) got.push(line);
      return got;
    }

    test('a loaded unit is listed, and does not run', async () => {
      expect(await manager.list()).toEqual([]);
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await manager.daemonReload();
      expect(await manager.list()).toMatchObject([
        {
          name: 'web.service',
          hash: unitOf('web.service', 'ExecStart=/bin/sleep 1000').hash,
          load: 'loaded',
          active: 'inactive',
          sub: 'dead',
          launched: false,
        },
      ]);
    });

    test('a started unit runs; what it was started with is remembered', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service', 7, { PORT: '8080' });
      expect(await find('web.service')).toMatchObject({
        active: 'active',
        sub: 'running',
        launched: true,
        restarts: 7,
        environment: { PORT: '8080' },
        exit: null,
        autoRestarts: 0,
      });
    });

    test('starting a running unit changes nothing about its process', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service');
      const before = await find('web.service');
      await start('web.service');
      expect(await find('web.service')).toEqual(before);
    });

    test('a stopped unit is inactive; stopping it again resolves', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service');
      await manager.stop('web.service');
      const stopped = { active: 'inactive', sub: 'dead', launched: false, exit: 'SIGTERM' };
      expect(await find('web.service')).toMatchObject(stopped);
      await manager.stop('web.service');
      expect(await find('web.service')).toMatchObject(stopped);
    });

    test('a stopped unit can be started again', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service', 1);
      await manager.stop('web.service');
      await start('web.service', 2);
      expect(await find('web.service')).toMatchObject({ active: 'active', restarts: 2, exit: null });
    });

    test('unloading stops and forgets; an unknown unit resolves', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service');
      await manager.unload('web.service');
      expect(await manager.list()).toEqual([]);
      await manager.unload('web.service');
    });

    test('another version replaces a stopped one', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await load('web.service', 'ExecStart=/bin/sleep 2000');
      const { hash } = unitOf('web.service', 'ExecStart=/bin/sleep 2000');
      expect(await manager.list()).toMatchObject([{ name: 'web.service', hash }]);
    });

    test('a unit that is not loaded cannot be started or stopped', async () => {
      const unknown = { kind: 'permanent', code: 'not-found' };
      await expect(start('web.service')).rejects.toMatchObject(unknown);
      await expect(manager.stop('web.service')).rejects.toMatchObject(unknown);
    });

    test('what cannot be run as written is refused by name, and is not there', async () => {
      const error = await load('web.service', 'ExecStart=/bin/sleep 1\nNoSuchOption=1').catch((e) => e);
      expect(error).toMatchObject({ kind: 'permanent', code: 'refused' });
      expect(error.message).toContain('NoSuchOption');
      expect(await manager.list()).toEqual([]);
    });

    test('the start of a oneshot resolves when it has exited', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/true');
      await start('job.service');
      expect(await find('job.service')).toMatchObject({
        active: 'inactive',
        sub: 'dead',
        launched: true,
        exit: '0',
      });
    });

    test('a oneshot that remains is active after its exit, until it is stopped', async () => {
      await load('job.service', 'Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true');
      await start('job.service');
      expect(await find('job.service')).toMatchObject({ active: 'active', sub: 'exited' });
      await manager.stop('job.service');
      expect(await find('job.service')).toMatchObject({ active: 'inactive', sub: 'dead' });
    });

    test('a start that fails says so, and counts as asked for', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/false');
      await expect(start('job.service', 3)).rejects.toMatchObject({ kind: 'permanent', code: 'failed' });
      expect(await find('job.service')).toMatchObject({
        active: 'failed',
        sub: 'failed',
        launched: true,
        restarts: 3,
        exit: '1',
      });
      expect((await find('job.service'))?.reason).toContain('code 1');
    });

    test('a failed unit can be started again', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/false');
      await expect(start('job.service')).rejects.toMatchObject({ code: 'failed' });
      await expect(start('job.service')).rejects.toMatchObject({ code: 'failed' });
    });

    test('without Restart= a unit that ends badly has failed', async () => {
      await load('web.service', 'ExecStart=/bin/false');
      await start('web.service').catch(() => undefined);
      await untilUnit('web.service', 'has failed', ({ active, exit }) => active === 'failed' && exit === '1');
    });

    test('with Restart= it is brought back, again and again', async () => {
      await load('web.service', 'Restart=on-failure\nRestartSec=1ms\nExecStart=/bin/false');
      await start('web.service').catch(() => undefined);
      await untilUnit('web.service', 'came back twice', ({ autoRestarts }) => autoRestarts >= 2);
      await manager.stop('web.service');
      expect(await find('web.service')).toMatchObject({ active: 'inactive', launched: false });
    });

    test('changes are announced to each listener', async () => {
      const done = new AbortController();
      const heard = [0, 0];
      const listening = heard.map(async (_, index) => {
        for await (const _change of manager.changes(done.signal)) heard[index] = (heard[index] ?? 0) + 1;
      });
      await manager.list();
      const before = [...heard];
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await until('both heard of the load', () => heard.every((count, i) => count > (before[i] ?? 0)));
      const loaded = [...heard];
      await start('web.service');
      await until('both heard of the start', () => heard.every((count, i) => count > (loaded[i] ?? 0)));
      done.abort();
      await Promise.all(listening);
    });

    test('the log has the output, a line each; the last ones if asked for', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/echo one\nExecStart=/bin/echo two three');
      await start('job.service');
      expect(await lines('job.service', 10)).toEqual(['one', 'two three']);
      expect(await lines('job.service', 1)).toEqual(['two three']);
      expect(await lines('job.service', 0)).toEqual([]);
    });

    test('a followed log goes on with what comes', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/echo one');
      await start('job.service');
      const done = new AbortController();
      const got: string[] = [];
      const following = (async () => {
        for await (const line of manager.log('job.service', { lines: 5, follow: true }, done.signal))
          got.push(line);
      })();
      await until('the old line', () => got.length === 1);
      await start('job.service');
      await until('the new line', () => got.length === 2);
      done.abort();
      await following;
      expect(got).toEqual(['one', 'one']);
    });

    test('units outlive the manager that started them; the next one lists them', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service', 4, { PORT: '81' });
      const before = await find('web.service');
      await manager.close();
      manager = await under.reopen();
      expect(await find('web.service')).toEqual(before);
      await manager.stop('web.service');
      expect(await find('web.service')).toMatchObject({ active: 'inactive', exit: 'SIGTERM' });
    });
  });
}

/** A unit to load, from the lines of its [Service] section. */
export function unitOf(name: string, service: string, unit = '') {
  const text = `${unit === '' ? '' : `[Unit]\n${unit}\n\n`}[Service]\n${service}\n`;
  return { name, hash: hashOf(parse(text).unit), text, leaseBound: false };
}
