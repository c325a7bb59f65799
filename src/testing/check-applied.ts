/**
 * What the state machines apply: the same commands at the same places on every member, each once, and nothing that was not committed there.
 * It keeps what every register held after every index, so that any answer can be compared with the place it claims to come from.
 */
import type { PeerId } from '../identity/keys.ts'
import type { RegisterCommand } from './register-machine.ts'
import type { Violate } from './violation.ts'

interface Applied {
  readonly print: string
  readonly command: RegisterCommand
  readonly after: number | null
}

export class AppliedChecker {
  readonly #violate: Violate
  /** By index; sparse, as not every entry is a command. */
  readonly #applied = new Map<number, Applied>()
  /** By the command's id: where it took effect. */
  readonly #places = new Map<string, number>()
  readonly #last = new Map<PeerId, number>()
  /** By key: the indexes that changed it and what it held then, in order of index. */
  readonly #registers = new Map<string, { readonly index: number; readonly value: number | null }[]>()

  constructor(violate: Violate) {
    this.#violate = violate
  }

  get commands(): number {
    return this.#places.size
  }

  /** A new life of `peer` begins with an empty machine. */
  started(peer: PeerId): void {
    this.#last.set(peer, 0)
  }

  apply(peer: PeerId, index: number, command: RegisterCommand, after: number | null): void {
    if (index <= (this.#last.get(peer) ?? 0))
      this.#violate('applied in order', `${peer} applied ${index} after ${this.#last.get(peer)}`)
    this.#last.set(peer, index)
    const print = JSON.stringify([command, after])
    const known = this.#applied.get(index)
    if (known) {
      if (known.print !== print)
        this.#violate('state machine safety', `${peer} applied ${print} at ${index}, not ${known.print}`)
      return
    }
    const place = this.#places.get(command.id)
    if (place !== undefined) this.#violate('exactly once', `${command.id} took effect at ${place} and at ${index}`)
    this.#places.set(command.id, index)
    this.#applied.set(index, { print, command, after })
    const register = this.#registers.get(command.key) ?? []
    if ((register.at(-1)?.index ?? 0) > index)
      this.#violate('applied in order', `${peer} was the first to apply ${index}`)
    register.push({ index, value: after })
    this.#registers.set(command.key, register)
  }

  /** Where the command took effect; undefined where it did not. */
  placeOf(id: string): number | undefined {
    return this.#places.get(id)
  }

  /** What the command at `index` left in its register. */
  after(index: number): number | null | undefined {
    return this.#applied.get(index)?.after
  }

  valueAt(key: string, index: number): number | null {
    return this.#registers.get(key)?.findLast((change) => change.index <= index)?.value ?? null
  }
}
