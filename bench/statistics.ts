/** Order statistics. Medians of rounds, because one round may fall on a busy moment of the machine. */

/** The value below which a share of `sorted` lies, by nearest rank; NaN of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!
}

export function quantileOf(values: readonly number[], share: number): number {
  return quantile(Float64Array.from(values).sort(), share)
}

export const median = (values: readonly number[]): number => quantileOf(values, 0.5)

/** To so many significant digits: a figure should not look better known than it is. */
export const rounded = (value: number, digits = 4): number => Number(value.toPrecision(digits))

/** What has the same key stands together, in the order of the first of each. */
export function grouped<T>(values: readonly T[], keyOf: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value])
  return [...groups.values()]
}

/** The mean and its standard error. */
export function meanOf(values: readonly number[]): readonly [number, number] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return [mean, Math.sqrt(squares / (values.length - 1) / values.length)]
}

/** Durations in milliseconds: the newest million, which memory bounds. */
export class Durations {
  readonly #kept = new Float64Array(1 << 20)
  #count = 0

  add(ms: number): void {
    this.#kept[this.#count++ & (this.#kept.length - 1)] = ms
  }

  get count(): number {
    return this.#count
  }

  /** 50th and 99th percentile. */
  summary(): { p50Ms: number; p99Ms: number } {
    const sorted = this.#kept.slice(0, Math.min(this.#count, this.#kept.length)).sort()
    return { p50Ms: rounded(quantile(sorted, 0.5)), p99Ms: rounded(quantile(sorted, 0.99)) }
  }
}
