import type { FakeFleet } from '../../support/fake-fleet.js';

interface Difference {
  readonly why: string;
  /** A pattern where it tells times. */
  readonly stdout?: string | RegExp;
  readonly stderr?: string;
  readonly exit?: number;
}

interface Differences {
  /** Sets the fleet up as it was when recorded. */
  readonly before?: (fleet: FakeFleet) => unknown;
  /** What we say instead, by number of the step. */
  readonly steps?: Readonly<Record<number, Difference>>;
}

const GLOBAL_STATE = { why: 'the state of a global is said too' };
const RESTARTS = 'it is really restarted, and said once';
const LINES = 'sshy.service line 1\nsshy.service line 2\nsshy.service line 3\n';
const NO_SSHD = {
  why: 'OpenSSH has more than an agent; here there is nobody to talk to',
  stderr: 'ssh: this test has none\n',
  exit: 255,
};
const BY_API = 'the output of a unit comes through the API: no ssh is needed';

const IDA = '472d6cb2f262ea34e2385ef99b9555fd';
const IDB = 'b38a1340d9b584906d50962c4f679ffd';
const IDC = 'c450664f7ce2e1a35e10b3228ffe5cdc';
const [A, B, C] = ['472d6cb2.../10.42.0.13', 'b38a1340.../10.42.0.12', 'c450664f.../10.42.0.11'] as const;
const AFTER = 'ffa211b29f980dde756ffb5a83816725e0b66939';
const NOWHERE = { refusal: 'pending: 0 of 3 machines' };
const LOST = 'timed out waiting for unit clash@4.service to report state launched';
const statusOf = (name: string, machines: number): RegExp =>
  new RegExp(
    `^(● ${name} - .*\n {3}Loaded: loaded[\\s\\S]*?Active: active \\(running\\) since [\\s\\S]*?){${machines}}$`,
  );

