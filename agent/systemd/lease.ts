import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../runtime/clock.js';
import { replaceFile } from './files.js';
import { execArgument } from './unit-text.js';

/**
 * The dead-man switch of lease-bound units: a shell of its own, run by systemd as convoy-lease.service, that reads
 * from a file until when it may live and ends itself at that time. Lease-bound units are bound to it: systemd stops
 * them as soon as it has ended, and starts none without having started it first, which fails once the time is over.
 *
 * The time in the file is absolute, on the machine's own uptime. That is what a timer of systemd cannot have without
 * a daemon-reload or a new unit (and three lines in the journal) at each renewal: a convoyd that was frozen between
 * working out the time and saying it extends nothing, nor does a start that arrives late. Seen on a host: a service,
 * a oneshot in its start and a unit that waits for its restart are all stopped within 15 ms of the time.
 */
export const LEASE_UNIT = 'convoy-lease.service';

/** Uptime counts suspended time and is the same for every process of a machine, in hundredths of a second. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
const NOW = 'read up rest </proc/uptime; up=$(( ${up%.*} * 100 + 1${up#*.} - 100 ))';
const MAY_LIVE = `${NOW}; read until <"$1" && [ "$up" -lt "$until" ]`;
const LIVE = `while ${NOW}; read until <"$1" && left=$((until - up)) && [ "$left" -gt 0 ]; do sleep "$((left / 100)).$((left % 100 / 10))$((left % 10))"; done`;

const leasePath = (runDir: string): string => join(runDir, 'lease');

export function leaseUnitText(runDir: string): string {
  const run = (script: string): string =>
    ['/bin/sh', '-c', execArgument(script), 'convoy-lease', execArgument(leasePath(runDir))].join(' ');
  return `[Unit]
Description=Keeps lease-bound units of Convoy until the lease of this machine is over
StartLimitIntervalSec=0

[Service]
ExecStartPre=${run(MAY_LIVE)}
ExecStart=${run(LIVE)}
OOMScoreAdjust=-900
`;
}

export interface Lease {
  /** As `UnitManager.holdLease`. */
  hold(until: number): void;
  isHeld(): boolean;
  /** Unless it is held by us, what the file says is of no account any more. */
  drop(): void;
}

export function openLease(runDir: string, clock: Clock): Lease {
  let last = Number.NEGATIVE_INFINITY;
  const isHeld = (): boolean => clock.steady() < last;
  return {
    hold(until) {
      // In this order: time that passes between the two looks shortens the lease.
      const uptime = Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
      const left = until - clock.steady();
      if (left <= 0 || until <= last) return;
      last = until;
      replaceFile(leasePath(runDir), `${Math.floor((uptime * 1000 + left) / 10)}\n`, 0o600);
    },
    isHeld,
    drop() {
      if (!isHeld()) rmSync(leasePath(runDir), { force: true });
    },
  };
}
