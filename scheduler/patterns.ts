import type { Glob } from '../runtime/glob.js';

/** Patterns on unit names, found by a name they match: what that costs depends on how they begin, not on how many there are. */
export class Patterns<T extends { readonly glob: Glob }> {
  private readonly byText = new Map<string, T>();
  /** By the text every match begins with. */
  private readonly byPrefix = new Map<string, T[]>();
  private readonly prefixLengths = new Set<number>();

  get size(): number {
    return this.byText.size;
  }

  get(text: string): T | undefined {
    return this.byText.get(text);
  }

  add(pattern: T): void {
    const { pattern: text, prefix, valid } = pattern.glob;
    this.byText.set(text, pattern);
    if (!valid) return;
    this.prefixLengths.add(prefix.length);
    const near = this.byPrefix.get(prefix);
    if (near === undefined) this.byPrefix.set(prefix, [pattern]);
    else near.push(pattern);
  }

  matching(name: string): readonly T[] {
    const found: T[] = [];
    for (const length of this.prefixLengths)
      if (length <= name.length)
        for (const pattern of this.byPrefix.get(name.slice(0, length)) ?? [])
          if (pattern.glob.matches(name)) found.push(pattern);
    return found;
  }
}
