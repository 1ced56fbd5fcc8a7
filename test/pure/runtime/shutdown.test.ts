import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { silentLog } from '../../../runtime/log.js';
import { createShutdown } from '../../../runtime/shutdown.js';

/** A process that only has signals and an exit code. */
function someProcess() {
  const exits: number[] = [];
  const emitter = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) });
  return { process: emitter as unknown as NodeJS.Process, exits };
}

it('has begun for whoever asks after the signal came, with its name as the reason', async () => {
  const { process } = someProcess();
  const shutdown = createShutdown(silentLog, process);
  process.emit('SIGHUP', 'SIGHUP');
  await shutdown.begun();
  expect(shutdown.signal.reason).toBe('SIGHUP');
});

it('ends at once on the second signal', () => {
  const { process, exits } = someProcess();
  createShutdown(silentLog, process);
  process.emit('SIGTERM', 'SIGTERM');
  expect(exits).toEqual([]);
  process.emit('SIGINT', 'SIGINT');
  expect(exits).toEqual([130]);
});

it('takes what begins in the program itself for no signal', () => {
  const { process, exits } = someProcess();
  createShutdown(silentLog, process).begin();
  process.emit('SIGTERM', 'SIGTERM');
  expect(exits).toEqual([]);
  process.emit('SIGTERM', 'SIGTERM');
  expect(exits).toEqual([143]);
});

it('closes in reverse order, once, whatever fails, and then listens no more', async () => {
  const { process } = someProcess();
  const shutdown = createShutdown(silentLog, process);
  const closed: string[] = [];
  for (const name of ['first', 'second', 'third'])
    shutdown.onClose(name, () => {
      closed.push(name);
      if (name === 'second') throw new Error('it would not close');
    });
  await Promise.all([shutdown.close(), shutdown.close()]);
  expect(closed).toEqual(['third', 'second', 'first']);
  expect(process.listenerCount('SIGTERM')).toBe(0);
});
