import { describe, expect, it } from 'vitest';
import { readConstraints } from '../../../units/constraints.js';
import { parse } from '../../../units/parse.js';
import type { UnitFile } from '../../../units/unit-file.js';
import { whyBadOptions } from '../../../units/validate.js';
import recorded from '../../fixtures/fleetctl/options.json' with { type: 'json' };

const fleet = (...lines: string[]): UnitFile => parse(`[X-Fleet]\n${lines.join('\n')}\n`).unit;
const convoy = (...lines: string[]): UnitFile => parse(`[X-Convoy]\n${lines.join('\n')}\n`).unit;
const read = (unit: UnitFile, name = 'web@3.service') => readConstraints(name, unit).constraints;
const problems = (unit: UnitFile, name = 'web@3.service') =>
  readConstraints(name, unit).problems.map(({ what }) => what);
const warnings = (unit: UnitFile) => readConstraints('a.service', unit).warnings;

describe('[X-Fleet]', () => {
  it.each(recorded)('judges $name as fleetctl did', ({ name, text, error, warning }) => {
    const { unit } = parse(text);
    expect(whyBadOptions(name, unit)).toBe(error ?? null);
    expect(readConstraints(name, unit).warnings.map(({ what }) => what)).toEqual(warning ? [warning] : []);
  });

  it('reads every option, and none as nothing', () => {
    expect(
      read(
        fleet(
          'MachineOf=db.service',
          'MachineMetadata=az=b',
          'Conflicts=web@*.service x.service',
          'Conflicts=y?.timer',
        ),
      ),
    ).toEqual({
      ...{
        machineId: null,
        peers: ['db.service'],
        replaces: [],
        global: false,
        sticky: false,
        stopBoundMs: null,
        spread: null,
        prefers: [],
        requires: [],
        moveAfterFailures: null,
      },
      conflicts: ['web@*.service', 'x.service', 'y?.timer'],
      metadata: [{ key: 'az', anyOf: ['b'] }],
    });
    expect(read(fleet('Replaces=old@1.service two words'))).toMatchObject({
      replaces: ['old@1.service two words'],
    });
    expect(read(parse('[Service]\nExecStart=/bin/true\n[Unit]\nGlobal=true').unit)).toEqual({
      ...{
        machineId: null,
        peers: [],
        metadata: [],
        conflicts: [],
        replaces: [],
        global: false,
        sticky: false,
        stopBoundMs: null,
        spread: null,
        prefers: [],
        requires: [],
        moveAfterFailures: null,
      },
    });
  });

  it('takes metadata of one key as alternatives and of several keys as demands, however they are grouped', () => {
    const unit = fleet(
      'MachineMetadata="az=a" "disk=ssd"',
      'X-ConditionMachineMetadata=az=b',
      'MachineMetadata=az=c',
    );
    expect(read(unit).metadata).toEqual([
      { key: 'az', anyOf: ['a', 'b', 'c'] },
      { key: 'disk', anyOf: ['ssd'] },
    ]);
  });

  it('prefers the modern spelling of MachineID whatever the order, and the first of one spelling', () => {
    const boot = 'X-ConditionMachineBootID=boot';
    expect(read(fleet(boot, 'X-ConditionMachineID=old', 'MachineID=new', 'MachineID=late')).machineId).toBe(
      'new',
    );
    expect(read(fleet(boot, 'X-ConditionMachineID=old')).machineId).toBe('old');
    expect(read(fleet(boot)).machineId).toBe('boot');
  });

  it('honours the other legacy spellings, which add up with the modern ones', () => {
    expect(read(fleet('X-ConditionMachineOf=a.service', 'MachineOf=b.service')).peers).toEqual([
      'a.service',
      'b.service',
    ]);
    expect(read(fleet('X-Conflicts=a.service', 'Conflicts=b.service')).conflicts).toEqual([
      'a.service',
      'b.service',
    ]);
    expect(warnings(fleet('X-Global=true'))).toHaveLength(1);
  });

  it('takes a value in quotes for a list, without escapes', () => {
    const peers = (value: string): readonly string[] => read(fleet(`MachineOf=${value}`)).peers;
    expect(peers('"a.service" "b c.service"')).toEqual(['a.service', 'b c.service']);
    expect(peers('a.service b.service')).toEqual(['a.service b.service']);
    expect(peers('"a.service" b.service')).toEqual(['"a.service" b.service']);
    expect(peers('"foo\\"bar"')).toEqual(['foo\\bar']);
    expect(problems(fleet('MachineOf="'))).toEqual(['MachineOf= has no value']);
    expect(problems(fleet('MachineOf="a"  "b"'))).toEqual(['MachineOf= has no value']);
  });

  it.each([
    ['true', true],
    ['YES', true],
    ['1', true],
    ['On', true],
    ['t', true],
    ['y', false],
    ['2', false],
    ['', false],
  ])('takes Global=%s for %j', (value, global) => {
    expect(read(fleet(`Global=${value}`)).global).toBe(global);
  });

  it('lets the last Global win', () => {
    expect(read(fleet('Global=true', 'Global=false')).global).toBe(false);
    expect(read(fleet('Global=false', 'Global="no" "yes"')).global).toBe(true);
    expect(read(parse('[Service]\nGlobal=true').unit).global).toBe(false);
  });

  it.each(['k=', '=v', 'k', 'a=b=c', 'host=%i'])('refuses malformed MachineMetadata=%s', (value) => {
    expect(problems(fleet(`MachineMetadata=${value}`), 'a.service')[0]).toMatch(
      /^malformed MachineMetadata ".*": expected one key=value$/,
    );
  });

  it('replaces specifiers, and checks a template as if it had an instance', () => {
    const unit = fleet('MachineMetadata=host=%i', 'Conflicts=%p@*.service', 'MachineOf=%N.socket');
    expect(read(unit)).toMatchObject({
      ...{ metadata: [{ key: 'host', anyOf: ['3'] }], conflicts: ['web@*.service'], peers: ['web@3.socket'] },
    });
    expect(whyBadOptions('web@.service', fleet('MachineMetadata=host=%i'))).toBeNull();
    expect(whyBadOptions('web@.service', fleet('MachineID=%i'))).toBeNull();
  });

  it('refuses a unit that conflicts with its own peer or replaces it', () => {
    expect(problems(fleet('MachineOf=a.service', 'Replaces=[ab].service'))).toEqual([
      'unresolvable requirements: peer "a.service" matches replace "[ab].service"',
    ]);
    expect(problems(fleet('MachineOf=c.service', 'Replaces=[ab].service'))).toEqual([]);
  });

  it('warns with the key that was meant, and of patterns that match nothing', () => {
    expect(warnings(fleet('MachineID=x', 'MachineOff=a.service', 'conflicts=b', 'Bogus=1'))).toEqual([
      {
        option: 1,
        what: 'unrecognized requirement in [X-Fleet] section: "MachineOff" (did you mean MachineOf=?)',
      },
      {
        option: 2,
        what: 'unrecognized requirement in [X-Fleet] section: "conflicts" (did you mean Conflicts=?)',
      },
      { option: 3, what: 'unrecognized requirement in [X-Fleet] section: "Bogus"' },
    ]);
    expect(warnings(fleet('Conflicts=a.service [b'))).toEqual([
      { option: 0, what: 'Conflicts: "[b" is not a well-formed pattern and matches nothing' },
    ]);
    expect(warnings(fleet('constructor=1'))).toHaveLength(1);
  });
});

