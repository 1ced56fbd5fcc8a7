import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiSocket } from '../../../agent/api-sockets.js';
import { openGround, startEtcd } from '../../../agent/ground.js';
import { openClient } from '../../../cli/client.js';
import { submitAll } from '../../../cli/submit-all.js';
import { until } from '../../support/until.js';
import { cpuUse, secondsInAll } from '../support/processes.js';
import { machineId, runDirOf } from './machines.js';
import { type Observer, observe } from './observer.js';

/** Agents share processes: so many of Node's own starts would be measured otherwise. The leader is alone in its own, as in life. */
const PROCESSES = 4;

/** Each machine writes down what it saw of the registry, with an fsync, on a disk of its own in life; here they would wait for one disk. */
const MEMORY = '/dev/shm';

export interface BenchFleet {
  readonly etcdUrl: string;
  /** The API of a machine, of which the first leads. */
  socket(machine: number): string;
  readonly observer: Observer;
  /** From the first start of a convoyd until all machines were there. */
  readonly joinSeconds: number;
  /** Submits units to be launched as `convoyctl start` does: lots of 50, several at a time, to one machine's socket. */
  start(names: readonly string[]): Promise<void>;
  /** CPU seconds so far. */
  cpu(): { readonly etcd: number; readonly leader: number; readonly others: number };
  /** Machines that were gone for a moment, sessions that were lost. */
  presenceFailures(): number;
  close(): Promise<void>;
}

/** One etcd and so many convoyds, the first of which leads. */
export async function openFleet(agents: number): Promise<BenchFleet> {
  const { TMPDIR = tmpdir() } = process.env;
  process.env.TMPDIR = MEMORY;
  const ground = openGround('convoy-bench-agents');
  process.env.TMPDIR = TMPDIR;
  const logs = join(ground.dir, 'logs');
  mkdirSync(logs);
  const etcd = await startEtcd(ground);
  const observer = observe(etcd.url);
  const children: ChildProcess[] = [];

  function spawn(first: number, count: number): Promise<ChildProcess> {
    const child = fork(
      join(import.meta.dirname, 'agent-host-process.ts'),
      [etcd.url, ground.dir, String(first), String(count)],
      {
        execArgv: ['--import', 'tsx'],
        stdio: ['ignore', 'ignore', openSync(join(logs, `${first}.log`), 'a'), 'ipc'],
      },
    );
    children.push(child);
    const ids = Array.from({ length: count }, (_, index) => machineId(first + index));
    return new Promise((resolve, reject) => {
      child.on('message', (started: number) => {
        const joined = (): boolean => ids.slice(0, started).every((id) => observer.machines.has(id));
        until(`${started} of the machines from ${first} on have joined`, joined, 120_000)
          .then(() => {
            child.send('more');
            if (started === count) resolve(child);
          })
          .catch(reject);
      });
      child.once('exit', (code) => reject(new Error(`the process of machine ${first} ended with ${code}`)));
    });
  }

  const began = performance.now();
  const leader = await spawn(1, 1);
  await observer.reached('the leader', () => observer.machines.size === 1, 30_000);
  const others = agents - 1;
  const share = Math.ceil(others / PROCESSES);
  const starts = [];
  for (let first = 2; first <= agents; first += share)
    starts.push(spawn(first, Math.min(share, agents - first + 1)));
  await Promise.all(starts);
  const joined = await observer.reached('all machines', () => observer.machines.size === agents, 180_000);
  const socket = (machine: number): string => apiSocket(runDirOf(ground.dir, machine));
  const api = openClient(`unix://${socket(1)}`);
  const leads = await api.leader();
  if (leads?.machine !== machineId(1)) throw new Error('the first machine does not lead');

  const cpuOf = (pid: number | undefined): number => secondsInAll(cpuUse([pid ?? 0]));
  return {
    etcdUrl: etcd.url,
    socket,
    observer,
    joinSeconds: (joined - began) / 1000,
    start: (names) =>
      submitAll(
        { api },
        names.map((name) => ({ name, target: 'launched', options: optionsOf(name) })),
      ),
    cpu: () => ({
      etcd: cpuOf(etcd.child.pid),
      leader: cpuOf(leader.pid),
      others: children.filter((child) => child !== leader).reduce((sum, { pid }) => sum + cpuOf(pid), 0),
    }),
    presenceFailures: () =>
      observer.gone +
      readdirSync(logs).reduce(
        (sum, file) => sum + readFileSync(join(logs, file), 'utf8').split('session lost').length - 1,
        0,
      ),
    async close() {
      api.close();
      observer.close();
      const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      for (const child of children) child.disconnect();
      await Promise.all(ended);
      await ground.close();
    },
  };
}

/** A text of its own for each unit. */
const optionsOf = (name: string) => [
  { section: 'Unit', name: 'Description', value: name },
  { section: 'Service', name: 'ExecStart', value: '/bin/sleep infinity' },
];
