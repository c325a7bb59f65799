/** Chance for a simulation: one stream of random numbers from a seed. Mutable; each user has a stream of its own. */
import { nextUint32, type RandomState, randomFrom } from '../machines/random.ts'

export interface Range {
  readonly min: number
  readonly max: number
}

export class Chance {
  #state: RandomState

  constructor(...seed: readonly number[]) {
    const [a = 0, b = 0, c = 0, d = 0] = seed
    this.#state = randomFrom([a, b, c, d])
  }

  uint32(): number {
    const [value, next] = nextUint32(this.#state)
    this.#state = next
    return value
  }

  /** In [0, 1). */
  unit(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit)
  }

  /** A whole number, both ends included. */
  within({ min, max }: Range): number {
    return min + this.below(max - min + 1)
  }

  flip(probability: number): boolean {
    return this.unit() < probability
  }

  oneOf<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  /** All of `items`, in any order. */
  shuffled<Item>(items: readonly Item[]): Item[] {
    const shuffled = [...items]
    for (let at = shuffled.length - 1; at > 0; at--) {
      const other = this.below(at + 1)
      ;[shuffled[at], shuffled[other]] = [shuffled[other] as Item, shuffled[at] as Item]
    }
    return shuffled
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() & 0xff)
  }

  /** A stream that goes its own way from here. */
  fork(): Chance {
    return new Chance(this.uint32(), this.uint32(), this.uint32(), this.uint32())
  }
}
