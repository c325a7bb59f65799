/** What happened in a simulation, a line each: the last ones for a person to read, or all of them to compare two runs. */

interface Line {
  readonly ms: number
  readonly who: string
  readonly what: string | (() => string)
}

export class Trace {
  readonly #keeps: number
  readonly #lines: Line[] = []
  #length = 0

  /** `keeps`: how many of the last lines. */
  constructor(keeps: number) {
    this.#keeps = keeps
  }

  /** How many lines there were. */
  get length(): number {
    return this.#length
  }

  /** `what` may be given as a function of nothing that changes: most lines are never read. */
  note(ms: number, who: string, what: string | (() => string)): void {
    this.#lines[this.#length++ % this.#keeps] = { ms, who, what }
  }

  lines(): string[] {
    const oldest = this.#length % this.#keeps
    const lines =
      this.#length <= this.#keeps ? this.#lines : [...this.#lines.slice(oldest), ...this.#lines.slice(0, oldest)]
    return lines.map(textOf)
  }
}

function textOf({ ms, who, what }: Line): string {
  return `${(ms / 1000).toFixed(3).padStart(9)} ${who.padEnd(5)} ${typeof what === 'string' ? what : what()}`
}
