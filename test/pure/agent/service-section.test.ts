import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expandArguments } from '../../../agent/command.js';
import { parseEnvironmentFile } from '../../../agent/environment-file.js';
import { readService } from '../../../agent/service-section.js';
import type { ServiceSettings } from '../../../agent/service-settings.js';
import { signal } from '../../../agent/service-values.js';
import { joinLines, splitWords } from '../../../agent/words.js';
import { parse } from '../../../units/parse.js';
import { parseTimespan } from '../../../units/timespan.js';
import { ROOT } from '../../support/programs.js';

const CONTEXT = {
  machineId: 'mid',
  bootId: 'bid',
  hostName: 'host.example',
  kernel: '6.1',
  user: 'root',
  uid: 0,
  group: 'wheel',
  gid: 5,
  home: '/root',
  root: '/',
  credentials: '/run/cred',
};
const read = (text: string, name = 'web.service', context = CONTEXT) =>
  readService(name, parse(text).unit, context);
function settings(service: string, name?: string, context = CONTEXT): ServiceSettings {
  const reading = read(`[Service]\n${service}\n`, name, context);
  if (reading.kind === 'refused') throw new Error(reading.reasons.join('; '));
  return reading.settings;
}
function reasons(text: string, name?: string): readonly string[] {
  const reading = read(text, name);
  return reading.kind === 'refused' ? reading.reasons : [];
}
const seeded = { seed: Number(process.env.TEST_SEED ?? 42), verbose: true } as const;

describe('words', () => {
  test.each([
    ['a  b\tc', ['a', 'b', 'c']],
    [`"a b" 'c "d"' e"f g"h`, ['a b', 'c "d"', 'ef gh']],
    [`"" ''`, ['', '']],
    [String.raw`a\x20b \t \\ "\"" '\'' \u00e9 \101`, ['a b', '\t', '\\', '"', "'", 'é', 'A']],
    ['', []],
  ])('%s', (text, words) => {
    expect(splitWords(text).map((word) => word.text)).toEqual(words);
  });

  test.each([
    ['"open', 'not closed'],
    ['a\\', 'ends in a backslash'],
    ['\\q', 'no escape'],
    ['\\x00', 'no character'],
  ])('%s is an error', (text, what) => {
    expect(() => splitWords(text)).toThrow(what);
  });

  test('a line that goes on is joined by a space, comments in between are dropped', () => {
    expect(joinLines('a \\\n  # no\n')).toBe('a');
    expect(joinLines('a\\\n# comment \\\n  b')).toBe('a   b');
  });

  test('law: whatever is quoted comes out as it was', () => {
    const quote = (word: string) => `"${word.replace(/[\\"]/g, (char) => `\\${char}`)}"`;
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        expect(splitWords(words.map(quote).join(' ')).map(({ text }) => text)).toEqual(words);
      }),
      seeded,
    );
  });
});

describe('commands', () => {
  test('prefixes in any order', () => {
    expect(settings('ExecStart=-@:+/bin/sh name -c x').start).toEqual([
      {
        program: '/bin/sh',
        argv0: 'name',
        args: ['-c', 'x'],
        mayFail: true,
        expandVariables: false,
        fullPrivileges: true,
      },
    ]);
  });

  test('several on a line and on several lines; an empty value starts anew; a quoted ; is a word', () => {
    const { start } = settings(
      'Type=oneshot\nExecStart=/no\nExecStart=\nExecStart=/a 1 ; /b\nExecStart=/c ";" \\; x;',
    );
    expect(start.map(({ program, args }) => [program, ...args])).toEqual([
      ['/a', '1'],
      ['/b'],
      ['/c', ';', ';', 'x;'],
    ]);
  });

  test('variables: a word of its own is split, in braces it is not, $$ is a dollar, unset is empty', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the unit's
    const [command] = settings('ExecStart=/x $TWO a${TWO}b $NONE ${NONE} $$TWO a$TWO $1 ${}').start;
    expect(expandArguments(command!, { TWO: ' one  two ' })).toEqual([
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the unit's
      ...['one', 'two', 'a one  two b', '', '$TWO', 'a$TWO', '$1', '${}'],
    ]);
  });

  test.each([
    ['ExecStart=!/bin/x', 'prefix !'],
    ['ExecStart=./x', 'neither an absolute path'],
    ['ExecStart=@/bin/x', 'second word'],
    ['ExecStart=-', 'no program'],
    ['ExecStart="a', 'not closed'],
    ['ExecStart=/x %q', 'the specifier %q'],
  ])('%s is refused', (line, what) => {
    expect(reasons(`[Service]\n${line}\n`)[0]).toContain(what);
  });
});

