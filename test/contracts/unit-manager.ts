import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedUnit, UnitManager } from '../../agent/unit-manager.js';
import type { Clock } from '../../runtime/clock.js';
import { parse } from '../../units/parse.js';
import { hashOf } from '../../units/unit-file.js';
import type { LogOptions } from '../../units/unit-log.js';
import { until } from '../support/until.js';

/** What the suite needs of an implementation: a manager, and another one for the same machine after it was closed. */
export interface UnitManagerUnderTest {
  readonly manager: UnitManager;
  /** The manager's own, for `holdLease`. */
  readonly clock: Clock;
  reopen(): Promise<UnitManager>;
  /** It knows when each line was written, and by whom. */
  readonly keepsTimes?: true;
  close(): Promise<void>;
}

/**
 * The contract of the seam agent/unit-manager.ts. Commands are true, false, echo and sleep: all that a fake has to
 * know; `isFake`: it plays them, and what needs real processes is not asked of it.
 */
export function unitManagerContract(
  name: string,
  open: () => Promise<UnitManagerUnderTest>,
  isFake = false,
): void {
  describe(`unit manager contract: ${name}`, () => {
    let under: UnitManagerUnderTest;
    let manager: UnitManager;

    beforeEach(async () => {
      under = await open();
      manager = under.manager;
    });
    afterEach(() => under.close());

    const load = async (unit: string, service: string, about = '') => {
      await manager.load(unitOf(unit, service, about));
      await manager.daemonReload();
    };
    const start = (unit: string, restarts = 0, environment: Record<string, string> = {}) =>
      manager.start(unit, { environment, restarts });
    const find = async (unit: string): Promise<ManagedUnit | undefined> =>
      (await manager.list()).find((other) => other.name === unit);
    const untilUnit = (unit: string, what: string, holds: (state: ManagedUnit) => boolean) =>
      until(`${unit} ${what}`, async () => {
        const state = await find(unit);
        return state !== undefined && holds(state) ? state : undefined;
      });
    async function lines(
      unit: string,
      count: number | null,
      { output = 'cat', since = null }: Partial<LogOptions> = {},
    ): Promise<string[]> {
      const got: string[] = [];
      const options = { lines: count, follow: false, output, since };
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

    test('what cannot be run as written is refused with the reason, and is not there', async () => {
      const error = await load('web.service', 'ExecReload=/bin/true').catch((e) => e);
      expect(error).toMatchObject({ kind: 'permanent', code: 'refused' });
      expect(error.message).toContain('ExecStart=');
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
      await load(
        'web.service',
        'Restart=on-failure\nRestartSec=1ms\nExecStart=/bin/false',
        'StartLimitIntervalSec=0',
      );
      await start('web.service').catch(() => undefined);
      await untilUnit('web.service', 'came back twice', ({ autoRestarts }) => autoRestarts >= 2);
      await manager.stop('web.service');
      const stopped = await find('web.service');
      // Failed if it ended badly, of its own, while it was being stopped.
      expect(['inactive', 'failed']).toContain(stopped?.active);
      expect(stopped?.launched).toBe(false);
    });

    test('too many starts are a failure of their own; a start that is asked for counts anew', async () => {
      await load(
        'job.service',
        'Type=oneshot\nRestart=on-failure\nRestartSec=1ms\nExecStart=/bin/echo run\nExecStart=/bin/false',
        'StartLimitIntervalSec=60s\nStartLimitBurst=3',
      );
      const hit = ({ active, reason }: ManagedUnit) =>
        active === 'failed' && reason.split('\n')[0]?.includes('start-limit-hit') === true;
      for (const runs of [3, 6]) {
        await start('job.service').catch(() => undefined);
        await untilUnit('job.service', 'has started too often', hit);
        expect(await lines('job.service', 10)).toEqual(Array(runs).fill('run'));
      }
    });

    test('a failed unit says why: a summary, then the last lines of its log', async () => {
      const echoes = ['1', '2', '3', '4', '5', '6', '7'].map((text) => `ExecStart=/bin/echo ${text}`);
      await load('job.service', `Type=oneshot\n${echoes.join('\n')}\nExecStart=/bin/false`);
      await expect(start('job.service')).rejects.toMatchObject({ code: 'failed' });
      const { reason } = await untilUnit('job.service', 'has a reason of six lines', (state) =>
        state.reason.includes('\n3\n4\n5\n6\n7'),
      );
      expect(reason.split('\n').slice(1)).toEqual(['3', '4', '5', '6', '7']);
      expect(reason.split('\n')[0]).toContain('code 1');
    });

    test('a reload runs ExecReload=, and the unit goes on', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000\nExecReload=/bin/true');
      await start('web.service');
      await manager.reload('web.service');
      expect(await find('web.service')).toMatchObject({ active: 'active', sub: 'running', autoRestarts: 0 });
    });

    test('a reload that fails says so, and the unit goes on', async () => {
      await load('web.service', 'ExecStart=/bin/sleep 1000\nExecReload=/bin/false');
      await start('web.service');
      await expect(manager.reload('web.service')).rejects.toMatchObject({
        kind: 'permanent',
        code: 'failed',
      });
      expect(await find('web.service')).toMatchObject({ active: 'active', sub: 'running', autoRestarts: 0 });
    });

    test('what has no ExecReload=, does not run, or is not there cannot be reloaded', async () => {
      const failed = { kind: 'permanent', code: 'failed' };
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service');
      await expect(manager.reload('web.service')).rejects.toMatchObject(failed);
      await load('down.service', 'ExecStart=/bin/sleep 1000\nExecReload=/bin/true');
      await expect(manager.reload('down.service')).rejects.toMatchObject(failed);
      await expect(manager.reload('none.service')).rejects.toMatchObject({
        kind: 'permanent',
        code: 'not-found',
      });
    });

    // The only case that holds a lease: it begins without one.
    test('a lease-bound unit runs while a lease is held, and no longer', async () => {
      const { clock } = under;
      const over = { kind: 'transient', code: 'lease-over' };
      const passed = (time: number) => until('that time has passed', () => clock.steady() > time);
      await load('web.service', 'ExecStart=/bin/sleep 1000');
      await start('web.service');
      await manager.load({ ...unitOf('bound.service', 'ExecStart=/bin/sleep 1000'), leaseBound: true });
      await manager.daemonReload();
      await expect(start('bound.service')).rejects.toMatchObject(over);
      expect(await find('bound.service')).toMatchObject({ active: 'inactive', launched: false });
      await manager.holdLease(clock.steady() - 1);
      await expect(start('bound.service')).rejects.toMatchObject(over);

      const first = clock.steady() + 2000;
      await manager.holdLease(first);
      await start('bound.service');
      const second = first + 3000;
      await manager.holdLease(second);
      await manager.holdLease(first);
      await passed(first + 500);
      expect(await find('bound.service')).toMatchObject({ active: 'active', launched: true });

      await manager.close();
      await passed(second);
      manager = await under.reopen();
      await untilUnit('bound.service', 'was stopped', ({ active }) => active === 'inactive');
      expect(await find('bound.service')).toMatchObject({ launched: false });
      expect(await find('web.service')).toMatchObject({ active: 'active', launched: true });
      await expect(start('bound.service')).rejects.toMatchObject(over);

      await manager.holdLease(clock.steady() + 3000);
      expect(await find('bound.service')).toMatchObject({ active: 'inactive' });
      await start('bound.service');
      expect(await find('bound.service')).toMatchObject({ active: 'active', launched: true });
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

    test('the log as JSON has a line each, with the message', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/echo one \'"two"\'');
      await start('job.service');
      const messages = (await lines('job.service', null, { output: 'json' })).map(
        (line) => (JSON.parse(line) as { MESSAGE: string }).MESSAGE,
      );
      expect(messages).toContain('one "two"');
    });

    test('the log since a time, and with times: as journalctl has it, or refused', async () => {
      await load(
        'job.service',
        'Type=oneshot\nExecStart=/bin/echo one\nExecStart=/bin/echo two\nExecStart=/bin/echo three',
      );
      await start('job.service');
      const refused = { kind: 'permanent', code: 'refused' };
      if (under.keepsTimes !== true) {
        await expect(lines('job.service', 5, { since: '-1h' })).rejects.toMatchObject(refused);
        await expect(lines('job.service', 5, { output: 'short' })).rejects.toMatchObject(refused);
        return;
      }
      expect(await lines('job.service', null, { since: '-1h' })).toEqual(['one', 'two', 'three']);
      expect(await lines('job.service', 2, { since: '-1h' })).toEqual(['two', 'three']);
      expect(await lines('job.service', null, { since: '2037-01-01 00:00:00' })).toEqual([]);
      expect(await lines('job.service', 2, { since: '2037-01-01' })).toEqual([]);
      await expect(lines('job.service', 5, { since: 'the day after' })).rejects.toMatchObject(refused);
      expect((await lines('job.service', 100, { output: 'short' })).join('\n')).toMatch(
        /^\w{3} \d\d \d\d:\d\d:\d\d \S+ echo\[\d+\]: three$/m,
      );
      expect((await lines('job.service', 100, { output: 'short-iso' })).join('\n')).toMatch(
        /^\d{4}-\d\d-\d\dT[\d:+]+ \S+ systemd\[1\]: (Started|Finished) .*job\.service/m,
      );
    });

    test('a followed log goes on with what comes', async () => {
      await load('job.service', 'Type=oneshot\nExecStart=/bin/echo one');
      await start('job.service');
      const done = new AbortController();
      const got: string[] = [];
      const following = (async () => {
        for await (const line of manager.log(
          'job.service',
          { lines: 5, follow: true, output: 'cat', since: null },
          done.signal,
        ))
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

    if (isFake) return;
    describe('with real processes', () => {
      test('ExecReload= knows the main process', async () => {
        await load(
          'web.service',
          `ExecStart=/bin/sh -c 'trap "echo again" HUP; echo up; while :; do sleep 0.05; done'\n` +
            'ExecReload=/bin/kill -HUP $MAINPID',
        );
        await start('web.service');
        await until('it is up', async () => (await lines('web.service', 1))[0] === 'up');
        await manager.reload('web.service');
        await until('it was told', async () => (await lines('web.service', 1))[0] === 'again');
      });

      test('Type=forking: up when its command has ended and the PID file names its main process', async () => {
        await load(
          'web.service',
          'Type=forking\nPIDFile=%t/convoy-contract.pid\n' +
            `ExecStart=/bin/sh -c '(sleep 0.5; echo $$$$ >/dev/null; exec sleep 1000) & sleep 0.2; echo $! >%t/convoy-contract.pid'\n` +
            'ExecReload=/bin/echo main $MAINPID',
        );
        await start('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'active', sub: 'running', exit: null });
        await manager.reload('web.service');
        await until('it knows its main process', async () =>
          /^main \d+$/.test((await lines('web.service', 1))[0] ?? ''),
        );
        await manager.stop('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'inactive', sub: 'dead' });
      });

      test('Type=forking without a PID file: the main process is the one that is left', async () => {
        await load('web.service', `Type=forking\nExecStart=/bin/sh -c 'sleep 1 & exit 0'`);
        await start('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'active', sub: 'running' });
        await untilUnit('web.service', 'is not up any more', ({ active }) => active !== 'active');
      });

      test('Type=forking fails with its command', async () => {
        await load('web.service', `Type=forking\nExecStart=/bin/sh -c 'sleep 1000 & exit 4'`);
        await expect(start('web.service')).rejects.toMatchObject({ code: 'failed' });
        expect(await find('web.service')).toMatchObject({ active: 'failed', exit: '4' });
      });

      test('Type=notify: up when it says READY=1, and not before', async () => {
        await load('web.service', `Type=notify\nExecStart=${says('sleep 1', 'READY=1', 'sleep 1000')}`);
        let isUp = false;
        const starting = start('web.service').then(() => {
          isUp = true;
        });
        await untilUnit('web.service', 'is starting', ({ sub }) => sub === 'start');
        expect(isUp).toBe(false);
        await starting;
        expect(await find('web.service')).toMatchObject({ active: 'active', sub: 'running' });
        await manager.stop('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'inactive', exit: 'SIGTERM' });
      });

      test('Type=notify: the end before READY=1 is a failure, clean or not', async () => {
        await load('web.service', 'Type=notify\nExecStart=/bin/true');
        await expect(start('web.service')).rejects.toMatchObject({ code: 'failed' });
        expect(await find('web.service')).toMatchObject({ active: 'failed', exit: '0' });
      });

      test('Type=notify: without READY=1 the start takes too long', async () => {
        await load('web.service', 'Type=notify\nTimeoutStartSec=500ms\nExecStart=/bin/sleep 1000');
        await expect(start('web.service')).rejects.toMatchObject({ code: 'failed' });
        expect(await find('web.service')).toMatchObject({ active: 'failed' });
      });

      test('Type=notify: messages of other processes count only if NotifyAccess= says so', async () => {
        const child = `/bin/sh -c "${says('READY=1').replaceAll('"', '\\"')} & exec sleep 1000"`;
        await load('web.service', `Type=notify\nTimeoutStartSec=2s\nExecStart=${child}`);
        await expect(start('web.service')).rejects.toMatchObject({ code: 'failed' });
        await load('all.service', `Type=notify\nNotifyAccess=all\nExecStart=${child}`);
        await start('all.service');
        expect(await find('all.service')).toMatchObject({ active: 'active' });
      });

      test('User=, Group= and SupplementaryGroups= say whom it runs as; + is left out of it', async () => {
        await load(
          'job.service',
          'Type=oneshot\nUser=daemon\nGroup=nogroup\nSupplementaryGroups=adm\nWorkingDirectory=/\n' +
            'ExecStart=/usr/bin/id -un\nExecStart=/usr/bin/id -gn\nExecStart=/usr/bin/id -Gn\n' +
            "ExecStart=/bin/sh -c 'echo $$USER $$HOME'\nExecStart=+/usr/bin/id -un",
        );
        await start('job.service');
        const [user, group, groups, env, plus] = await until('its output', async () => {
          const got = await lines('job.service', 5);
          return got.length === 5 ? got : undefined;
        });
        expect([user, group, plus]).toEqual(['daemon', 'nogroup', 'root']);
        expect(groups?.split(' ').sort()).toEqual(['adm', 'nogroup']);
        expect(env).toBe('daemon /usr/sbin');
      });

      test('KillMode=process stops the main process alone, KillSignal= says how', async () => {
        await load(
          'web.service',
          `KillMode=process\nKillSignal=SIGUSR1\nExecStart=/bin/sh -c '(trap "" USR1; for i in 1 2 3 4 5 6; do sleep 0.5; done; echo late) & trap "echo told; exit 0" USR1; echo up; while :; do sleep 0.05; done'`,
        );
        await start('web.service');
        await until('it is up', async () => (await lines('web.service', 1))[0] === 'up');
        await manager.stop('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'inactive', exit: '0' });
        await until('the other process went on', async () => (await lines('web.service', 1))[0] === 'late');
        expect(await lines('web.service', 10)).toEqual(['up', 'told', 'late']);
      });

      test('KillMode=mixed asks the main process, and kills the others after it', async () => {
        await load(
          'web.service',
          `KillMode=mixed\nExecStart=/bin/sh -c '(trap "echo told" TERM; while :; do sleep 0.05; done) & trap "echo main; exit 0" TERM; echo up; while :; do sleep 0.05; done'`,
        );
        await start('web.service');
        await until('it is up', async () => (await lines('web.service', 1))[0] === 'up');
        await manager.stop('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'inactive', exit: '0' });
        expect(await lines('web.service', 10)).toEqual(['up', 'main']);
      });

      test('SendSIGKILL=no leaves alone what does not listen', async () => {
        await load(
          'web.service',
          `TimeoutStopSec=300ms\nSendSIGKILL=no\nExecStart=/bin/sh -c 'trap "" TERM; echo up; for i in 1 2 3 4; do sleep 0.5; done; echo late'`,
        );
        await start('web.service');
        await until('it is up', async () => (await lines('web.service', 1))[0] === 'up');
        await manager.stop('web.service');
        expect(await find('web.service')).toMatchObject({ active: 'failed', launched: false });
        await until('it went on', async () => (await lines('web.service', 1))[0] === 'late');
      });
    });
  });
}

/** A unit to load, from the lines of its [Service] section. */
export function unitOf(name: string, service: string, unit = '') {
  const text = `${unit === '' ? '' : `[Unit]\n${unit}\n\n`}[Service]\n${service}\n`;
  return { name, hash: hashOf(parse(text).unit), text, leaseBound: false };
}

/** A command that does each of these: `sleep SECONDS`, or says anything else on $NOTIFY_SOCKET. */
function says(...steps: string[]): string {
  const script = steps.map((step) =>
    step.startsWith('sleep ')
      ? `${step};`
      : `send(S, q(${step}), 0, pack_sockaddr_un($$ENV{NOTIFY_SOCKET})) or die;`,
  );
  return `/usr/bin/perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0); ${script.join(' ')}'`;
}
