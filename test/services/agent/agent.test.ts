import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { until } from '../../support/until.js';
import { type AgentKit, agentKit, HOST, MACHINE } from './agent-kit.js';

let kit: AgentKit;
beforeEach(async () => {
  kit = await agentKit();
});
afterEach(() => kit.end());

const unit = (service = 'ExecStart=/bin/sleep 1000', more = '') => `[Service]\n${service}\n${more}`;
const BROKEN = unit('Type=oneshot\nExecStart=/bin/false');
const list = () => kit.units.manager().list();
const find = async (name: string) => (await list()).find((other) => other.name === name);
const untilActive = (name: string) =>
  until(`${name} is active`, async () => {
    const state = await find(name);
    return state?.active === 'active' ? state : undefined;
  });
const untilState = (name: string, active: string) =>
  until(`${name} is published as ${active}`, async () => {
    const [state] = await kit.states(name);
    return state?.active === active ? state : undefined;
  });
const untilCalled = (call: string, times = 1) =>
  until(`${call}, ${times} times`, () => kit.units.calls.filter((one) => one === call).length >= times);
/** Everything the agent had to do by now is done: a unit placed after it has come up. */
async function fence(name = 'fence.service'): Promise<void> {
  await kit.place(name, unit());
  await untilActive(name);
}

describe('a placement', () => {
  test('is loaded, started with what a unit has to know, and published', async () => {
    await kit.place('web.service', unit(), { restarts: 2 });
    expect(await untilActive('web.service')).toMatchObject({
      restarts: 2,
      environment: {
        CONVOY_API: 'unix:///run/read.sock',
        CONVOY_MACHINE: MACHINE,
        CONVOY_UNIT: 'web.service',
      },
    });
    expect(await untilState('web.service', 'active')).toMatchObject({
      machine: MACHINE,
      hash: (await find('web.service'))?.hash,
      load: 'loaded',
      sub: 'running',
      reached: 'launched',
      reason: '',
    });
  });

  test('to load is not started', async () => {
    await kit.place('web.service', unit(), { target: 'loaded' });
    expect(await untilState('web.service', 'inactive')).toMatchObject({ reached: 'loaded' });
    expect(kit.units.calls).toEqual(['load web.service', 'daemon-reload']);
  });

  test('is said to be heard of; while one version takes the place of another its state stays', async () => {
    await kit.place('web.service', unit());
    const first = await untilState('web.service', 'active');
    expect(first.heard).toBeGreaterThan(0);
    kit.units.holdStop('web.service');
    await kit.place('web.service', unit('ExecStart=/bin/sleep 2000'));
    await untilCalled('unload web.service');
    await fence();
    expect(await kit.states('web.service')).toMatchObject([{ hash: first.hash, active: 'active' }]);
    kit.units.holdLoad('web.service');
    kit.units.letStop('web.service');
    const failed = await untilState('web.service', 'inactive');
    expect(failed).toMatchObject({ load: 'error', reason: 'web.service: no space left on device' });
    expect(failed.heard).toBeGreaterThan(first.heard);
    expect(failed.hash).not.toBe(first.hash);
    await kit.unplace('web.service');
    await until('the state is taken back', async () => (await kit.states('web.service')).length === 0);
  });

  test('that changes its target or its version is followed', async () => {
    await kit.place('web.service', unit());
    await untilState('web.service', 'active');
    await kit.place('web.service', unit(), { target: 'loaded' });
    await untilState('web.service', 'inactive');
    await kit.place('web.service', unit('ExecStart=/bin/sleep 2000'));
    await untilState('web.service', 'active');
    expect(kit.units.calls.filter((call) => call !== 'daemon-reload')).toEqual([
      'load web.service',
      'start web.service',
      'stop web.service',
      'unload web.service',
      'load web.service',
      'start web.service',
    ]);
  });

  test('with a higher restart counter is restarted once', async () => {
    await kit.place('web.service', unit());
    await untilActive('web.service');
    await kit.place('web.service', unit(), { restarts: 1 });
    await untilCalled('start web.service', 2);
    await fence();
    expect(kit.units.calls.filter((call) => call.endsWith(' web.service'))).toEqual([
      'load web.service',
      'start web.service',
      'stop web.service',
      'start web.service',
    ]);
  });

  test('that goes is unpublished only when the unit is really gone', async () => {
    await kit.place('web.service', unit());
    await untilState('web.service', 'active');
    kit.units.holdStop('web.service');
    await kit.unplace('web.service');
    await untilCalled('unload web.service');
    await fence();
    await untilState('fence.service', 'active');
    expect(await kit.states('web.service')).toHaveLength(1);
    kit.units.letStop('web.service');
    await until('it is unpublished', async () => (await kit.states('web.service')).length === 0);
    expect(await find('web.service')).toBeUndefined();
  });
});

