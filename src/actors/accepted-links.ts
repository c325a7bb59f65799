/**
 * Accepted links that no bond has taken yet. A chart is told a number instead of the link, so that its events stay plain data; whoever
 * takes a link by its number has it alone.
 */
import type { Link } from '../transport/transport.ts'

export class AcceptedLinks {
  readonly #waiting = new Map<number, Link>()
  #next = 1

  /** The number of `link`, until it is taken or closed. */
  numberOf(link: Link): number {
    const number = this.#next++
    this.#waiting.set(number, link)
    link.onClose(() => this.#waiting.delete(number))
    return number
  }

  take(number: number): Link | undefined {
    const link = this.#waiting.get(number)
    this.#waiting.delete(number)
    return link
  }
}
