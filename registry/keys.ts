/** What a key of the registry stands for, as `parse` reads it. */
export type ParsedKey =
  | { readonly kind: 'cluster' }
  | { readonly kind: 'leader' }
  | { readonly kind: 'unit'; readonly unit: string }
  | { readonly kind: 'content'; readonly hash: string }
  | { readonly kind: 'known'; readonly machine: string }
  | { readonly kind: 'unjoined'; readonly machine: string }
  | { readonly kind: 'machine'; readonly machine: string }
  | { readonly kind: 'assigned'; readonly unit: string }
  | { readonly kind: 'placement'; readonly machine: string; readonly unit: string }
  | { readonly kind: 'state'; readonly machine: string; readonly unit: string }
  | { readonly kind: 'service'; readonly service: string; readonly unit: string; readonly machine: string };

/** Every etcd key of a registry. What ends with a slash is the prefix of a table. */
export interface Keys {
  readonly root: string;
  readonly cluster: string;
  readonly leader: string;
  readonly secret: string;
  readonly units: string;
  readonly contents: string;
  readonly known: string;
  readonly machines: string;
  readonly services: string;
  unit(name: string): string;
  content(hash: string): string;
  knownMachine(id: string): string;
  unjoined(id: string): string;
  machine(id: string): string;
  assigned(unit: string): string;
  /** Without a unit: the prefix of all placements; with a machine only: of that machine's. */
  placements(machine?: string): string;
  placement(machine: string, unit: string): string;
  /** Without a machine: the prefix of all states. */
  states(machine?: string): string;
  state(machine: string, unit: string): string;
  servicesOf(service: string): string;
  service(service: string, unit: string, machine: string): string;
  /** `null` for a key that is none of ours: a later version's, say. */
  parse(key: string): ParsedKey | null;
}

/**
 * `prefix` is where in etcd the registry lives; slashes around it do not matter (`convoy`, `/convoy/`). Parts of
 * a key are percent-encoded where they hold a slash, so that a name can never reach into another table.
 */
export function keysUnder(prefix: string): Keys {
  const root = `/${prefix.replace(/^\/+|\/+$/g, '')}/`.replace('//', '/');
  const at = (...parts: readonly string[]): string => root + parts.map(encodePart).join('/');
  return {
    root,
    cluster: at('cluster'),
    leader: at('leader'),
    secret: at('secret'),
    units: `${at('units')}/`,
    contents: `${at('contents')}/`,
    known: `${at('known')}/`,
    machines: `${at('machines')}/`,
    services: `${at('services')}/`,
    unit: (name) => at('units', name),
    content: (hash) => at('contents', hash),
    knownMachine: (id) => at('known', id),
    unjoined: (id) => at('unjoined', id),
    machine: (id) => at('machines', id),
    assigned: (unit) => at('assigned', unit),
    placements: (machine) => `${machine === undefined ? at('placements') : at('placements', machine)}/`,
    placement: (machine, unit) => at('placements', machine, unit),
    states: (machine) => `${machine === undefined ? at('states') : at('states', machine)}/`,
    state: (machine, unit) => at('states', machine, unit),
    servicesOf: (service) => `${at('services', service)}/`,
    service: (service, unit, machine) => at('services', service, unit, machine),
    parse(key) {
      if (!key.startsWith(root)) return null;
      const parts = key.slice(root.length).split('/');
      return parseParts(key.includes('%') ? parts.map(decodePart) : parts);
    },
  };
}

function parseParts(parts: readonly string[]): ParsedKey | null {
  const [table = '', first = '', second = '', third = ''] = parts;
  if (parts.length !== PARTS[table]) return null;
  switch (table) {
    case 'cluster':
    case 'leader':
      return { kind: table };
    case 'units':
      return { kind: 'unit', unit: first };
    case 'contents':
      return { kind: 'content', hash: first };
    case 'known':
    case 'unjoined':
      return { kind: table, machine: first };
    case 'machines':
      return { kind: 'machine', machine: first };
    case 'assigned':
      return { kind: 'assigned', unit: first };
    case 'placements':
      return { kind: 'placement', machine: first, unit: second };
    case 'states':
      return { kind: 'state', machine: first, unit: second };
    case 'services':
      return { kind: 'service', service: first, unit: second, machine: third };
    default:
      return null;
  }
}

/** Of how many parts the keys of each table are. */
const PARTS: Readonly<Record<string, number>> = {
  ...{ cluster: 1, leader: 1 },
  ...{ units: 2, contents: 2, known: 2, unjoined: 2, machines: 2, assigned: 2 },
  ...{ placements: 3, states: 3, services: 4 },
};

const encodePart = (part: string): string => part.replaceAll('%', '%25').replaceAll('/', '%2F');
const decodePart = (part: string): string => part.replaceAll('%2F', '/').replaceAll('%25', '%');
