import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { backoffMs } from '../../runtime/backoff.js';
import type { Clock } from '../../runtime/clock.js';
import type { Log } from '../../runtime/log.js';
import { ownFile } from '../../runtime/own-file.js';
import { findProgram } from './account.js';
import { lineSplitter } from './protocol.js';

/** What a unit's process said on $NOTIFY_SOCKET, and which one it was, as the kernel has it. */
export interface Message {
  readonly pid: number;
  /** `READY=1` and the like, in order. */
  readonly lines: readonly string[];
}

export interface NotifyOptions {
  readonly runDir: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

interface Bound {
  readonly uid: number;
  readonly onMessage: (message: Message) => void;
  readonly bound: Promise<string | null>;
  readonly answer: (problem: string | null) => void;
}

/** The system call recvmsg where the helper's picture of a message is right. */
const RECVMSG: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 47, arm64: 212, riscv64: 212 };
const RETRY = { firstMs: 10, factor: 2, maxMs: 1000 };

/**
 * One socket per unit, received from by a helper process that ends with this one, and is started again if it ends
 * before; what units send meanwhile fails at the sender.
 */
export class Notifier {
  private readonly sockets = new Map<string, Bound>();
  private helper: ChildProcess | null = null;
  private failures = 0;

  constructor(private readonly options: NotifyOptions) {}

  /** Why this machine cannot receive such messages, if so. */
  problem(): string | null {
    if (RECVMSG[process.arch] === undefined)
      return `messages of units are not supported on ${process.arch} machines`;
    const perl = findProgram('perl', this.options.environment.PATH ?? '');
    return perl === null ? 'receiving messages of units needs perl (package perl-base)' : null;
  }

  /** $NOTIFY_SOCKET of a unit. No longer than the supervisor's own socket. */
  pathOf(unit: string): string {
    return join(this.dir, idOf(unit));
  }

  /** Resolves when the user can send; with the problem if that cannot be. */
  bind(unit: string, uid: number, onMessage: (message: Message) => void): Promise<string | null> {
    let answer = (_: string | null): void => undefined;
    const bound = new Promise<string | null>((resolve) => {
      answer = resolve;
    });
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    // Units of other users reach their sockets through these folders, and can list neither.
    if (uid !== process.geteuid?.()) for (const dir of [this.options.runDir, this.dir]) chmodSync(dir, 0o711);
    this.sockets.set(idOf(unit), { uid, onMessage, bound, answer });
    if (this.helper === null) this.start();
    else this.tell(`bind ${idOf(unit)} ${uid}`);
    return bound;
  }

  unbind(unit: string): void {
    if (this.sockets.delete(idOf(unit))) this.tell(`unbind ${idOf(unit)}`);
  }

  private get dir(): string {
    return join(this.options.runDir, 'n');
  }

  private tell(line: string): void {
    if (this.helper?.stdin?.writable) this.helper.stdin.write(`${line}\n`);
  }

  private start(): void {
    const { log } = this.options;
    const script = ownFile('agent/supervisor/notify.pl');
    const helper = spawn('perl', [script, this.dir, String(RECVMSG[process.arch])], {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: '/',
    });
    this.helper = helper;
    helper.stdin.on('error', () => undefined);
    helper.stdout.setEncoding('utf8');
    helper.stdout.on(
      'data',
      lineSplitter((line) => this.hear(line)),
    );
    helper.on('error', (error) => log.error({}, `the notify helper cannot be started: ${error.message}`));
    helper.once('close', () => void this.ended());
    for (const [id, { uid }] of this.sockets) this.tell(`bind ${id} ${uid}`);
  }

  private async ended(): Promise<void> {
    const { clock, log } = this.options;
    log.warn({}, 'the notify helper ended; starting another');
    this.failures++;
    await clock.sleep(backoffMs(this.failures, RETRY, 0));
    this.start();
  }

  private hear(line: string): void {
    const [what, id = '', ...rest] = line.split(' ');
    const socket = this.sockets.get(id);
    if (what === 'bound') this.failures = 0;
    if (what === 'bound') socket?.answer(null);
    else if (what === 'failed') socket?.answer(rest.join(' '));
    else {
      const [pid, hex = ''] = rest;
      const lines = Buffer.from(hex, 'hex').toString().split('\n');
      socket?.onMessage({ pid: Number(pid), lines: lines.filter((text) => text !== '') });
    }
  }
}

function idOf(unit: string): string {
  return createHash('sha256').update(unit).digest('hex').slice(0, 12);
}
