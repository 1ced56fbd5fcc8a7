import { TARGET_STATES } from '../units/state.js';

/**
 * What `GET /discovery` answers: fleet's API described in Google's form, which client generators read. Names of
 * schemas, methods and parameters are fleet's, so that generated code keeps its names.
 */
export const DISCOVERY = {
  kind: 'discovery#restDescription',
  discoveryVersion: 'v1',
  id: 'fleet:v1',
  name: 'schema',
  version: 'v1',
  title: 'fleet API',
  description:
    'Units, their states and the machines of a cluster, as fleet 1.0 served them. Served by Convoy.',
  protocol: 'rest',
  labels: [],
  baseUrl: '$ENDPOINT/fleet/v1/',
  basePath: '/fleet/v1/',
  rootUrl: '$ENDPOINT/',
  servicePath: 'fleet/v1/',
  batchPath: 'batch',
  parameters: {},
  auth: {},
  schemas: {
    Machine: object('Machine', {
      id: text(),
      primaryIP: text(),
      metadata: { type: 'object', properties: {}, additionalProperties: text() },
    }),
    MachinePage: page('MachinePage', 'machines', 'Machine'),
    MachinePatch: { id: 'MachinePatch', ...list('MachinePatchOperation') },
    MachinePatchOperation: object('MachinePatchOperation', {
      op: { ...text(), enum: ['add', 'remove', 'replace'] },
      path: text('/MACHINE-ID/metadata/KEY'),
      value: {
        type: 'object',
        description: 'For add and replace. A plain string is taken as well.',
        properties: { value: text() },
      },
    }),
    UnitOption: object('UnitOption', { section: text(), name: text(), value: text() }),
    Unit: object('Unit', {
      name: text(),
      options: list('UnitOption'),
      desiredState: state('What is asked of the unit.'),
      currentState: state('How far it has come; nobody sets it.'),
      machineID: text('Where it is placed; absent while it is nowhere, and of a unit that runs everywhere.'),
    }),
    UnitPage: page('UnitPage', 'units', 'Unit'),
    UnitState: object('UnitState', {
      name: text(),
      hash: text(),
      machineID: text(),
      systemdLoadState: text(),
      systemdActiveState: text(),
      systemdSubState: text(),
    }),
    UnitStatePage: page('UnitStatePage', 'states', 'UnitState'),
  },
  resources: {
    Machines: {
      methods: {
        List: {
          ...{ id: 'fleet.Machine.List', description: 'The live machines by id, a page at a time.' },
          ...{ httpMethod: 'GET', path: 'machines' },
          parameters: { nextPageToken: query() },
          response: { $ref: 'MachinePage' },
        },
        Patch: {
          ...{
            id: 'fleet.Machine.Patch',
            description: 'Sets or hides keys of metadata: all of them or none.',
          },
          ...{ httpMethod: 'PATCH', path: 'machines' },
          request: { $ref: 'MachinePatch' },
        },
      },
    },
    Units: {
      methods: {
        List: {
          ...{ id: 'fleet.Unit.List', description: 'All units by name, a page at a time.' },
          ...{ httpMethod: 'GET', path: 'units' },
          parameters: { nextPageToken: query() },
          response: { $ref: 'UnitPage' },
        },
        Get: {
          ...{ id: 'fleet.Unit.Get', description: 'One unit.', httpMethod: 'GET', ...ofUnit('units') },
          response: { $ref: 'Unit' },
        },
        Delete: {
          ...{ id: 'fleet.Unit.Delete', description: 'Destroys a unit: it is stopped and forgotten.' },
          ...{ httpMethod: 'DELETE', ...ofUnit('units') },
        },
        Set: {
          ...{
            id: 'fleet.Unit.Set',
            description: 'Creates or replaces a unit, or changes its desired state.',
          },
          ...{ httpMethod: 'PUT', ...ofUnit('units') },
          request: { $ref: 'Unit' },
        },
      },
    },
    UnitState: {
      methods: {
        Get: {
          ...{
            id: 'fleet.UnitState.Get',
            description: 'The state of a unit on the machine it is placed on.',
          },
          ...{ httpMethod: 'GET', ...ofUnit('state') },
          response: { $ref: 'UnitState' },
        },
        List: {
          ...{ id: 'fleet.UnitState.List', description: 'States of units by name, then machine.' },
          ...{ httpMethod: 'GET', path: 'state' },
          parameters: { nextPageToken: query(), unitName: query(), machineID: query() },
          response: { $ref: 'UnitStatePage' },
        },
      },
    },
  },
} as const;

function text(description?: string) {
  return { type: 'string', ...(description === undefined ? {} : { description }) } as const;
}

function state(description: string) {
  return { ...text(description), enum: TARGET_STATES } as const;
}

function list(of: string) {
  return { type: 'array', items: { $ref: of } } as const;
}

function object<Properties>(id: string, properties: Properties) {
  return { id, type: 'object', properties } as const;
}

function page(id: string, rows: string, of: string) {
  return object(id, { [rows]: list(of), nextPageToken: text() });
}

function query() {
  return { type: 'string', location: 'query' } as const;
}

function ofUnit(collection: string) {
  return {
    path: `${collection}/{unitName}`,
    parameters: { unitName: { type: 'string', location: 'path', required: true } },
    parameterOrder: ['unitName'],
  } as const;
}
