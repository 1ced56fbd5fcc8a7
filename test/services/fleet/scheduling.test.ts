import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  activeOn,
  ctl,
  destroyAll,
  readUnits,
  untilActive,
  untilMachines,
} from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';

/** What fleet's own functional suite showed of its scheduling (tests 14 to 23), on three hosts with systemd. */
const openHosts = useHosts();
let hosts: Hosts;
beforeAll(async () => {
  hosts = await openHosts({
    count: 3,
    settings: () => ({ CONVOY_TTL: '3s', CONVOY_GRACE: '1s' }),
  });
  await untilMachines(hosts.host(1), 3);
}, 120_000);
afterEach(() => destroyAll(first()));

const first = () => hosts.host(1);
const write = (name: string, ...fleet: string[]): string => {
  const more = fleet.length === 0 ? '' : `\n[X-Fleet]\n${fleet.join('\n')}\n`;
  hosts.unit(name, `[Service]\nExecStart=/bin/sleep infinity\n${more}`);
  return name;
};
const start = (...units: string[]) => ctl(first(), 'start', ...units);
const startWithoutWaiting = (...units: string[]) => ctl(first(), 'start', '--no-block', ...units);
const destroy = (...units: string[]) => ctl(first(), 'destroy', ...units);
const reasonOf = async (unit: string): Promise<string> => {
  const { stdout } = await ctl(first(), 'list-unit-files', '--no-legend', '--fields=unit,reason');
  return stdout.split('\n').find((line) => line.startsWith(`${unit}\t`) || line.startsWith(`${unit} `)) ?? '';
};

describe('MachineOf', () => {
  it('keeps pairs together, also when their machine is lost (14)', async () => {
    const pings = [0, 1, 2].map((n) => write(`ping.${n}.service`));
    const pongs = [0, 1, 2].map((n) => write(`pong.${n}.service`, `MachineOf=ping.${n}.service`));
    await start(...pings, ...pongs);
    const at = await untilActive(first(), [...pings, ...pongs]);
    for (const n of [0, 1, 2]) expect(at.get(`pong.${n}.service`)).toBe(at.get(`ping.${n}.service`));
    expect(new Set(at.values()).size).toBe(3);

    const lost = hosts.host(3);
    const moving = [...at].filter(([, machine]) => machine === lost.machineId).map(([unit]) => unit);
    const staying = [...at].filter(([, machine]) => machine !== lost.machineId);
    expect(moving).toHaveLength(2);
    await lost.cutPower();
    const after = await until(
      'the pair has moved',
      async () => {
        const active = await activeOn(first());
        const there = moving.map((unit) => active.get(unit)?.filter((id) => id !== lost.machineId)[0]);
        return there.every((machine) => machine !== undefined) ? there : undefined;
      },
      30_000,
    );
    expect(after[0]).toBe(after[1]);
    const active = await activeOn(first());
    for (const [unit, machine] of staying) expect(active.get(unit)).toEqual([machine]);
    await lost.boot();
    await untilMachines(first(), 3);
  }, 120_000);
});

describe('Conflicts', () => {
  it('of five that exclude each other three run, on three machines (15)', async () => {
    const units = [0, 1, 2, 3, 4].map((n) => write(`conflict.${n}.service`, 'Conflicts=conflict.*.service'));
    await startWithoutWaiting(...units);
    const active = await until('three are active', async () => {
      const found = await activeOn(first());
      return found.size === 3 ? found : undefined;
    });
    expect(new Set([...active.values()].flat()).size).toBe(3);
    expect(await readUnits(first())).toEqual(units);
    const waiting = units.find((unit) => !active.has(unit)) as string;
    expect(await reasonOf(waiting)).toMatch(/0 of 3 machines: 3 conflict with conflict\.\d\.service/);
  }, 60_000);

  it('declared by one side only holds for both (16)', async () => {
    write('hello.service');
    await start('hello.service');
    const at = (await untilActive(first(), ['hello.service'])).get('hello.service');
    const { name } = hosts.all.find(({ machineId }) => machineId === at) as Host;
    write('conflicts-with-hello.service', 'Conflicts=hello.service', `MachineMetadata=host=${name}`);
    await startWithoutWaiting('conflicts-with-hello.service');
    await until('it says why it waits', async () =>
      (await reasonOf('conflicts-with-hello.service')).includes('conflicts with hello.service'),
    );
    await destroy('hello.service');
    expect((await untilActive(first(), ['conflicts-with-hello.service'])).size).toBe(1);
  }, 60_000);

  it('several patterns may stand on one line or on several (17)', async () => {
    const units = [
      write(
        'conflict.multiple.0.service',
        'Conflicts=conflict.multiple.1.service conflict.multiple.2.service',
      ),
      write(
        'conflict.multiple.1.service',
        'Conflicts=conflict.multiple.0.service',
        'Conflicts=conflict.multiple.2.service',
      ),
      write('conflict.multiple.2.service'),
    ];
    await start(...units);
    expect(new Set((await untilActive(first(), units)).values()).size).toBe(3);
  }, 60_000);
});

