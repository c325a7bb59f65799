/** What happened in a simulation, a line each: the last ones for a person to read, or all of them to compare two runs. */

export class Trace {
  readonly #keeps: number
  readonly #lines: string[] = []
  #length = 0

  /** `keeps`: how many of the last lines. */
  constructor(keeps: number) {
    this.#keeps = keeps
  }

  /** How many lines there were. */
  get length(): number {
    return this.#length
  }

  note(ms: number, who: string, what: string): void {
    const line = `${(ms / 1000).toFixed(3).padStart(9)} ${who.padEnd(5)} ${what}`
    this.#lines[this.#length++ % this.#keeps] = line
  }

  lines(): string[] {
    const oldest = this.#length % this.#keeps
    return this.#length <= this.#keeps
      ? [...this.#lines]
      : [...this.#lines.slice(oldest), ...this.#lines.slice(0, oldest)]
  }
}
