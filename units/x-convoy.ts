import { expandSpecifiers } from './name.js';
import { nearest } from './nearest.js';
import { parseRequirement, type Requirement } from './requirement.js';
import { stopBound } from './stop-bound.js';
import type { OptionProblem, UnitFile } from './unit-file.js';

const ONCE = ['Service', 'Port', 'Sticky', 'OnPartition', 'Spread', 'MoveAfterFailures'];
const CONVOY_KEYS = [...ONCE, 'Prefer', 'Require'];

/** What [X-Convoy] says about service discovery. */
export interface ServiceOffer {
  readonly service: string;
  /** `auto`: a free port is chosen on the machine. */
  readonly port: number | 'auto';
}

/** What [X-Convoy] says about where a unit runs; `Constraints` has the meanings. */
export interface ConvoyConstraints {
  readonly sticky: boolean;
  readonly stopBoundMs: number | null;
  readonly spread: string | null;
  readonly prefers: readonly Preference[];
  readonly requires: readonly Requirement[];
  readonly moveAfterFailures: number | null;
}

/** One `Prefer=`. */
export interface Preference {
  readonly key: string;
  readonly value: string;
}

interface Line {
  readonly option: number;
  readonly value: string;
}

/**
 * Reads [X-Convoy], specifiers replaced as for the unit `name`. What is wrong is added to `problems`: unlike in
 * [X-Fleet] an unknown option is refused, so that a slip never silently changes where or how a unit runs.
 */
export function readConvoyOptions(
  unit: UnitFile,
  name: string,
  problems: OptionProblem[],
): { offer: ServiceOffer | null; constraints: ConvoyConstraints } {
  const lines = readLines(unit, name, problems);
  const all = (key: string): readonly Line[] => lines.get(key) ?? [];

  /** The value of one line; null, and a problem, if `read` knows nothing to make of it. */
  function each<T>(key: string, read: (value: string) => T | null, wrong: string): T[] {
    return all(key).flatMap(({ option, value }) => {
      const found = read(value);
      if (found === null) problems.push({ option, what: `${key}=${value} ${wrong}` });
      return found === null ? [] : [found];
    });
  }

  const [service] = each(
    'Service',
    (text) => (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(text) ? text : null),
    'is not a service name: up to 63 letters, digits, "-", "_", "."',
  );
  const [port] = each('Port', readPort, 'is neither a port (1 to 65535) nor "auto"');
  const [lonely, none] = [...all('Service'), ...all('Port')];
  if (lonely !== undefined && none === undefined)
    problems.push({
      option: lonely.option,
      what: 'Service= and Port= of [X-Convoy] are only of use together',
    });
  const [sticky = false] = each('Sticky', readYesNo, 'is neither yes nor no');
  const [onPartition = 'keep'] = each(
    'OnPartition',
    (text) => (text === 'stop' || text === 'keep' ? text : null),
    'is neither stop nor keep',
  );
  const bound = onPartition === 'stop' ? stopBound(name, unit) : null;
  if (bound !== null && 'problem' in bound)
    problems.push({ option: all('OnPartition')[0]?.option ?? null, what: bound.problem });
  const [spread = null] = each(
    'Spread',
    (text) => (/^[^\s=!(),]+$/.test(text) ? text : null),
    'is not the name of a metadata key',
  );
  const prefers = each('Prefer', readPreference, 'is not of the form key=value');
  const requires = each(
    'Require',
    parseRequirement,
    'is none of key=value, key!=value, key in (a,b), key not in (a,b), key, !key',
  );
  const [moveAfterFailures = null] = each(
    'MoveAfterFailures',
    (text) => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : null),
    'is not a number from 1 to 999999',
  );
  return {
    offer: service !== undefined && port !== undefined ? { service, port } : null,
    constraints: {
      ...{ sticky, spread, prefers, requires, moveAfterFailures },
      stopBoundMs: bound !== null && 'boundMs' in bound ? bound.boundMs : null,
    },
  };
}

function readLines(unit: UnitFile, name: string, problems: OptionProblem[]): Map<string, Line[]> {
  const lines = new Map<string, Line[]>();
  for (const [option, { section, name: key, value }] of unit.options.entries()) {
    if (section !== 'X-Convoy') continue;
    const before = lines.get(key) ?? [];
    if (!CONVOY_KEYS.includes(key)) {
      const near = nearest(key, CONVOY_KEYS);
      const hint = near === null ? `known are ${CONVOY_KEYS.join(', ')}` : `did you mean ${near}=?`;
      problems.push({ option, what: `unknown option ${JSON.stringify(key)} in [X-Convoy]: ${hint}` });
    } else if (before.length > 0 && ONCE.includes(key)) {
      problems.push({ option, what: `${key}= is given twice in [X-Convoy]` });
    } else {
      lines.set(key, [...before, { option, value: expandSpecifiers(value, name) }]);
    }
  }
  return lines;
}

function readPort(text: string): number | 'auto' | null {
  if (text === 'auto') return 'auto';
  const number = Number(text);
  return /^\d{1,5}$/.test(text) && number >= 1 && number <= 65_535 ? number : null;
}

function readYesNo(text: string): boolean | null {
  if (/^(yes|true|on|1)$/i.test(text)) return true;
  return /^(no|false|off|0)$/i.test(text) ? false : null;
}

function readPreference(text: string): Preference | null {
  const [, key, value] = /^\s*([^\s=!(),]+)\s*=\s*([^=]*[^\s=])\s*$/.exec(text) ?? [];
  return key === undefined || value === undefined ? null : { key, value };
}
