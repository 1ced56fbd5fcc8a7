import type { Event } from '../api/event-schemas.js';
import { counted } from './table.js';

/** What happened, in words. Machines are named by `machine`. */
export function describeEvent(event: Event, machine: (id: string) => string): string {
  switch (event.kind) {
    case 'unit':
      return unitText(event);
    case 'placement':
      return placementText(event, machine(event.machine));
    case 'state':
      return stateText(event, machine(event.machine));
    case 'machine':
      return event.value === null
        ? `machine ${machine(event.machine)} is gone`
        : `machine ${machine(event.machine)} is there, with convoyd ${event.value.version}`;
    case 'known':
      return knownText(event, machine(event.machine));
    case 'service': {
      const at = `service ${event.service}: ${event.unit} on ${machine(event.machine)}`;
      return event.value === null
        ? `${at} is withdrawn`
        : `${at} answers at ${event.value.host}:${event.value.port}`;
    }
    case 'leader': {
      if (event.value === null) return 'nobody leads';
      const { frozen } = event.value;
      return `machine ${machine(event.value.machine)} leads${frozen === null ? '' : `: ${frozen}`}`;
    }
  }
}

type Of<Kind extends Event['kind']> = Extract<Event, { kind: Kind }>;

function unitText({ unit, value }: Of<'unit'>): string {
  if (value === null) return `${unit} destroyed`;
  const restarts = value.restarts === 0 ? '' : `, ${counted(value.restarts, 'restart')} asked for`;
  const move =
    value.move === null
      ? ''
      : `, to be moved ${value.move.to === null ? 'elsewhere' : `to ${value.move.to.slice(0, 8)}`}`;
  return `${unit} is to be ${value.target} (hash ${value.hash.slice(0, 7)}${restarts}${move})`;
}

function placementText({ unit, value, revision }: Of<'placement'>, machine: string): string {
  if (value === null) return `${unit} taken off ${machine}`;
  return value.fence === revision
    ? `${unit} placed on ${machine}: ${value.why}`
    : `${unit} on ${machine} told to be ${value.target}: ${value.why}`;
}

function stateText({ unit, value }: Of<'state'>, machine: string): string {
  if (value === null) return `${unit} unloaded from ${machine}`;
  const { active, sub, exit, reason } = value;
  const why = [exit === null ? '' : `exit ${exit}`, reason.split('\n')[0] ?? ''].filter(
    (part) => part !== '',
  );
  return `${unit} ${active} (${sub}) on ${machine}${why.length === 0 ? '' : `: ${why.join(', ')}`}`;
}

function knownText({ value }: Of<'known'>, machine: string): string {
  if (value === null) return `machine ${machine} forgotten`;
  const { cordoned, draining, away, metadata } = value;
  const wishes = [
    ...(draining ? ['draining'] : cordoned ? ['cordoned'] : []),
    ...(away === null ? [] : [away]),
    ...Object.entries(metadata)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, to]) => (to === null ? `${key} hidden` : `${key}=${to}`)),
  ];
  return `machine ${machine} as the operator wants it: ${wishes.length === 0 ? 'takes units' : wishes.join(', ')}`;
}
