import { expect, test } from 'vitest';
import { parseEnvironmentFile } from '../../../../agent/environment-file.js';
import {
  environmentText,
  execArgument,
  ownNames,
  textForSystemd,
  typeInterface,
  whyNotLoadable,
} from '../../../../agent/systemd/unit-text.js';
import { parse } from '../../../../units/parse.js';

const unit = (text: string) => parse(text).unit;
const ENV = '/run/convoy/environment/web.service';

test('our EnvironmentFile= comes before the unit’s own, which override it', () => {
  const text = textForSystemd(
    'web.service',
    unit('[Service]\nEnvironmentFile=/a\nExecStart=/x\n'),
    ENV,
    null,
  );
  expect(text).toBe(`[Service]\nEnvironmentFile=-${ENV}\nEnvironmentFile=/a\nExecStart=/x\n`);
});

test('it comes after the last reset, which would take it away', () => {
  const own = '[Service]\nEnvironmentFile=/a\nEnvironmentFile=\nEnvironmentFile=/b\n';
  expect(textForSystemd('web.service', unit(own), ENV, null)).toBe(
    `[Service]\nEnvironmentFile=/a\nEnvironmentFile=\nEnvironmentFile=-${ENV}\nEnvironmentFile=/b\n`,
  );
});

test('a percent sign in a path is no specifier', () => {
  expect(textForSystemd('a.mount', unit('[Mount]\nWhat=x\n'), '/r%n/a', null)).toContain('=-/r%%n/a\n');
});

test('types without processes are given as they are; lease-bound ones are bound', () => {
  const text = '[Timer]\nOnBootSec=1\n';
  expect(textForSystemd('a.timer', unit(text), ENV, null)).toBe(text);
  expect(textForSystemd('a.timer', unit(text), ENV, 'lease.service')).toBe(
    `${text}\n[Unit]\nBindsTo=lease.service\nAfter=lease.service\n`,
  );
});

test('the names a unit sets itself, after the last reset', () => {
  const own = '[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment="B=2 3" C=4\nEnvironment=D="\n';
  expect(ownNames('web.service', unit(own))).toEqual(['B', 'C']);
  expect(ownNames('web.timer', unit(own))).toEqual([]);
});

test('an environment reads back as it was', () => {
  const values = { A: 'plain', B: 'with "all" of\\ `these` $x', C: 'two\nlines', D: '' };
  expect(parseEnvironmentFile(environmentText(values))).toEqual(values);
});

test('an argument of Exec= reaches the program', () => {
  expect(execArgument('echo "$x" 100% \\ \n')).toBe('"echo \\"$$x\\" 100%% \\\\ \\n"');
});

test('interfaces are named after types', () => {
  expect(typeInterface('a.b.service')).toBe('org.freedesktop.systemd1.Service');
});

test('what systemd is not even asked to load', () => {
  for (const name of ['a.device', 'a.scope', 'a@.service', 'x.service'])
    expect(whyNotLoadable(name, ['x.service'])).not.toBeNull();
  for (const name of ['a.service', 'a@1.socket', 'run-a.mount', 'a.swap', 'a.slice'])
    expect(whyNotLoadable(name, ['x.service'])).toBeNull();
});
