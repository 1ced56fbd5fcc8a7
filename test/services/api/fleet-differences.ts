import { expect } from 'vitest';
import type { FakeFleet } from '../../support/fake-fleet.js';
import type { RecordedBody } from './fleet-recording.js';

/**
 * Where our answer differs from fleet's on purpose: by recording and number of the exchange in it, with the reason.
 * `body` absent: there is none; as a function: fleet's, changed. `after`: what sets things as they were recorded.
 */
export interface Difference {
  readonly why: string;
  readonly status: number;
  /** Where it is not that of the body. */
  readonly type?: string;
  readonly body?: object | ((recorded: unknown) => unknown);
  readonly after?: (fleet: Pick<FakeFleet, 'registry'>) => Promise<unknown>;
}

const error = (code: number, message: unknown): object => ({ error: { code, message } });

const undecodable: Difference = {
  why: "the rest of the text is the JSON library's",
  status: 400,
  body: error(400, expect.stringMatching(/^unable to decode body: ./)),
};
const undecodableList: Difference = {
  why: "the text is the JSON library's, or says which shape was expected",
  status: 400,
  body: error(400, expect.stringMatching(/./)),
};
const bogus = {
  why: 'a desired state that does not exist is refused wherever it comes',
  status: 400,
  body: error(400, 'invalid desired state "bogus": expected one of inactive, loaded, launched'),
};
const intact = { why: 'the unit was not harmed by the bogus state', status: 200 };
const stuck = {
  ...{ currentState: 'inactive', desiredState: 'inactive', name: 'stuck.service' },
  options: [
    { name: 'Description', section: 'Unit', value: 'Raw' },
    { name: 'ExecStart', section: 'Service', value: '/bin/sleep 7200' },
  ],
};

export const DIFFERENCES: Readonly<Record<string, Readonly<Record<number, Difference>>>> = {
  'raw-put-unit': {
    ...Object.fromEntries([7, 8, 9, 10, 12, 13, 14, 15].map((number) => [number, undecodable])),
    16: { ...undecodable, why: 'text after the object is a mistake, not to be passed over' },
    17: { why: 'so the unit is not there', status: 404, body: error(404, 'unit does not exist') },
    32: {
      why: 'lines may have 1 MiB, as in systemd',
      status: 201,
      after: ({ registry }) => registry.destroyUnit('p.service'),
    },
    34: bogus,
    48: {
      why: 'options are checked on replacing too',
      status: 400,
      body: error(400, 'MachineID cannot be used with Global'),
    },
    49: {
      why: 'so the unit is as it was',
      status: 200,
      body: expect.objectContaining({ currentState: 'inactive', name: 'p.service' }),
    },
  },
  'raw-patch-machines': {
    27: {
      why: "a plain string is the form of fleet's own documentation",
      status: 204,
      type: 'application/json',
      after: ({ registry }) =>
        registry.patchMetadata([{ machine: 'b38a1340d9b584906d50962c4f679ffd', key: 'color', value: null }]),
    },
    28: undecodableList,
    29: undecodableList,
  },
  'paging-units': {
    4: {
      why: 'a full page that is the last has no token: there is nothing more to ask for',
      status: 200,
      body: (recorded) => ({ ...(recorded as object), nextPageToken: undefined }),
    },
  },
  'raw-discovery': {
    0: {
      why: 'PATCH of machines is described too, and machineID is not required: it is absent while a unit is nowhere',
      status: 200,
      body: (recorded) => withPatch(recorded as Discovery),
    },
  },
  'raw-bug-template-launched': {
    0: {
      why: 'a template is not activated, whether it is new or known',
      status: 400,
      body: error(400, 'cannot activate template "u@.service"'),
    },
    1: { why: 'so it is not there', status: 200, body: {} },
    2: { why: 'so it is not there', status: 404, body: error(404, 'unit does not exist') },
  },
  'raw-bug-desired-state': {
    1: bogus,
    2: { ...intact, body: stuck },
    3: { ...intact, body: { units: [stuck] } },
    4: { ...intact, status: 204 },
    5: { ...intact, status: 204 },
    6: { why: 'it could be deleted', status: 404, body: error(404, 'unit does not exist') },
  },
};

interface Discovery {
  readonly schemas: { readonly Unit: { readonly properties: object } };
  readonly resources: { readonly Machines: { readonly methods: object } };
}

function withPatch({ schemas, resources, ...rest }: Discovery): object {
  const string = { type: 'string' };
  const patch = {
    id: 'fleet.Machine.Patch',
    httpMethod: 'PATCH',
    path: 'machines',
    request: { $ref: 'MachinePatch' },
  };
  return {
    ...rest,
    schemas: {
      ...schemas,
      Unit: { ...schemas.Unit, properties: { ...schemas.Unit.properties, machineID: string } },
      MachinePatch: { id: 'MachinePatch', type: 'array', items: { $ref: 'MachinePatchOperation' } },
      MachinePatchOperation: {
        id: 'MachinePatchOperation',
        type: 'object',
        properties: {
          op: { ...string, enum: ['add', 'remove', 'replace'] },
          path: string,
          value: { type: 'object', properties: { value: string } },
        },
      },
    },
    resources: { ...resources, Machines: { methods: { ...resources.Machines.methods, Patch: patch } } },
  };
}

/**
 * What a whole cluster, with scheduler and agents at work, does not come to. `body` absent: the answer was recorded on
 * the way to another, which need not be seen again; its unit is compared but for how far it has come.
 */
export interface LiveDifference {
  readonly why: string;
  readonly body?: (recorded: RecordedBody) => RecordedBody;
}

const soon = { why: 'fleet had not placed it yet' };
const still = {
  why: 'fleet had not stopped it yet, and took the state before the restart for that after it',
};
const wedged = 'a template that was never activated wedges no agent: what comes after it runs';
const launched: LiveDifference = {
  why: wedged,
  body: ({ units = [] }) => ({ units: units.map((unit) => ({ ...unit, currentState: 'launched' })) }),
};
const running: LiveDifference = {
  why: wedged,
  body: ({ states = [] }) => ({
    states: [
      ...states.slice(0, 1).map((state) => ({
        ...state,
        ...{ name: 'after1.service', machineID: '472d6cb2f262ea34e2385ef99b9555fd' },
      })),
      ...states,
    ],
  }),
};

export const LIVE_DIFFERENCES: Readonly<Record<string, Readonly<Record<number, LiveDifference>>>> = {
  'no-block': { 5: soon, 15: soon },
  'raw-put-unit': { 43: soon, 45: soon },
  restart: { 20: still, 29: still },
  'start-stop-unload-destroy': { 50: still },
  'raw-bug-template-launched': { 4: launched, 5: running, 6: running, 8: launched },
};