/** Where convoyctl, called as fleetctl, differs from fleetctl on purpose, and why. */
export const DIFFERENCES: Readonly<Record<string, Differences>> = {
  'client-refuses-options': { steps: { 10: { ...GLOBAL_STATE, stdout: 'Unit gc.service inactive\n' } } },
  'conflicts-not-placeable': {
    before: ({ behaviours }) => behaviours.set('clash@4.service', NOWHERE),
    steps: {
      3: {
        why: 'a unit that waits for a machine is no silent success',
        stderr: `Error waiting for units: ${LOST}\nError waiting for unit states, exit status: ${LOST}\n`,
        exit: 1,
      },
      7: {
        why: 'its desired state is loaded already and nothing of it runs',
        stderr: 'Successfully stopped units [].\n',
        exit: 0,
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
        ...GLOBAL_STATE,
        stdout: 'Unit every.service inactive\nTriggered global unit every.service start\n',
      },
      6: {
        why: 'globals have a status, on each machine; of the other machines of this test there is no output',
        stdout: statusOf('every.service', 3),
        stderr: [IDB, IDC]
          .map(
            (id) =>
              `No output: machine ${id} answers no requests of other machines: give this command there\n`,
          )
          .join(''),
      },
      7: {
        why: 'globals have a log, of all machines; of the other machines of this test there is none',
        stdout: [1, 2, 3].map((line) => `${A}: every.service line ${line}\n`).join(''),
        stderr: [
          [B, IDB],
          [C, IDC],
        ]
          .map(
            ([name, id]) =>
              `${name}: machine ${id} answers no requests of other machines: give this command there\n`,
          )
          .join(''),
      },
      8: {
        why: 'a shell can be had where a global runs: which machines those are is said',
        stderr: `Unable to proceed: unit every.service runs on 3 machines (${A}, ${B}, ${C}): give one of them instead\n`,
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
    },
  },
  'machine-id': {
    before: ({ behaviours }) => behaviours.set('pin.service', { machine: IDB }).set('pin2.service', NOWHERE),
  },
  'machine-metadata': {
    before: ({ behaviours }) =>
      behaviours
        .set('inb.service', { machine: IDB })
        .set('alt.service', { machine: IDB })
        .set('both.service', { machine: IDA })
        .set('none.service', NOWHERE),
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
  'paging-units': {
    steps: {
      5: {
        why: 'globs are globs, and what they destroy has to be confirmed',
        stderr: 'fleetctl: Destroy 50 units? Nobody can be asked here: give --yes to go ahead\n',
        exit: 2,
      },
    },
  },
  'raw-bug-desired-state': {
    steps: {
      6: {
        why: 'no bogus state could be put, so the unit could be destroyed',
        stderr: 'Unit stuck.service not found\n',
      },
    },
  },
  'raw-bug-template-launched': {
    steps: {
      6: {
        why: 'no template is launched, so no agent is stuck with it',
        stdout: `UNIT\t\tMACHINE\t\t\t\t\t\tACTIVE\tSUB\nafter1.service\t${IDA}/10.42.0.13\tactive\trunning\nafter2.service\t${IDB}/10.42.0.12\tactive\trunning\nafter3.service\t${IDC}/10.42.0.11\tactive\trunning\n`,
      },
      7: {
        why: 'so all of them have been launched',
        stdout: `UNIT\t\tHASH\t\t\t\t\t\tDSTATE\t\tSTATE\t\tTARGET\nafter1.service\t${AFTER}\tlaunched\tlaunched\t${IDA}/10.42.0.13\nafter2.service\t${AFTER}\tlaunched\tlaunched\t${IDB}/10.42.0.12\nafter3.service\t${AFTER}\tlaunched\tlaunched\t${IDC}/10.42.0.11\n`,
      },
    },
  },
  'raw-patch-machines': {
    steps: {
      35: {
        why: "metadata given as a plain string is taken, as fleet's own documentation has it",
        stdout: `MACHINE\t\tIP\t\tMETADATA\n472d6cb2...\t10.42.0.13\thost=3,zone=a\nb38a1340...\t10.42.0.12\tcolor=blue,host=2,odd=a=b,c,zone=b\nc450664f...\t10.42.0.11\thost=1,zone=a\n`,
      },
    },
  },
  restart: {
    steps: {
      1: { why: RESTARTS, stdout: `Unit again.service launched on ${A}\n` },
      3: { why: RESTARTS, stdout: `Unit again.service launched on ${A}\n` },
    },
  },
  'start-never-placeable-waits': {
    before: ({ behaviours }) => behaviours.set('lost.service', NOWHERE),
  },
  'start-stop-unload-destroy': {
    steps: { 10: { why: RESTARTS, stdout: `Unit alpha.service launched on ${A}\n` } },
  },
  'status-journal-ssh': {
    steps: {
      1: { why: BY_API, stdout: statusOf('sshy.service', 1), stderr: '', exit: 0 },
      2: { why: BY_API, stdout: LINES, stderr: '', exit: 0 },
      3: { why: BY_API, stdout: LINES, stderr: '', exit: 0 },
      4: NO_SSHD,
      5: NO_SSHD,
      6: NO_SSHD,
      9: {
        why: BY_API,
        stdout: statusOf('sshy.service', 1),
        stderr: 'Unit nosuch.service does not exist.\n',
        exit: 1,
      },
    },
  },
  'syntax-errors': {
    steps: {
      5: {
        why: 'the garbage is shown as text, not as the numbers of its bytes',
        stderr:
          'Error creating units: failed getting Unit(garbage.service) from file: found garbage after section name [Service]: trailing\n',
      },
      9: { why: 'lines may have 1 MiB', stdout: 'Unit long.service inactive\n', stderr: '', exit: 0 },
      12: {
        why: 'so the unit with the long line is there',
        stdout:
          'UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\ncont.service\t683b65a\tinactive\tinactive\t-\ncrlf.service\t39b6e63\tinactive\tinactive\t-\nlong.service\t016f552\tinactive\tinactive\t-\nnonl.service\t39b6e63\tinactive\tinactive\t-\nunknown.service\t90d2b5e\tinactive\tinactive\t-\n',
      },
    },
  },
};
