import type { Clock } from '../runtime/clock.js';
import type { Log } from '../runtime/log.js';
import { ownFile } from '../runtime/own-file.js';
import type { UnitManagerName } from './daemon-options.js';
import { openSupervisorManager } from './supervisor-manager.js';
import type { UnitManager } from './unit-manager.js';

export interface UnitManagerOptions {
  readonly unitManager: UnitManagerName;
  /** Sockets, the supervisor and what must not survive a reboot. */
  readonly runDir: string;
  /** Where the supervisor's units find /etc, /run and /var. */
  readonly unitRoot: string;
}

/** What runs the units of this machine. A supervisor need not be there yet when this resolves. */
export async function openUnitManager(
  { unitManager, runDir, unitRoot }: UnitManagerOptions,
  clock: Clock,
  log: Log,
): Promise<UnitManager> {
  switch (unitManager) {
    case 'systemd': {
      const { openSystemdManager } = await import('./systemd/systemd-manager.js');
      return openSystemdManager({ runDir, clock, log });
    }
    case 'supervisor':
      return openSupervisorManager({
        program: ownFile('agent/supervisor-main.js'),
        ...{ runDir, unitRoot, clock, log },
      });
  }
}