describe('[X-Convoy]', () => {
  it('reads the service a unit offers', () => {
    const offer = (...lines: string[]) => readConstraints('redis@1.service', convoy(...lines)).offer;
    expect(offer('Service=redis', 'Port=6379')).toEqual({ service: 'redis', port: 6379 });
    expect(offer('Service=%p', 'Port=auto')).toEqual({ service: 'redis', port: 'auto' });
    expect(offer('Sticky=yes')).toBeNull();
  });

  it('reads Sticky', () => {
    const sticky = (value: string): boolean => read(convoy(`Sticky=${value}`)).sticky;
    expect(['yes', 'True', 'on', '1', 'no', 'false', 'off', '0'].map(sticky)).toEqual([
      ...[true, true, true, true, false, false, false, false],
    ]);
  });

  it.each([
    [['Sticy=yes'], 'unknown option "Sticy" in [X-Convoy]: did you mean Sticky=?'],
    [
      ['Frobnicate=1'],
      'unknown option "Frobnicate" in [X-Convoy]: known are Service, Port, Sticky, OnPartition, Spread, MoveAfterFailures, Prefer, Require',
    ],
    [['Sticky=maybe'], 'Sticky=maybe is neither yes nor no'],
    [['Sticky='], 'Sticky= is neither yes nor no'],
    [['Sticky=yes', 'Sticky=no'], 'Sticky= is given twice in [X-Convoy]'],
    [['Service=redis'], 'Service= and Port= of [X-Convoy] are only of use together'],
    [['Port=auto'], 'Service= and Port= of [X-Convoy] are only of use together'],
    [['Service=redis', 'Port=0'], 'Port=0 is neither a port (1 to 65535) nor "auto"'],
    [['Service=redis', 'Port=65536'], 'Port=65536 is neither a port (1 to 65535) nor "auto"'],
    [['Service=redis', 'Port=1e3'], 'Port=1e3 is neither a port (1 to 65535) nor "auto"'],
    [['Service=a/b', 'Port=1'], 'Service=a/b is not a service name: up to 63 letters, digits, "-", "_", "."'],
  ])('refuses %j', (lines, why) => {
    expect(problems(convoy(...lines))).toEqual([why]);
    expect(whyBadOptions('a.service', convoy(...lines))).toBe(why);
  });

  it('reads where a unit rather is, and has to be, specifiers replaced', () => {
    const lines = ['Spread=az', 'Prefer=disk=ssd', 'Prefer=host=%i', 'Require=az in (a,b)', 'Require=!%p'];
    expect(read(convoy(...lines, 'MoveAfterFailures=3'))).toMatchObject({
      spread: 'az',
      prefers: [
        { key: 'disk', value: 'ssd' },
        { key: 'host', value: '3' },
      ],
      requires: [{ text: 'az in (a,b)' }, { text: '!web' }],
      moveAfterFailures: 3,
      stopBoundMs: null,
    });
    expect(whyBadOptions('web@.service', convoy('Spread=az', 'Require=host=%i'))).toBeNull();
  });

  it('reads OnPartition=stop as how long a stop takes, and keep as nothing', () => {
    const bound = (line: string) =>
      read(parse(`[Service]\nTimeoutStopSec=5s\n[X-Convoy]\n${line}\n`).unit).stopBoundMs;
    expect([bound('OnPartition=stop'), bound('OnPartition=keep')]).toEqual([10_000, null]);
    expect(problems(convoy('OnPartition=stop'))).toEqual([
      'OnPartition=stop needs a stop that ends within 60 s: set TimeoutStopSec= to 30 s or less (the bound is 180 s now)',
    ]);
  });

  it.each([
    [['OnPartition=maybe'], 'OnPartition=maybe is neither stop nor keep'],
    [['Spread=az=b'], 'Spread=az=b is not the name of a metadata key'],
    [['Spread='], 'Spread= is not the name of a metadata key'],
    [['Spread=az', 'Spread=rack'], 'Spread= is given twice in [X-Convoy]'],
    [['Prefer=ssd'], 'Prefer=ssd is not of the form key=value'],
    [['Prefer=a=b=c'], 'Prefer=a=b=c is not of the form key=value'],
    [
      ['Require=az > 3'],
      'Require=az > 3 is none of key=value, key!=value, key in (a,b), key not in (a,b), key, !key',
    ],
    [['MoveAfterFailures=0'], 'MoveAfterFailures=0 is not a number from 1 to 999999'],
    [['MoveAfterFailures=often'], 'MoveAfterFailures=often is not a number from 1 to 999999'],
    [['Sticky=yes', 'MoveAfterFailures=1'], 'Sticky cannot be used with MoveAfterFailures'],
  ])('refuses %j', (lines, why) => {
    expect(problems(convoy(...lines))).toEqual([why]);
  });

  it.each([
    ['Global=true', 'Spread=az', 'Global cannot be used with Spread'],
    ['Global=true', 'Prefer=a=b', 'Global cannot be used with Prefer'],
    ['Global=true', 'MoveAfterFailures=1', 'Global cannot be used with MoveAfterFailures'],
    ['Global=true', 'OnPartition=stop', 'Global cannot be used with OnPartition=stop'],
    ['Global=true', 'Require=a!=b', null],
    ['Global=true', 'OnPartition=keep', null],
    ['MachineID=abc', 'Spread=az', 'MachineID cannot be used with Spread'],
    ['MachineID=abc', 'OnPartition=stop', null],
    ['MachineOf=b.service', 'Prefer=a=b', 'Peers cannot be used with Prefer'],
    ['MachineOf=b.service', 'MoveAfterFailures=1', 'Peers cannot be used with MoveAfterFailures'],
    ['MachineOf=b.service', 'Require=a', null],
  ])('judges %s with %s', (one, other, why) => {
    const text = `[Service]\nTimeoutStopSec=1s\n[X-Fleet]\n${one}\n[X-Convoy]\n${other}\n`;
    expect(whyBadOptions('web@1.service', parse(text).unit)).toBe(why);
  });

  it('refuses Spread= of a unit that has no siblings', () => {
    expect(whyBadOptions('web.service', convoy('Spread=az'))).toBe(
      'Spread=az is for instances of a template, such as web@1.service',
    );
  });

  it('refuses a global unit that is sticky', () => {
    const unit = parse('[X-Fleet]\nGlobal=true\n[X-Convoy]\nSticky=yes\n').unit;
    expect(whyBadOptions('a.service', unit)).toBe('Global cannot be used with Sticky');
  });
});
