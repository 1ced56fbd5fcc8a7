import { describe, expect, it } from 'vitest';
import { parse } from '../../../units/parse.js';
import { stopBound } from '../../../units/stop-bound.js';

const service = (...lines: string[]) =>
  stopBound('a.service', parse(`[Service]\nExecStart=/bin/a\n${lines.join('\n')}\n`).unit);

describe('stopBound', () => {
  it.each([
    ['SIGTERM and SIGKILL', ['TimeoutStopSec=20s'], 40],
    ['TimeoutSec= for both', ['TimeoutSec=10'], 20],
    ['the last line', ['TimeoutStopSec=1min', 'TimeoutSec=5s'], 10],
    ['an empty line as the default, then the last', ['TimeoutStopSec=', 'TimeoutStopSec=3s'], 6],
    ['each ExecStop=', ['TimeoutStopSec=5s', 'ExecStop=/bin/x', 'ExecStop=-/bin/y'], 20],
    ['the parts of a line', ['TimeoutStopSec=5s', 'ExecStop=/bin/x ; /bin/y'], 20],
    ['no ExecStop= that is taken back', ['TimeoutStopSec=5s', 'ExecStop=/bin/x', 'ExecStop='], 10],
    ['ExecStopPost= and what it leaves behind', ['TimeoutStopSec=5s', 'ExecStopPost=/bin/x'], 25],
    ['a longer abort', ['TimeoutStopSec=5s', 'TimeoutAbortSec=20s'], 25],
    ['no shorter abort', ['TimeoutStopSec=5s', 'TimeoutAbortSec=1s'], 10],
    ['an abort instead of the kill', ['TimeoutStopSec=5s', 'TimeoutStopFailureMode=abort'], 15],
    ['exactly the limit', ['TimeoutStopSec=30s'], 60],
    [
      'one that kills all',
      ['TimeoutStopSec=30s', 'KillMode=mixed', 'SendSIGKILL=yes', 'FinalKillSignal=SIGKILL'],
      60,
    ],
  ])('counts %s', (_, lines, seconds) => {
    expect(service(...lines)).toEqual({ boundMs: seconds * 1000 });
  });

  it.each([
    [[], 'needs a stop that ends within 60 s: set TimeoutStopSec= to 30 s or less (the bound is 180 s now)'],
    [
      ['ExecStop=/bin/x', 'TimeoutStopSec=21s'],
      'needs a stop that ends within 60 s: set TimeoutStopSec= to 20 s or less (the bound is 63 s now)',
    ],
    [
      ['TimeoutStopSec=infinity'],
      'needs a stop that ends within 60 s: set TimeoutStopSec= to 30 s or less (there is no bound now)',
    ],
    [
      ['TimeoutSec=0'],
      'needs a stop that ends within 60 s: set TimeoutStopSec= to 30 s or less (there is no bound now)',
    ],
    [
      ['TimeoutStopSec=5s', 'TimeoutAbortSec=2min'],
      'needs a stop that ends within 60 s: set shorter TimeoutStopSec= and TimeoutAbortSec= (the bound is 125 s now)',
    ],
    [
      ['TimeoutStopSec=soon'],
      'needs to know how long a stop takes, and TimeoutStopSec=soon is not a time span',
    ],
    [['SendSIGKILL=no'], 'cannot be used with SendSIGKILL=no: processes may outlive the stop'],
    [
      ['FinalKillSignal=SIGTERM'],
      'cannot be used with FinalKillSignal=SIGTERM: processes may outlive the stop',
    ],
    [['KillMode=process'], 'cannot be used with KillMode=process: processes may outlive the stop'],
    [['KillMode=none'], 'cannot be used with KillMode=none: processes may outlive the stop'],
  ])('refuses %j', (lines, what) => {
    expect(service(...lines)).toEqual({ problem: `OnPartition=stop ${what}` });
  });

  it.each(['a.socket', 'a.timer', 'a.mount'])('refuses %s', (name) => {
    const type = name.slice(2);
    expect(stopBound(name, parse('[Service]\nTimeoutStopSec=1s\n').unit)).toEqual({
      problem: `OnPartition=stop works for services only: how long the stop of a ${type} takes is not known`,
    });
  });
});
