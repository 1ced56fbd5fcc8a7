import { type ClusterSnapshot, effectiveMetadata } from '../../registry/model.js';
import { planRebalance } from '../../scheduler/rebalance.js';
import { shortId } from '../../units/eligibility.js';
import { currentState } from '../../units/state.js';
import type { Scenario } from './scenario.js';

/** What `show` can print, by name. */
export const SHOWS: Readonly<Record<string, (scenario: Scenario) => Promise<string[]> | string[]>> = {
  /** What the registry knows of units, with the words of `convoyctl`. */
  async units(scenario) {
    const snapshot = await scenario.snapshot();
    const refusals = scenario.leader()?.status.refusals ?? new Map<string, string>();
    const rows = unitNames(snapshot).flatMap((unit) => unitRows(snapshot, unit, refusals.get(unit)));
    if (rows.length === 0) return ['no units'];
    return table(['UNIT', 'TARGET', 'STATE', 'MACHINE', 'ACTIVE/SUB', 'WHY'], rows);
  },

  async machines(scenario) {
    const { machines, known } = await scenario.snapshot();
    const rows = [...known.values()]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((record) => {
        const machine = machines.get(record.id);
        const metadata = Object.entries(machine === undefined ? {} : effectiveMetadata(machine, record));
        const marks = [
          machine === undefined ? 'gone' : 'here',
          ...(record.cordoned ? ['cordoned'] : []),
          ...(record.draining ? ['draining'] : []),
          ...(record.away === null ? [] : [record.away]),
        ];
        return [
          shortId(record.id),
          marks.join(', '),
          metadata
            .map(([key, value]) => `${key}=${value}`)
            .sort()
            .join(' '),
        ];
      });
    return table(['MACHINE', 'STATE', 'METADATA'], rows);
  },

  /** What really runs where, whatever the registry says. */
  async running(scenario) {
    const rows: string[][] = [];
    for (const [name, { units }] of scenario.machines)
      for (const { name: unit, active, sub, autoRestarts } of await units.manager().list())
        if (active !== 'inactive')
          rows.push([name, unit, `${active}/${sub}`, autoRestarts === 0 ? '' : `restarts: ${autoRestarts}`]);
    return rows.length === 0 ? ['nothing runs'] : table(null, rows);
  },

  leader(scenario) {
    const leader = scenario.leader();
    if (leader === null) return ['no leader'];
    const { hold, frozen } = leader.status;
    return [
      leader.name,
      ...(hold === null ? [] : [`hold: ${hold}`]),
      ...(frozen === null ? [] : [`frozen: ${frozen}`]),
    ];
  },

  refusals(scenario) {
    const refusals = [...(scenario.leader()?.status.refusals ?? [])];
    return refusals.length === 0 ? ['no refusals'] : table(null, refusals);
  },

  async rebalance(scenario) {
    const moves = planRebalance(await scenario.snapshot());
    return moves.length === 0
      ? ['no moves']
      : moves.map(
          ({ unit, from, to, why }) => `move ${unit} from ${shortId(from)} to ${shortId(to)}: ${why}`,
        );
  },

  /** How each convoyd stands towards the cluster. */
  agents(scenario) {
    const rows = [...scenario.machines].map(([name, { agent }]) => {
      if (agent === undefined) return [name, 'no convoyd'];
      const { joined, problem } = agent.status();
      return [name, joined ? 'joined' : 'not joined', problem ?? ''];
    });
    return table(null, rows);
  },

  /** What the convoyds said since the last `show log` or `mark`. */
  log(scenario) {
    const lines = scenario.takeLog();
    return lines.length === 0 ? ['nothing said'] : lines;
  },

  /** What unit managers were asked to do since the last `show calls` or `mark`. */
  calls(scenario) {
    const calls = scenario.takeCalls().filter(([, call]) => /^(load|unload|start|stop|reload) /.test(call));
    return calls.length === 0 ? ['no calls'] : calls.map(([machine, call]) => `${machine}: ${call}`);
  },
};

function unitNames({ units, assigned, placements, states }: ClusterSnapshot): string[] {
  const placed = [...placements.values(), ...states.values()].flatMap((rows) => [...rows.keys()]);
  return [...new Set([...units.keys(), ...assigned.keys(), ...placed])].sort();
}

/** A row for each machine that has the unit or still reports it, and one for what is lacking. */
function unitRows(snapshot: ClusterSnapshot, unit: string, refusal: string | undefined): string[][] {
  const target = snapshot.units.get(unit)?.target ?? 'destroyed';
  const machines = new Set(
    [...snapshot.placements, ...snapshot.states].flatMap(([id, rows]) => (rows.has(unit) ? [id] : [])),
  );
  const alone = machines.size === 1 && snapshot.assigned.has(unit);
  const rows = [...machines].sort().map((id) => {
    const placement = snapshot.placements.get(id)?.get(unit);
    const state = snapshot.states.get(id)?.get(unit);
    const reason = state?.reason.split('\n')[0] || (placement?.why ?? 'not placed here any more');
    return [
      unit,
      target,
      currentState(state?.reached),
      shortId(id),
      state === undefined ? '' : `${state.active}/${state.sub}`,
      alone ? (refusal ?? reason) : reason,
    ];
  });
  if (rows.length === 0 || (refusal !== undefined && !alone))
    rows.push([unit, target, 'inactive', '', '', refusal ?? '']);
  return rows;
}

/** Columns two spaces apart; an empty cell is `-`, but not the last one of a row. */
function table(header: readonly string[] | null, rows: readonly (readonly string[])[]): string[] {
  const all = [...(header === null ? [] : [header]), ...rows].map((row) =>
    row.map((cell, at) => (cell === '' && at < row.length - 1 ? '-' : cell)),
  );
  const widths = (all[0] ?? []).map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
