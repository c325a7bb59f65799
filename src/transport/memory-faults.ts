/**
 * Which paths of a memory network are blocked now: cuts, partitions, stalls. A place is any of the names an endpoint goes by.
 */

/** The names one endpoint goes by. */
export type Names = ReadonlySet<string>

export class Faults {
  #cuts: (readonly [from: string, to: string])[] = []
  #groups: readonly (readonly string[])[] | null = null
  readonly #stalled = new Set<string>()

  cut(from: string, to: string): void {
    this.#cuts.push([from, to])
  }

  /** Undoes cuts of both directions. */
  heal(a: string, b: string): void {
    this.#cuts = this.#cuts.filter(([from, to]) => !((from === a && to === b) || (from === b && to === a)))
  }

  partition(groups: readonly (readonly string[])[]): void {
    this.#groups = groups
  }

  stall(place: string): void {
    this.#stalled.add(place)
  }

  resume(place: string): void {
    this.#stalled.delete(place)
  }

  clear(): void {
    this.#cuts = []
    this.#groups = null
    this.#stalled.clear()
  }

  blocked(from: Names, to: Names): boolean {
    for (const place of this.#stalled) if (to.has(place)) return true
    if (this.#cuts.some(([a, b]) => from.has(a) && to.has(b))) return true
    return this.#groups !== null && groupOf(this.#groups, from) !== groupOf(this.#groups, to)
  }
}

/** -1 for all that are in no group: they are one together. */
function groupOf(groups: readonly (readonly string[])[], names: Names): number {
  return groups.findIndex((group) => group.some((place) => names.has(place)))
}
