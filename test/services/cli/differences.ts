import type { FakeFleet } from '../../support/fake-fleet.js';

interface Difference {
  readonly why: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exit?: number;
  readonly unchecked?: true;
}

interface Differences {
  /** Sets the fleet up as it was when recorded. */
  readonly before?: (fleet: FakeFleet) => unknown;
  /** What we say instead, by number of the step. */
  readonly steps?: Readonly<Record<number, Difference>>;
}

const NO_SUCH_COMMAND = 'not built yet; an unknown command is wrong usage';
const NAMES_ALL = 'the machine is named for every unit, not only for the first one waited for';
const SAYS_LINE = 'a problem in a file has its line';
const NOT_GO = 'without the name of the Go library';
const RESTARTS = 'it is really restarted, and said once';
const PENDING = 'pending: 0 of 3 machines: 3 conflict with clash@*';

const [A, B, C] = ['472d6cb2.../10.42.0.13', 'b38a1340.../10.42.0.12', 'c450664f.../10.42.0.11'] as const;

/** Where convoyctl differs from fleetctl on purpose, and why. */
export const DIFFERENCES: Readonly<Record<string, Differences>> = {
  'conflicts-not-placeable': {
    before: ({ behaviours }) => behaviours.set('clash@4.service', { refusal: PENDING }),
    steps: {
      0: {
        why: NAMES_ALL,
        stdout: `Unit clash@1.service inactive\nUnit clash@2.service inactive\nUnit clash@3.service inactive\nUnit clash@1.service launched on ${A}\nUnit clash@2.service launched on ${B}\nUnit clash@3.service launched on ${C}\n`,
      },
      2: {
        why: 'a time-out is said once, with the reason',
        stderr: `Error waiting for units: timed out waiting for unit clash@4.service to report state launched (${PENDING})\n`,
      },
      3: {
        why: 'a unit that waits for a machine is no silent success',
        stderr: `Waiting for unit clash@4.service to report state launched: ${PENDING}\nError waiting for units: timed out waiting for unit clash@4.service to report state launched (${PENDING})\n`,
        exit: 1,
      },
      6: {
        why: 'a time-out is said once, with the reason',
        stderr: `Error waiting for units: timed out waiting for unit clash@4.service to report state loaded (${PENDING})\n`,
      },
      7: {
        why: 'its desired state is loaded already and nothing of it runs',
        stderr: 'Successfully stopped units [].\n',
        exit: 0,
      },
      8: {
        why: 'with the reason',
        stderr: `Unit clash@4.service does not appear to be loaded.\n${PENDING}\n`,
      },
    },
  },
  'failing-unit': {
    before: ({ behaviours }) => behaviours.set('boom.service', { fails: 'main process exited with 1' }),
    steps: {
      0: {
        why: 'waits for the outcome, not for 2 s, and says why it failed',
        stdout: 'Unit boom.service inactive\n',
        stderr:
          'Error waiting for units: unit boom.service failed: failed (failed), exit 1: main process exited with 1\n',
      },
    },
  },
  'global-unit': {
    steps: {
      0: {
        why: 'the state of a global is said too',
        stdout: 'Unit every.service inactive\nTriggered global unit every.service start\n',
      },
      6: { why: 'globals have a status: it has a test of its own', unchecked: true },
      7: {
        why: 'globals have a log, of one machine at a time',
        stderr: 'Unit every.service runs on 3 machines: say which one with --machine.\n',
      },
      8: {
        why: NO_SUCH_COMMAND,
        stderr: "convoyctl: unknown command 'ssh' (see convoyctl --help)\n",
        exit: 2,
      },
      11: { why: RESTARTS, stdout: 'Triggered global unit every.service restart\n' },
    },
  },
  'list-machines': {
    steps: {
      8: {
        why: '-l works',
        stdout:
          'MACHINE\t\t\t\t\tIP\t\tMETADATA\n472d6cb2f262ea34e2385ef99b9555fd\t10.42.0.13\thost=3,zone=a\nb38a1340d9b584906d50962c4f679ffd\t10.42.0.12\thost=2,zone=b\nc450664f7ce2e1a35e10b3228ffe5cdc\t10.42.0.11\thost=1,zone=a\n',
        stderr: '',
      },
      9: {
        why: 'an argument that means nothing is wrong usage',
        stdout: '',
        stderr:
          "convoyctl: too many arguments for 'list-machines'. Expected 0 arguments but got 1. (see convoyctl --help)\n",
        exit: 2,
      },
    },
  },
  'no-block': {
    steps: {
      0: {
        why: 'said once',
        stdout: 'Unit quick.service inactive\nTriggered unit quick.service start\n',
      },
      1: {
        why: 'the agents of this test have obeyed by now',
        stdout: `UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\nquick.service\t191d4e5\tlaunched\tlaunched\t${A}\n`,
      },
    },
  },
  restart: {
    steps: {
      1: { why: RESTARTS, stdout: `Unit again.service launched on ${A}\n`, stderr: '' },
      3: { why: RESTARTS, stdout: `Unit again.service launched on ${A}\n`, stderr: '' },
      5: { why: RESTARTS, stderr: '' },
      7: {
        why: 'a unit is not made by restarting it',
        stderr: 'Error restarting units: Unit nosuch.service does not exist\n',
      },
    },
  },
  'start-stop-unload-destroy': {
    steps: { 10: { why: RESTARTS, stdout: `Unit alpha.service launched on ${A}\n`, stderr: '' } },
  },
  'syntax-errors': {
    steps: {
      ...Object.fromEntries(
        [
          [0, 'noheader'],
          [3, 'empty'],
          [4, 'comment'],
        ].map(([number, name]) => [
          number,
          {
            why: NOT_GO,
            stderr: `Error creating units: failed creating unit ${name}.service: unit does not exist and options field empty\n`,
          },
        ]),
      ),
      1: {
        why: SAYS_LINE,
        stderr:
          'Error creating units: failed getting Unit(unclosed.service) from file: unclosed.service:1: unable to find end of section\n',
      },
      2: { why: SAYS_LINE, ...noEquals() },
      5: {
        why: SAYS_LINE,
        stderr:
          'Error creating units: failed getting Unit(garbage.service) from file: garbage.service:1: found garbage after section name [Service]: trailing\n',
      },
      9: { why: 'lines may have 1 MiB', stdout: 'Unit long.service inactive\n', stderr: '', exit: 0 },
      11: { why: SAYS_LINE, ...noEquals() },
      12: {
        why: 'so the unit with the long line is there',
        stdout:
          'UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\ncont.service\t683b65a\tinactive\tinactive\t-\ncrlf.service\t39b6e63\tinactive\tinactive\t-\nlong.service\t016f552\tinactive\tinactive\t-\nnonl.service\t39b6e63\tinactive\tinactive\t-\nunknown.service\t90d2b5e\tinactive\tinactive\t-\n',
      },
    },
  },
  'template-brace-expansion': {
    steps: {
      0: {
        why: NAMES_ALL,
        stdout: `Unit pair@1.service inactive\nUnit pair@2.service inactive\nUnit pair@1.service launched on ${A}\nUnit pair@2.service launched on ${B}\n`,
      },
      3: {
        why: NAMES_ALL,
        stdout: `Unit pair@1.service loaded on ${A}\nUnit pair@2.service loaded on ${B}\n`,
      },
    },
  },
  'template-from-registry': {
    steps: {
      4: { why: NOT_GO, stderr: 'Error starting units: cannot activate template "reg@.service"\n' },
      5: { why: NOT_GO, stderr: 'Error loading units: cannot activate template "reg@.service"\n' },
    },
  },
  'unknown-unit': {
    steps: {
      9: {
        why: NO_SUCH_COMMAND,
        stderr: "convoyctl: unknown command 'ssh' (see convoyctl --help)\n",
        exit: 2,
      },
      10: {
        why: 'a unit is not made by restarting it',
        stderr: 'Error restarting units: Unit nosuch.service does not exist\n',
      },
      11: {
        why: NO_SUCH_COMMAND,
        stderr: "convoyctl: unknown command 'verify' (Did you mean version?) (see convoyctl --help)\n",
      },
    },
  },
};

function noEquals(): { stderr: string } {
  return {
    stderr:
      'Error creating units: failed getting Unit(noequals.service) from file: noequals.service:2: unexpected newline encountered while parsing option name\n',
  };
}
