import { compileGlob, type Glob } from '../runtime/glob.js';
import type { Placeable, Replaces } from './eligibility.js';

/**
 * Which units make which others move, over all units of a cluster. Where making room would lead back to the unit
 * that asked for it - two units that replace each other, or a longer circle through `Replaces=` and `MachineOf=` -
 * the relation is ignored: they would chase each other from machine to machine for ever.
 */
export function replacesRelation(units: readonly Placeable[]): Replaces {
  const globs = new Map<string, Glob>();
  for (const { constraints } of units)
    for (const pattern of constraints.replaces) globs.set(pattern, compileGlob(pattern));
  if (globs.size === 0) return () => false;

  const movable = units.filter(({ constraints }) => !constraints.global);
  const next = new Map<string, string[]>();
  const addEdge = (from: string, to: string): void => {
    const edges = next.get(from);
    if (edges === undefined) next.set(from, [to]);
    else edges.push(to);
  };
  // Patterns are nodes of their own, so that many units sharing one cost no square of edges.
  for (const [pattern, glob] of globs)
    for (const { name } of movable) if (glob.matches(name)) addEdge(`pattern ${pattern}`, name);
  for (const { name, constraints } of movable) {
    for (const pattern of constraints.replaces) addEdge(name, `pattern ${pattern}`);
    for (const peer of constraints.peers) addEdge(peer, name);
  }
  const circle = circles(next);
  const inCircle = (one: string, other: string): boolean =>
    circle.get(one) !== undefined && circle.get(one) === circle.get(other);

  return (one, other) =>
    one.name !== other.name &&
    !other.constraints.global &&
    one.constraints.replaces.some((pattern) => globs.get(pattern)?.matches(other.name)) &&
    !inCircle(one.name, other.name);
}

/** The strongly connected component of each node, as a number (Tarjan, without recursion: chains may be long). */
function circles(next: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const component = new Map<string, number>();
  const open: string[] = [];
  const lower = (node: string, to: number): void => {
    lowest.set(node, Math.min(lowest.get(node) ?? to, to));
  };

  for (const root of next.keys()) {
    const path: { node: string; edge: number }[] = [];
    const enter = (node: string): void => {
      order.set(node, order.size);
      lower(node, order.size - 1);
      open.push(node);
      path.push({ node, edge: 0 });
    };
    if (!order.has(root)) enter(root);
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const to = next.get(step.node)?.[step.edge++];
      if (to !== undefined) {
        if (!order.has(to)) enter(to);
        else if (!component.has(to)) lower(step.node, order.get(to) ?? 0);
        continue;
      }
      path.pop();
      const low = lowest.get(step.node) ?? 0;
      const parent = path.at(-1);
      if (parent !== undefined) lower(parent.node, low);
      if (low !== order.get(step.node)) continue;
      for (const node of open.splice(open.lastIndexOf(step.node))) component.set(node, low);
    }
  }
  return component;
}
