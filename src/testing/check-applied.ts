/**
 * What the state machines apply: the same commands at the same places on every member, each once, and nothing that was not committed there.
 * A snapshot holds just what was applied up to its place, and whoever restores it goes on from there.
 * It keeps what every register held after every index, so that any answer can be compared with the place it claims to come from.
 */
import type { PeerId } from '../identity/keys.ts'
import type { RegisterCommand, RegisterState } from './register-machine.ts'
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
  /** The last of them. */
  #newest = 0
  restores = 0
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

  /** `peer` has become what a snapshot says. */
  restored(peer: PeerId, { index, registers }: RegisterState): void {
    this.restores++
    if (index < (this.#last.get(peer) ?? 0))
      this.#violate('state machine safety', `${peer} went from ${this.#last.get(peer)} back to ${index}`)
    this.#last.set(peer, index)
    const held = new Map(registers)
    for (const key of new Set([...held.keys(), ...this.#registers.keys()])) {
      const right = this.valueAt(key, index)
      if ((held.get(key) ?? null) !== right)
        this.#violate('state machine safety', `${peer} restored ${key} at ${index} as ${held.get(key)}, not ${right}`)
    }
  }

  apply(peer: PeerId, index: number, command: RegisterCommand, after: number | null): void {
    const last = this.#last.get(peer) ?? 0
    if (index <= last) this.#violate('applied in order', `${peer} applied ${index} after ${last}`)
    for (let at = last + 1; at < index; at++)
      if (this.#applied.has(at)) this.#violate('state machine safety', `${peer} skipped the command at ${at}`)
    this.#last.set(peer, index)
    const print = JSON.stringify([command, after])
    const known = this.#applied.get(index)
    if (known) {
      if (known.print !== print)
        this.#violate('state machine safety', `${peer} applied ${print} at ${index}, not ${known.print}`)
      return
    }
    if (index < this.#newest) this.#violate('state machine safety', `${peer} alone applied a command at ${index}`)
    this.#newest = index
    const place = this.#places.get(command.id)
    if (place !== undefined) this.#violate('exactly once', `${command.id} took effect at ${place} and at ${index}`)
    this.#places.set(command.id, index)
    this.#applied.set(index, { print, command, after })
    const register = this.#registers.get(command.key) ?? []
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