describe('what goes wrong', () => {
  test('a start that fails is published with its reason and not tried again by the agent', async () => {
    await kit.place('job.service', BROKEN);
    expect(await untilState('job.service', 'failed')).toMatchObject({
      reached: 'launched',
      exit: '1',
      reason: 'exited with code 1',
    });
    await fence();
    await fence('fence2.service');
    expect(kit.units.calls.filter((call) => call === 'start job.service')).toHaveLength(1);
    await kit.place('job.service', BROKEN, { restarts: 1 });
    await untilCalled('start job.service', 2);
  });

  test('a unit that is refused is published with the reason and loaded again only when it changes', async () => {
    await kit.place('bad.service', unit('ExecStart=/bin/true', 'WatchdogSec=5\n'));
    const [state] = await until('the refusal is published', async () => {
      const states = await kit.states('bad.service');
      return states.length > 0 ? states : undefined;
    });
    expect(state).toMatchObject({ load: 'error', active: 'inactive', reached: 'loaded' });
    expect(state?.reason).toContain('WatchdogSec=');
    await fence();
    expect(kit.units.calls.filter((call) => call === 'load bad.service')).toHaveLength(1);
    await kit.place('bad.service', unit());
    expect(await untilState('bad.service', 'active')).toMatchObject({ load: 'loaded' });
  });

  test('a refused unit that goes is unpublished', async () => {
    await kit.place('bad.service', unit('ExecStart=/bin/true', 'WatchdogSec=5\n'));
    await until('the refusal is published', async () => (await kit.states('bad.service')).length > 0);
    await kit.unplace('bad.service');
    await until('it is unpublished', async () => (await kit.states('bad.service')).length === 0);
  });

  test("one unit's failure or slow stop holds up no other", async () => {
    await kit.place('slow.service', unit());
    await untilActive('slow.service');
    kit.units.holdStop('slow.service');
    await kit.place('slow.service', unit(), { restarts: 1 });
    await untilCalled('stop slow.service');
    await Promise.all([kit.place('a.service', BROKEN), kit.place('b.service', unit())]);
    await untilActive('b.service');
    await untilState('a.service', 'failed');
    expect(kit.units.calls.filter((call) => call === 'start slow.service')).toHaveLength(1);
    kit.units.letStop('slow.service');
    await untilCalled('start slow.service', 2);
  });

  test('a unit manager that is away for a while is asked again', async () => {
    kit.units.cut();
    await kit.place('web.service', unit());
    kit.units.restore();
    await untilState('web.service', 'active');
  });
});

describe('the registry', () => {
  test('on hold: nothing is touched, and status says why', async () => {
    await kit.place('web.service', unit());
    await untilState('web.service', 'active');
    const calls = kit.units.calls.length;
    kit.registry.hold('another cluster');
    await kit.unplace('web.service');
    await kit.place('new.service', unit());
    kit.units.end('web.service', { kind: 'exit', code: 0 });
    await until('the hold is known', () => kit.agent.status().problem === 'another cluster');
    await list();
    expect(kit.units.calls).toHaveLength(calls);
    expect((await kit.states('web.service'))[0]).toMatchObject({ active: 'active' });
    kit.registry.hold(null);
    await untilActive('new.service');
    await until('the old unit has gone', async () => (await find('web.service')) === undefined);
    expect(kit.agent.status()).toMatchObject({ joined: true, problem: null });
  });

  test('away: everything goes on, and what changed meanwhile is published afterwards', async () => {
    await kit.place('web.service', unit('Restart=always\nRestartSec=1ms\nExecStart=/bin/sleep 1000'));
    await untilState('web.service', 'active');
    kit.registry.cut();
    kit.units.end('web.service', { kind: 'signal', signal: 'SIGKILL' });
    await until('it was brought back', async () => (await find('web.service'))?.autoRestarts === 1);
    await untilActive('web.service');
    expect((await kit.states('web.service'))[0]).toMatchObject({ autoRestarts: 0 });
    kit.registry.restore();
    await until('it is published', async () => (await kit.states('web.service'))[0]?.autoRestarts === 1);
  });

  test('session lost: joined again, states published again, units left alone', async () => {
    await kit.end();
    kit = await agentKit(300);
    await kit.place('web.service', unit());
    await untilState('web.service', 'active');
    const calls = kit.units.calls.length;
    kit.registry.cut();
    await until('the lease has run out', async () => (await kit.machines()).length === 0);
    expect(await kit.states('web.service')).toEqual([]);
    kit.registry.restore();
    await untilState('web.service', 'active');
    expect(await kit.machines()).toEqual([MACHINE]);
    expect(kit.units.calls).toHaveLength(calls);
  });

  test('a second machine with the same id is told so by name', async () => {
    await until('the first has joined', () => kit.agent.status().joined);
    const second = kit.startAnother(memoryOfMachine());
    await until('it has a problem', () => second.status().problem?.includes(MACHINE));
    expect(second.status().joined).toBe(false);
    expect(second.status().problem).toContain('an id of its own');
  });
});