describe('specifiers', () => {
  const words = (text: string, name: string, root = '/') =>
    settings(`ExecStart=/x ${text}`, name, { ...CONTEXT, root }).start[0]?.args;
  test('of the name', () => {
    expect(words('%n %N %p %i %I %j %J %P %f', 'a-b@c-d\\x2de.service')).toEqual([
      ...['a-b@c-d\\x2de.service', 'a-b@c-d\\x2de', 'a-b', 'c-d\\x2de', 'c/d-e', 'b', 'b', 'a/b', '/c/d-e'],
    ]);
    expect(words('%p [%i] %%', 'web.service')).toEqual(['web', '[]', '%']);
  });
  test('of the machine', () => {
    expect(words('%m %b %H %l %v %u %U %g %G %h %d %T %V', 'web.service')).toEqual([
      ...[
        'mid',
        'bid',
        'host.example',
        'host',
        '6.1',
        'root',
        '0',
        'wheel',
        '5',
        '/root',
        '/run/cred',
        '/tmp',
        '/var/tmp',
      ],
    ]);
  });
  test('of folders, below the root', () => {
    expect(words('%t %S %C %L %E', 'web.service')).toEqual([
      '/run',
      '/var/lib',
      '/var/cache',
      '/var/log',
      '/etc',
    ]);
    expect(words('%t %S %C %L %E', 'web.service', '/r')).toEqual(
      ['/run', '/var/lib', '/var/cache', '/var/log', '/etc'].map((path) => `/r${path}`),
    );
  });
  test('without a value are refused', () => {
    const reading = readService('w.service', parse('[Service]\nExecStart=/x %m\n').unit, {
      ...CONTEXT,
      machineId: null,
    });
    expect(reading).toMatchObject({ kind: 'refused', reasons: [expect.stringContaining('%m')] });
  });
});