describe('Replaces', () => {
  it('takes the place of the unit it names, which goes elsewhere (18)', async () => {
    write(
      'replace.0.service',
      `MachineMetadata=host=${first().name}`,
      `MachineMetadata=host=${hosts.host(2).name}`,
    );
    await start('replace.0.service');
    const before = (await untilActive(first(), ['replace.0.service'])).get('replace.0.service') as string;
    const name = hosts.all.find(({ machineId }) => machineId === before)?.name as string;
    write('replace-kick0.service', 'Replaces=replace.0.service', `MachineMetadata=host=${name}`);
    await start('replace-kick0.service');
    const after = await until('both are active', async () => {
      const active = await activeOn(first());
      const [kicked] = active.get('replace.0.service') ?? [];
      const [kicker] = active.get('replace-kick0.service') ?? [];
      return kicked !== undefined && kicked !== before && kicker === before ? { kicked, kicker } : undefined;
    });
    expect(after.kicked).not.toBe(after.kicker);
  }, 60_000);

  it('of two that replace each other nobody moves (19)', async () => {
    const units = [
      write('circle.0.service', 'Replaces=circle.1.service'),
      write('circle.1.service', 'Replaces=circle.0.service'),
    ];
    await start(...units);
    const at = await untilActive(first(), units);
    expect(at.size).toBe(2);
    expect(await readUnits(first())).toEqual(units);
  }, 60_000);
});

describe('a place by name', () => {
  it('MachineID= puts each unit on its machine (20)', async () => {
    const units = hosts.all.map(({ machineId, name }) =>
      write(`pin-${name}.service`, `MachineID=${machineId}`),
    );
    await start(...units);
    const at = await untilActive(first(), units);
    expect(units.map((unit) => at.get(unit))).toEqual(hosts.all.map(({ machineId }) => machineId));
  }, 60_000);

  it('MachineMetadata= with %i puts each instance where it names, and says why it cannot (23)', async () => {
    write('metadata@.service', 'MachineMetadata=host=%i');
    await ctl(first(), 'submit', 'metadata@.service');
    const units = hosts.all.map(({ name }) => `metadata@${name}.service`);
    await start(...units);
    const at = await untilActive(first(), units);
    expect(units.map((unit) => at.get(unit))).toEqual(hosts.all.map(({ machineId }) => machineId));
    const invalid = await first().convoyctl('start', '--block-attempts=1', 'metadata@nowhere.service');
    expect(invalid.code).toBe(1);
    expect(invalid.stderr).toContain('0 of 3 machines: 3 lack host=nowhere');
  }, 60_000);
});

describe('Global', () => {
  it('runs on every machine beside others, also after a restart (21)', async () => {
    write('hello.service');
    write('goodbye.service');
    write('global.service', 'Global=true');
    await start('hello.service', 'goodbye.service');
    await start('global.service');
    const five = () =>
      until('five are active', async () => {
        const active = await activeOn(first());
        return [...active.values()].flat().length === 5 ? active : undefined;
      });
    expect((await five()).get('global.service')).toEqual(hosts.all.map(({ machineId }) => machineId).sort());
    const pids = () =>
      Promise.all(hosts.all.map((host) => host.ask('systemctl', 'show', '-P', 'MainPID', 'global.service')));
    const before = await pids();
    expect((await ctl(first(), 'status', 'global.service')).stdout).toContain('global.service');
    await ctl(first(), 'restart', 'global.service');
    const after = await until('each copy is another process', async () => {
      const now = await pids();
      return now.every((pid, index) => pid !== before[index] && pid !== '0\n') ? now : undefined;
    });
    expect(after).toHaveLength(3);
    await five();
  }, 60_000);

  it('a second one that conflicts with the first runs nowhere (22)', async () => {
    const [one, two] = [0, 1].map((n) =>
      write(`conflict-global.${n}.service`, 'Global=true', 'Conflicts=conflict-global.*.service'),
    ) as [string, string];
    await start(one);
    await until('the first is everywhere', async () => (await activeOn(first())).get(one)?.length === 3);
    await startWithoutWaiting(two);
    await until('the second says why', async () => (await reasonOf(two)).includes(`3 conflict with ${one}`));
    expect((await activeOn(first())).get(two)).toBeUndefined();
  }, 60_000);
});
