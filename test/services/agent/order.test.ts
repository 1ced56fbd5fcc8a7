import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedUnit, UnitManager } from '../../../agent/unit-manager.js';
import { unitOf } from '../../contracts/unit-manager.js';
import { useGround } from '../../support/services.js';
import { openSupervisor } from '../../support/supervisor.js';
import { until } from '../../support/until.js';

const ground = useGround('order');
let dir: string;
let manager: UnitManager;

beforeEach(async () => {
  dir = mkdtempSync(join(ground.dir, 'run-'));
  mkdirSync(join(dir, 'root'));
  manager = await openSupervisor(ground, dir);
});
afterEach(async () => {
  for (const { name } of await manager.list()) await manager.unload(name);
  await manager.close();
});

const start = (name: string) => manager.start(name, { environment: {}, restarts: 0 });
const find = async (name: string) => (await manager.list()).find((unit) => unit.name === name) as ManagedUnit;
const active = async (...names: string[]) =>
  Promise.all(names.map(async (name) => (await find(`${name}.service`)).active));
const events = (): string[] =>
  existsSync(join(dir, 'events')) ? readFileSync(join(dir, 'events'), 'utf8').split('\n').slice(0, -1) : [];
const note = (text: string, slow = ''): string => `/bin/sh -c '${slow} echo ${text} >>${dir}/events'`;

/** A unit that notes when it has come up and when it has gone down, both a little slow. */
const noting = (name: string, relations = '', more = '') =>
  manager.load(
    unitOf(
      `${name}.service`,
      `ExecStartPre=${note(`up-${name}`, 'sleep 0.1;')}\nExecStart=/bin/sleep 1000\nExecStopPost=${note(`down-${name}`, 'sleep 0.1;')}\n${more}`,
      relations,
    ),
  );

test('starts asked for together go in After= order, whichever is asked first', async () => {
  await noting('c', 'After=b.service');
  await noting('b', 'After=a.service');
  await noting('a');
  await Promise.all([start('c.service'), start('b.service'), start('a.service')]);
  expect(events()).toEqual(['up-a', 'up-b', 'up-c']);
});

test('stops asked for together go the other way round', async () => {
  await noting('a');
  await noting('b', 'After=a.service');
  await Promise.all([start('a.service'), start('b.service')]);
  await Promise.all([manager.stop('a.service'), manager.stop('b.service')]);
  expect(events().slice(2)).toEqual(['down-b', 'down-a']);
});

test('an order in a circle stops nobody', async () => {
  await noting('a', 'After=b.service');
  await noting('b', 'After=a.service');
  await Promise.all([start('a.service'), start('b.service')]);
  expect(await active('a', 'b')).toEqual(['active', 'active']);
});

describe('requirements', () => {
  test('what is required or wanted is started too, in order', async () => {
    await noting('db');
    await noting('cache');
    await noting(
      'app',
      'Requires=db.service\nWants=cache.service nowhere.service\nAfter=db.service cache.service',
    );
    await start('app.service');
    expect(await active('db', 'cache', 'app')).toEqual(['active', 'active', 'active']);
    expect(events().at(-1)).toBe('up-app');
    // The agent has not asked for these: it must not find that they should be stopped.
    expect((await find('db.service')).launched).toBe(false);
  });

  test('what is required and not here fails the start, by name', async () => {
    await noting('app', 'Requires=db.service');
    await expect(start('app.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('db.service'),
    });
    expect(await find('app.service')).toMatchObject({ active: 'inactive', launched: true });
  });

  test('what is required and fails takes the start with it; it comes up along with it later', async () => {
    await manager.load(
      unitOf(
        'db.service',
        `Restart=on-failure\nRestartSec=50ms\nExecStartPre=/bin/sh -c '[ -e ${dir}/go ]'\nExecStart=/bin/sleep 1000`,
      ),
    );
    await noting('app', 'Requires=db.service\nAfter=db.service');
    await expect(start('app.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('db.service'),
    });
    expect(events()).toEqual([]);
    writeFileSync(join(dir, 'go'), '');
    await until('app came up', async () => (await find('app.service')).active === 'active');
    expect(events()).toEqual(['up-app']);
  });

  test('a stop takes along what requires it or is part of it; a start brings those back', async () => {
    await noting('db');
    await noting('app', 'Requires=db.service\nAfter=db.service');
    await noting('side', 'PartOf=db.service');
    await Promise.all(['db', 'app', 'side'].map((name) => start(`${name}.service`)));
    await manager.stop('db.service');
    await until('all are down', async () =>
      (await active('db', 'app', 'side')).every((is) => is === 'inactive'),
    );
    expect(events().indexOf('down-app')).toBeLessThan(events().indexOf('down-db'));
    expect(await find('app.service')).toMatchObject({
      launched: true,
      reason: 'stopped along with db.service',
    });
    await start('db.service');
    await until('all are up', async () => (await active('db', 'app', 'side')).every((is) => is === 'active'));
  });

  test('what goes down slower than its requirement comes back comes back too', async () => {
    await noting('db');
    await manager.load(
      unitOf(
        'app.service',
        `ExecStart=/bin/sleep 1000\nExecStopPost=/bin/sh -c 'while [ ! -e ${dir}/go ]; do sleep 0.02; done'`,
        'Requires=db.service',
      ),
    );
    await start('app.service');
    await start('db.service');
    await manager.stop('db.service');
    await start('db.service');
    expect(await active('db', 'app')).toEqual(['active', 'deactivating']);
    writeFileSync(join(dir, 'go'), '');
    await until('both are up', async () => (await active('db', 'app')).every((is) => is === 'active'));
  });

  test('WantedBy= of [Install] brings a sidekick up with its unit; BindsTo= takes it down', async () => {
    await noting('app');
    const { text } = unitOf('mate.service', 'ExecStart=/bin/sleep 1000', 'BindsTo=app.service');
    const mate = `${text}\n[Install]\nWantedBy=app.service\n`;
    await manager.load({ name: 'mate.service', hash: 'mate', text: mate, leaseBound: false });
    await start('app.service');
    await until('both are up', async () => (await active('app', 'mate')).every((is) => is === 'active'));
    await manager.stop('app.service');
    await until('both are down', async () => (await active('app', 'mate')).every((is) => is === 'inactive'));
  });

  test('BindsTo= follows a unit that ends by itself', async () => {
    await manager.load(
      unitOf('db.service', `ExecStart=/bin/sh -c 'while [ ! -e ${dir}/end ]; do sleep 0.02; done'`),
    );
    await noting('app', 'BindsTo=db.service\nAfter=db.service');
    await start('app.service');
    writeFileSync(join(dir, 'end'), '');
    await until('both are down', async () => (await active('db', 'app')).every((is) => is === 'inactive'));
    expect(events()).toEqual(['up-app', 'down-app']);
  });

  test('Conflicts= stops the other first, whichever says so', async () => {
    await noting('old');
    await noting('new', 'Conflicts=old.service');
    await start('old.service');
    await start('new.service');
    expect(await active('old', 'new')).toEqual(['inactive', 'active']);
    expect(events()).toEqual(['up-old', 'down-old', 'up-new']);
    await start('old.service');
    expect(await active('old', 'new')).toEqual(['active', 'inactive']);
  });
});
