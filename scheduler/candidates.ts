import { type ClusterSnapshot, effectiveMetadata } from '../registry/model.js';
import { ANYBODY, type Candidate, type Placeable, shortId, whyNot } from '../units/eligibility.js';

/** How many answers of machines are remembered at most, a byte each. */
const MOST_ANSWERS = 2 ** 24;

/** The live machines, in order of their ids, and what each answers to what units ask of it. */
export class Candidates {
  readonly list: readonly Candidate[];
  readonly byId: ReadonlyMap<string, Candidate>;
  private readonly places: ReadonlyMap<string, number>;
  /** By full and by short id. */
  private readonly named = new Map<string, string[]>();
  private readonly answers = new Map<string, Answers>();

  constructor(snapshot: Pick<ClusterSnapshot, 'machines' | 'known'>) {
    this.list = [...snapshot.machines.keys()].sort().map((id) => candidate(snapshot, id));
    this.byId = new Map(this.list.map((machine) => [machine.id, machine]));
    this.places = new Map(this.list.map(({ id }, at) => [id, at]));
    for (const { id } of this.list)
      for (const name of new Set([id, shortId(id)])) {
        const ids = this.named.get(name);
        if (ids === undefined) this.named.set(name, [id]);
        else ids.push(id);
      }
  }

  /** Where a machine stands in `list`. */
  placeOf(machine: string): number | undefined {
    return this.places.get(machine);
  }

  /** The live machines that `MachineID=` of a unit names, if it names any: no other would take it. */
  pinnedTo({ constraints }: Placeable): readonly string[] | null {
    return constraints.machineId === null ? null : (this.named.get(constraints.machineId) ?? []);
  }

  /** What the machines answer to what a unit asks of them. */
  answersTo(unit: Placeable): Answers {
    let answers = this.answers.get(unit.asks);
    if (answers === undefined) {
      if (this.answers.size * this.list.length > MOST_ANSWERS) this.answers.clear();
      answers = new Answers(unit, this.list);
      this.answers.set(unit.asks, answers);
    }
    return answers;
  }
}

const MAY_COME = 1;
const MAY_STAY = 2;
const NEVER = 3;

/** Which machines would have a unit as far as it is up to them, whoever else is there. Each is asked once. */
class Answers {
  private readonly unit: Placeable;
  private readonly list: readonly Candidate[];
  /** By place; 0: not asked yet. */
  private readonly given: Uint8Array;

  constructor(unit: Placeable, list: readonly Candidate[]) {
    this.unit = unit;
    this.list = list;
    this.given = new Uint8Array(list.length);
  }

  /** Whether the machine at a place in the list takes the unit. */
  mayCome(at: number): boolean {
    return (this.given[at] || this.ask(at)) === MAY_COME;
  }

  /** Whether it keeps the unit if it is there already: a cordon does not concern that one. */
  mayStay(at: number): boolean {
    return (this.given[at] || this.ask(at)) !== NEVER;
  }

  private ask(at: number): number {
    const machine = this.list[at];
    const refusal = machine === undefined ? null : whyNot(this.unit, machine, ANYBODY);
    // A cordon is asked for last: nothing else stands in the way then.
    const answer = refusal === null ? MAY_COME : refusal.kind === 'cordoned' ? MAY_STAY : NEVER;
    this.given[at] = answer;
    return answer;
  }
}

function candidate({ machines, known }: Pick<ClusterSnapshot, 'machines' | 'known'>, id: string): Candidate {
  const machine = machines.get(id);
  const record = known.get(id);
  return {
    id,
    metadata: machine === undefined ? {} : effectiveMetadata(machine, record),
    cordoned: record?.cordoned ?? false,
    draining: record?.draining ?? false,
  };
}
