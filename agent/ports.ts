/**
 * Where `Port=auto` is chosen from: below the ports that Linux gives to outgoing connections and to servers on any port (from
 * 32768), so that none of those takes it before its unit listens, nor between the unit's end and its restart. Nomad's range.
 */
const FIRST = 20_000;
const LAST = 32_000;

/** The local ports of a table of /proc/net/tcp or tcp6 (proc(5)), in whatever state their connections are. */
export function localPorts(table: string): number[] {
  return [...table.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)].map(([, port]) =>
    Number.parseInt(port as string, 16),
  );
}

/** A port that is not taken; `null` if all are. `random` is a number in [0, 1) given by the caller. */
export function choosePort(taken: ReadonlySet<number>, random: number): number | null {
  const ports = LAST - FIRST + 1;
  const from = Math.floor(random * ports);
  for (let step = 0; step < ports; step += 1) {
    const port = FIRST + ((from + step) % ports);
    if (!taken.has(port)) return port;
  }
  return null;
}
