import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandRunner } from '../../support/commands.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';

const A = '1'.repeat(32);
const B = '2'.repeat(32);
const GONE = '9'.repeat(32);
const ON_A = '11111111.../10.0.0.1';
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: { zone: 'a', disk: 'hdd' } },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
});
afterAll(() => fleet.stop());
const run = commandRunner(() => `unix://${fleet.socket}`);
const done = (stdout: string) => ({ stdout, stderr: '', exit: 0 });

/** A machine that was there. */
async function formerMachine(id: string): Promise<void> {
  const machine = { id, ip: '10.0.0.9', metadata: {}, apiAddress: '', version: 'test', bootId: '1' };
  await (await fleet.registry.join(machine, 60_000)).leave();
}
const remembered = async (): Promise<string[]> =>
  (await fleet.registry.readMachines()).known.map(({ id }) => id);

describe('machines set-metadata', () => {
  test('sets and removes keys; lists show what is in force', async () => {
    const change = ['machines', 'set-metadata', '1111', 'zone=b', 'rack=r 1=x', 'disk-'];
    expect(await run(change)).toEqual(done(`Machine ${ON_A} has rack=r 1=x,zone=b\n`));
    expect(await run(['list-machines', '--no-legend', '--fields=metadata', '1'])).toEqual(
      done('rack=r 1=x,zone=b\n'),
    );
    expect(await run(['machines', 'set-metadata', ON_A, 'rack-', 'zone-'])).toEqual(
      done(`Machine ${ON_A} has no metadata\n`),
    );
  });

  test.each([
    ['zone', 2],
    ['zone=', 2],
    ['=b', 2],
    ['a b=c', 2],
    ['-', 2],
  ])('%j changes nothing', async (wrong, exit) => {
    const before = await run(['list-machines', '-o', 'json']);
    const result = await run(['machines', 'set-metadata', A, 'good=1', wrong]);
    expect(result).toMatchObject({ stdout: '', exit });
    expect(result.stderr).toContain(`metadata "${wrong}": expected KEY=VALUE, or KEY- to remove it`);
    expect(await run(['list-machines', '-o', 'json'])).toEqual(before);
  });

  test('wants a machine that is known', async () => {
    expect(await run(['machines', 'set-metadata', '77', 'a=b'])).toEqual({
      ...{ stdout: '', exit: 1 },
      stderr: 'convoyctl: there is no machine 77 (see convoyctl list-machines --all)\n',
    });
  });
});

describe('machines forget', () => {
  test('forgets a machine that is gone; without a terminal nobody is asked', async () => {
    await formerMachine(GONE);
    expect(await remembered()).toContain(GONE);
    expect(await run(['machines', 'forget', '9999'])).toEqual(done('Machine 99999999... is forgotten\n'));
    expect(await remembered()).not.toContain(GONE);
    expect((await run(['list-machines', '--all', '--no-legend', '--fields=machine'])).stdout).toBe(
      '11111111...\n22222222...\n',
    );
  });

  test('asks on a terminal, and does nothing without a yes', async () => {
    await formerMachine(GONE);
    const questions: string[] = [];
    const answering = (yes: boolean) => ({
      ask: async (question: string) => {
        questions.push(question);
        return yes;
      },
    });
    expect(await run(['machines', 'forget', '9'], answering(false))).toEqual({
      ...{ stdout: '', exit: 1 },
      stderr: 'Machine 99999999... will be forgotten\nNothing was changed\n',
    });
    expect(await remembered()).toContain(GONE);
    expect(await run(['machines', 'forget', '9'], answering(true))).toMatchObject({ exit: 0 });
    expect(questions).toEqual(['Forget it?', 'Forget it?']);
    await formerMachine(GONE);
    expect(await run(['machines', 'forget', '--yes', '9'], answering(false))).toMatchObject({ exit: 0 });
    expect(questions).toHaveLength(2);
  });

  test('refuses one that is alive, or has units, and says what to do; then none is forgotten', async () => {
    await formerMachine(GONE);
    expect(await run(['machines', 'forget', '9', '1'])).toEqual({
      ...{ stdout: '', exit: 1 },
      stderr: `convoyctl: machine ${ON_A} is alive: convoyctl drain 11111111, stop its convoyd, and forget it then\n`,
    });
    expect(await remembered()).toContain(GONE);

    for (const name of ['a.service', 'b.service']) await fleet.registry.submitUnit(name, SLEEP, 'launched');
    await fleet.rest();
    await fleet.sessions[1]?.leave();
    const refused = await run(['machines', 'forget', B]);
    expect(refused).toMatchObject({ stdout: '', exit: 1 });
    expect(refused.stderr).toMatch(
      /^convoyctl: machine 2{8}\.\.\. has 1 unit placed on it \([ab]\.service\): convoyctl evict 2{8} starts them elsewhere, and forget it then\n$/,
    );
    expect(await remembered()).toContain(B);
  });
});