describe('settings', () => {
  test("defaults are systemd's", () => {
    expect(settings('ExecStart=/x')).toMatchObject({
      type: 'simple',
      restart: 'no',
      restartMs: 100,
      timeoutStartMs: 90_000,
      timeoutStopMs: 90_000,
      workingDirectory: { path: '/', optional: false },
      stdout: { kind: 'journal' },
      stderr: { kind: 'inherit' },
      remainAfterExit: false,
      pidFile: null,
      guessMainPid: true,
      notifyAccess: 'none',
      user: null,
      group: null,
      supplementaryGroups: [],
      killMode: 'control-group',
      killSignal: 15,
      finalKillSignal: 9,
      sendSigkill: true,
      startLimit: { intervalMs: 10_000, burst: 5 },
    });
    expect(settings('Type=oneshot\nExecStart=/x').timeoutStartMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('values', () => {
    expect(
      settings(
        [
          'ExecStart=/x',
          'Environment=A=1 "B=two words" C=x=y',
          'Environment=A=2',
          'EnvironmentFile=-%E/a.env',
          'EnvironmentFile=/b.env',
          'PassEnvironment=HOME TERM',
          'LoadCredential=key.pem:%E/key',
          'WorkingDirectory=-~',
          'TimeoutSec=1min 500ms',
          'TimeoutStopSec=0',
          'RestartSec=1.5',
          'SuccessExitStatus=1 143 SIGKILL',
          'RestartPreventExitStatus=2',
          'StandardOutput=append:%L/x.log',
          'StandardError=null',
          'RemainAfterExit=yes',
        ].join('\n'),
      ),
    ).toMatchObject({
      environment: { A: '2', B: 'two words', C: 'x=y' },
      environmentFiles: [
        { path: '/etc/a.env', optional: true },
        { path: '/b.env', optional: false },
      ],
      passEnvironment: ['HOME', 'TERM'],
      credentials: [{ id: 'key.pem', path: '/etc/key' }],
      workingDirectory: { path: '/root', optional: true },
      timeoutStartMs: 60_500,
      timeoutStopMs: Number.POSITIVE_INFINITY,
      restartMs: 1500,
      successStatus: { codes: [1, 143], signals: ['SIGKILL'] },
      restartPreventStatus: { codes: [2], signals: [] },
      stdout: { kind: 'append', path: '/var/log/x.log' },
      stderr: { kind: 'null' },
      remainAfterExit: true,
    });
  });

  test('who it runs as, how it says that it is up, how it is ended', () => {
    expect(
      settings(
        [
          'ExecStart=@/x name\nExecStart=\nExecStart=+@/x name',
          'ExecReload=/bin/kill -HUP $MAINPID',
          'Type=forking\nPIDFile=x.pid\nGuessMainPID=no\nNotifyAccess=all',
          'User=%p\nGroup=1000\nSupplementaryGroups=a b\nSupplementaryGroups=c\nWorkingDirectory=~',
          'KillMode=mixed\nKillSignal=QUIT\nFinalKillSignal=SIGRTMIN+3\nSendSIGKILL=no',
          'StartLimitInterval=1min\nStartLimitBurst=0',
        ].join('\n'),
      ),
    ).toMatchObject({
      reload: [{ program: '/bin/kill', args: ['-HUP', '$MAINPID'] }],
      type: 'forking',
      pidFile: '/run/x.pid',
      guessMainPid: false,
      notifyAccess: 'all',
      user: 'web',
      group: '1000',
      supplementaryGroups: ['a', 'b', 'c'],
      workingDirectory: { path: '~', optional: false },
      killMode: 'mixed',
      killSignal: 3,
      finalKillSignal: 37,
      sendSigkill: false,
      startLimit: { intervalMs: 60_000, burst: 0 },
    });
    expect(settings('Type=notify\nNotifyAccess=none\nExecStart=/x').notifyAccess).toBe('main');
    expect(settings('User=\nWorkingDirectory=~\nExecStart=/x').workingDirectory.path).toBe('/root');
    expect(['HUP', '9', 'SIGRTMAX-1', 'RTMIN', '64'].map(signal)).toEqual([1, 9, 63, 34, 64]);
  });

  test('relations to other units; X-* sections say nothing', () => {
    const reading = read(
      '[Unit]\nDescription=x\nDocumentation=man:x\nAfter=a.service network.target\nAfter=b.service\nRequires=%p-db.service\n' +
        'Wants=c.service\nBindsTo=d.service\nPartOf=e.service\nBefore=f.service\nConflicts=g.service\n' +
        '[Service]\nExecStart=/x\n[Install]\nWantedBy=%p-main.service\nRequiredBy=h.service\nAlso=x.timer\nDefaultInstance=1\n[X-Fleet]\nGlobal=true\n[X-Own]\nAny=thing\n',
    );
    expect(reading).toMatchObject({
      kind: 'settings',
      settings: {
        after: ['a.service', 'network.target', 'b.service'],
        requires: ['web-db.service'],
        wants: ['c.service'],
        bindsTo: ['d.service'],
        partOf: ['e.service'],
        before: ['f.service'],
        conflicts: ['g.service'],
        wantedBy: ['web-main.service'],
        requiredBy: ['h.service'],
      },
    });
  });

  test.each([
    [
      '[Service]\nExecStart=/x\nDynamicUser=yes\n',
      '[Service] DynamicUser= is not supported by the supervisor',
    ],
    ['[Service]\nExecStart=/x\nWatchdogSec=5\n', '[Service] WatchdogSec= is not supported'],
    ['[Service]\nExecStart=/x\nRestartKillSignal=SIGTERM\n', 'RestartKillSignal= is not supported'],
    ['[Service]\nExecStart=/x\nMemoryMax=1G\n', 'MemoryMax= is not supported'],
    ['[Service]\nExecStart=/x\nStateDirectory=x\n', 'StateDirectory= is not supported'],
    ['[Service]\nExecStart=/x\n[Install]\nAlias=y.service\n', '[Install] Alias= is not supported'],
    ['[Service]\nExecStart=/x\nType=dbus\n', 'supports simple, exec, oneshot, forking, notify'],
    ['[Service]\nExecStart=/x\nUser=a b\n', 'expected a name or a number'],
    ['[Service]\nExecStart=/x\nKillMode=some\n', 'supports control-group, mixed, process, none'],
    ['[Service]\nExecStart=/x\nKillSignal=SIGNONE\n', 'expected a signal'],
    ['[Service]\nExecStart=/x\nKillSignal=33\n', 'expected a signal'],
    ['[Service]\nExecStart=/x\nNotifyAccess=some\n', 'supports none, main, exec, all'],
    ['[Unit]\nStartLimitBurst=few\n[Service]\nExecStart=/x\n', 'expected a number'],
    ['[Unit]\nStartLimitAction=reboot\n[Service]\nExecStart=/x\n', 'StartLimitAction= is not supported'],
    ['[Service]\nUser=nobody\nExecStart=@/x y\n', 'the prefix @ is not supported'],
    ['[Unit]\nConditionPathExists=/x\n[Service]\nExecStart=/x\n', 'ConditionPathExists='],
    ['[Unit]\nRequires=x.socket\n[Service]\nExecStart=/x\n', 'x.socket is no service'],
    ['[Socket]\nListenStream=1\n[Service]\nExecStart=/x\n', '[Socket] ListenStream='],
    ['[Service]\nexecstart=/x\n', 'execstart='],
    ['[Service]\nExecStart=/x\ntoString=1\n', 'toString='],
    ['[Service]\nType=simple\n', 'ExecStart= is missing'],
    ['[Service]\nExecStart=/x\nExecStart=/y\n', 'Type=oneshot only'],
    [
      '[Service]\nType=oneshot\nRestart=always\nExecStart=/x\n',
      'Restart=always is not allowed with Type=oneshot',
    ],
    ['[Service]\nExecStart=/x\nRestart=sometimes\n', 'Restart=sometimes'],
    ['[Service]\nExecStart=/x\nRestartSec=soon\n', 'expected a time span'],
    ['[Service]\nExecStart=/x\nRestartSec=infinity\n', 'must be finite'],
    ['[Service]\nExecStart=/x\nRemainAfterExit=perhaps\n', 'expected yes or no'],
    ['[Service]\nExecStart=/x\nEnvironment=1A=x\n', 'no NAME=value'],
    ['[Service]\nExecStart=/x\nEnvironmentFile=rel\n', 'no absolute path'],
    ['[Service]\nExecStart=/x\nLoadCredential=../x:/y\n', 'expected NAME:/absolute/path'],
    ['[Service]\nExecStart=/x\nLoadCredential=..:/y\n', 'expected NAME:/absolute/path'],
    ['[Service]\nExecStart=/x\nStandardOutput=tty\n', 'StandardOutput=tty'],
    ['[Service]\nExecStart=/x\nSuccessExitStatus=256\n', 'neither an exit code'],
  ])('%j is refused', (text, what) => {
    expect(reasons(text).join('; ')).toContain(what);
  });

  test('every reason is given at once', () => {
    expect(reasons('[Service]\nExecStart=/x\nSlice=a\nKillMode=b\nNice=1\n')).toHaveLength(3);
  });

  test('other types of unit are refused', () => {
    expect(reasons('[Timer]\nOnCalendar=daily\n', 'x.timer')).toEqual([
      'the supervisor runs nothing but .service units',
    ]);
  });

  test('law: it never throws', () => {
    const option = fc.constantFrom(
      'ExecStart',
      'Environment',
      'Type',
      'RestartSec',
      'LoadCredential',
      'StandardError',
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ section: fc.constant('Service'), name: option, value: fc.string() })),
        (options) => {
          expect(['settings', 'refused']).toContain(readService('web.service', { options }, CONTEXT).kind);
        },
      ),
      seeded,
    );
  });
});

const SHIPPED = join(ROOT, 'units', 'shipped');
test.each(readdirSync(SHIPPED))("the product's own %s can be run", (file) => {
  const name = file.replace('@.', '@1.');
  expect(reasons(readFileSync(join(SHIPPED, file), 'utf8'), name)).toEqual([]);
});

test.each([
  ['5', 5000],
  ['1.5', 1500],
  ['2min 3s', 123_000],
  ['1h30m', 5_400_000],
  ['100us', 0.1],
  ['infinity', Number.POSITIVE_INFINITY],
  ['1 week', 604_800_000],
  ['', null],
  ['-1', null],
  ['5 parsecs', null],
])('time span %j', (text, ms) => {
  expect(parseTimespan(text)).toBe(ms);
});

test('environment files', () => {
  const text = String.raw`# comment
; comment
A=1
B = two words  
export C=3
D="quoted # \" \$ \n"  # kept
E='single "\' tail
F=a\
b
G=
no assignment
H="over
lines"`;
  expect(parseEnvironmentFile(text)).toEqual({
    A: '1',
    B: 'two words',
    D: String.raw`quoted # " $ \n  # kept`,
    E: String.raw`single "\ tail`,
    F: 'ab',
    G: '',
    H: 'over\nlines',
  });
});
