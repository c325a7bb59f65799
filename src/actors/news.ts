/**
 * A leader's news that entries are committed waits until callers have heard their answers and asked for more: an AppendEntries that
 * brings the next entries tells as much, and then the news need not travel. Where none comes in this turn, it leaves with it all the same.
 *
 * Invariant: messages leave in the order in which they were given; what is left out is an AppendEntries without entries that the very next
 * one, to the same members, repeats.
 */
import type { Clock } from '../clock.ts'
import type { Send } from '../machines/raft/effects.ts'

export class News {
  readonly #clock: Pick<Clock, 'endOfTurn'>
  readonly #transmit: (send: Send) => void
  #waiting: Send | null = null

  constructor(clock: Pick<Clock, 'endOfTurn'>, transmit: (send: Send) => void) {
    this.#clock = clock
    this.#transmit = transmit
  }

  send(send: Send): void {
    if (this.#waiting && isToldBy(this.#waiting, send)) this.#waiting = null
    this.#tell()
    const { message } = send
    if (message.type === 'AppendEntries' && message.entries.length === 0) this.#wait(send)
    else this.#transmit(send)
  }

  /** In one round callers hear their answers, in the next they are heard. */
  #wait(send: Send): void {
    this.#waiting = send
    const tell = () => {
      if (this.#waiting === send) this.#tell()
    }
    this.#clock.endOfTurn(() => this.#clock.endOfTurn(tell))
  }

  #tell(): void {
    const waiting = this.#waiting
    this.#waiting = null
    if (waiting) this.#transmit(waiting)
  }
}

/** Does whoever gets `next` learn all that `news` would have told? */
function isToldBy({ to, message: news }: Send, { to: others, message: next }: Send): boolean {
  if (news.type !== 'AppendEntries' || next.type !== 'AppendEntries' || news.term !== next.term) return false
  const isFurther = next.commit >= news.commit && next.round >= news.round && next.prevIndex >= news.prevIndex
  return isFurther && to.every((peer) => others.includes(peer))
}