test('an agent that stops leaves its units and its presence; the next one adopts them', async () => {
  await kit.place('web.service', unit());
  await untilState('web.service', 'active');
  const before = await find('web.service');
  await kit.agent.stop();
  expect(await kit.machines()).toEqual([MACHINE]);
  expect(await find('web.service')).toEqual(before);
  const calls = kit.units.calls.length;
  const next = kit.startAnother();
  await until('it has joined', () => next.status().joined);
  await fence();
  expect(kit.units.calls.slice(calls).filter((call) => call.includes('web'))).toEqual([]);
  expect(await find('web.service')).toEqual(before);
});

describe('an agent that is to drain its machine as it stops', () => {
  test('stops and forgets every unit, then takes the machine out', async () => {
    await kit.place('web.service', unit());
    await kit.place('idle.service', unit(), { target: 'loaded' });
    await untilState('web.service', 'active');
    kit.units.holdStop('web.service');
    const stopped = kit.agent.stop({ drain: true });
    await untilCalled('unload web.service');
    expect(await kit.machines()).toEqual([MACHINE]);
    kit.units.letStop('web.service');
    await stopped;
    expect(await list()).toEqual([]);
    expect(await kit.machines()).toEqual([]);
  });

  test('stays in the cluster if a unit would not stop', async () => {
    await kit.place('web.service', unit());
    await untilState('web.service', 'active');
    kit.units.cut();
    await kit.agent.stop({ drain: true });
    kit.units.restore();
    expect(await kit.machines()).toEqual([MACHINE]);
    expect(await find('web.service')).toMatchObject({ active: 'active' });
  });
});

describe('services', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await closed(server);
  });
  const closed = (server: Server) => new Promise((resolve) => server.close(resolve));
  function listen(port = 0): Promise<{ server: Server; port: number }> {
    const server = createServer((socket) => socket.destroy());
    servers.push(server);
    return new Promise((resolve) =>
      server.listen(port, HOST, () => resolve({ server, port: (server.address() as { port: number }).port })),
    );
  }
  const offering = (port: number | 'auto') => unit(undefined, `\n[X-Convoy]\nService=db\nPort=${port}\n`);
  const untilAnnounced = (count: number) =>
    until(`${count} announced`, async () => {
      const entries = await kit.services();
      return entries.length === count ? entries : undefined;
    });

  test('are announced once the port accepts, and withdrawn when it does not any more', async () => {
    const { server, port } = await listen();
    await closed(server);
    await kit.place('db.service', offering(port));
    await untilState('db.service', 'active');
    expect(await kit.services()).toEqual([]);
    const again = await listen(port);
    expect(await untilAnnounced(1)).toEqual([
      { service: 'db', unit: 'db.service', machine: MACHINE, host: HOST, port },
    ]);
    await closed(again.server);
    await untilAnnounced(0);
  });

  test('are not announced of a unit that is not active, though the port accepts', async () => {
    const { port } = await listen();
    await kit.place('db.service', offering(port), { target: 'loaded' });
    await untilState('db.service', 'inactive');
    const other = await listen();
    await kit.place('other.service', offering(other.port));
    expect(await untilAnnounced(1)).toMatchObject([{ unit: 'other.service' }]);
  });

  test('are withdrawn before the unit is stopped', async () => {
    const { port } = await listen();
    await kit.place('db.service', offering(port));
    await untilAnnounced(1);
    kit.units.holdStop('db.service');
    await kit.place('db.service', offering(port), { target: 'loaded' });
    await untilCalled('stop db.service');
    // The port still accepts, and every wake-up of the announcer finds it so.
    await fence();
    await untilState('fence.service', 'active');
    expect(await kit.services()).toEqual([]);
    expect(await find('db.service')).toMatchObject({ active: 'active' });
    kit.units.letStop('db.service');
    await untilState('db.service', 'inactive');
    expect(await kit.services()).toEqual([]);
  });

  test('come back after a restart', async () => {
    const { port } = await listen();
    await kit.place('db.service', offering(port));
    await untilAnnounced(1);
    await kit.place('db.service', offering(port), { restarts: 1 });
    await untilCalled('start db.service', 2);
    await untilAnnounced(1);
  });

  test('Port=auto: a free port below those of outgoing connections, told to the unit, kept over restarts of the agent', async () => {
    await kit.place('db.service', offering('auto'));
    await kit.place('db2.service', offering('auto'));
    const port = Number((await untilActive('db.service')).environment.PORT);
    const port2 = Number((await untilActive('db2.service')).environment.PORT);
    for (const each of [port, port2]) expect(each >= 20_000 && each <= 32_000, String(each)).toBe(true);
    expect(port2).not.toBe(port);
    await listen(port);
    expect(await untilAnnounced(1)).toMatchObject([{ unit: 'db.service', port }]);
    await kit.agent.stop();
    const next = kit.startAnother();
    await until('it has joined', () => next.status().joined);
    await listen(port2);
    expect(await untilAnnounced(2)).toMatchObject([
      { unit: 'db.service', port },
      { unit: 'db2.service', port: port2 },
    ]);
  });
});
