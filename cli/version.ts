import { type Context, command } from './command.js';

/** The fleetctl whose texts and codes are given under its name; scripts compare it. */
const FLEET_VERSION = '1.0.0';

/** `convoyctl 0.1.0`; under fleet's name `fleetctl version 1.0.0+convoy-0.1.0`. */
export function versionLine({ fleet, version: ours }: Pick<Context, 'fleet' | 'version'>): string {
  return fleet ? `fleetctl version ${FLEET_VERSION}+convoy-${ours}` : `convoyctl ${ours}`;
}

export const version = command({
  options: {},
  examples: ['convoyctl version'],
  run: async (context) => {
    context.out(versionLine(context));
    return 0;
  },
});

/** Units were once signed; scripts may still ask. */
export const verify = command({
  options: {},
  examples: ['convoyctl verify web.service'],
  exitCodes: 'always 2',
  run: async (context) => {
    context.err('Command "verify" is deprecated, DEPRECATED - No longer works');
    context.err('WARNING: The signed/verified units feature is DEPRECATED and cannot be used.');
    return 2;
  },
});
