import { expandSpecifiers } from './name.js';
import { nearest } from './nearest.js';
import type { OptionProblem, UnitFile } from './unit-file.js';

const CONVOY_KEYS = ['Service', 'Port', 'Sticky'];

/** What [X-Convoy] says about service discovery. */
export interface ServiceOffer {
  readonly service: string;
  /** `auto`: a free port is chosen on the machine. */
  readonly port: number | 'auto';
}

/**
 * Reads [X-Convoy], specifiers replaced as for the unit `name`. What is wrong is added to `problems`: unlike in
 * [X-Fleet] an unknown option is refused, so that a slip never silently changes where or how a unit runs.
 */
export function readConvoyOptions(
  unit: UnitFile,
  name: string,
  problems: OptionProblem[],
): { offer: ServiceOffer | null; sticky: boolean } {
  const values = new Map<string, { option: number; value: string }>();
  for (const [option, { section, name: key, value }] of unit.options.entries()) {
    if (section !== 'X-Convoy') continue;
    if (!CONVOY_KEYS.includes(key)) {
      const near = nearest(key, CONVOY_KEYS);
      const hint = near === null ? `known are ${CONVOY_KEYS.join(', ')}` : `did you mean ${near}=?`;
      problems.push({ option, what: `unknown option ${JSON.stringify(key)} in [X-Convoy]: ${hint}` });
    } else if (values.has(key)) {
      problems.push({ option, what: `${key}= is given twice in [X-Convoy]` });
    } else {
      values.set(key, { option, value: expandSpecifiers(value, name) });
    }
  }
  const service = values.get('Service');
  const port = values.get('Port');
  const sticky = values.get('Sticky');
  if (service !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(service.value))
    problems.push({
      option: service.option,
      what: `Service=${service.value} is not a service name: up to 63 letters, digits, "-", "_", "."`,
    });
  const number = port === undefined ? undefined : readPort(port.value);
  if (port !== undefined && number === null)
    problems.push({
      option: port.option,
      what: `Port=${port.value} is neither a port (1 to 65535) nor "auto"`,
    });
  if ((service === undefined) !== (port === undefined))
    problems.push({
      option: (service ?? port)?.option ?? null,
      what: 'Service= and Port= of [X-Convoy] are only of use together',
    });
  if (sticky !== undefined && !/^(yes|true|on|1|no|false|off|0)$/i.test(sticky.value))
    problems.push({ option: sticky.option, what: `Sticky=${sticky.value} is neither yes nor no` });
  return {
    offer: service !== undefined && number != null ? { service: service.value, port: number } : null,
    sticky: sticky !== undefined && /^(yes|true|on|1)$/i.test(sticky.value),
  };
}

function readPort(text: string): number | 'auto' | null {
  if (text === 'auto') return 'auto';
  const number = Number(text);
  return /^\d{1,5}$/.test(text) && number >= 1 && number <= 65_535 ? number : null;
}
