/**
 * What a member offers to the leader at once: commands of its session that were asked for together. They are one proposal and one entry of the log,
 * and are answered together (ADR 18), so there is one object for all of them, and for each no more than whoever waits for it.
 *
 * Lifecycle: gathering, until its turn ends or an entry is full -> offered, maybe often -> settled, when nobody waits for any of it. Those whose
 * callers gave up meanwhile are left out where it is offered again.
 *
 * Mutable, for speed; its one owner is the client.
 */
import { RAFT } from '../limits.ts'
import type { Commands } from '../machines/raft/messages.ts'
import { type Place, sizeOf } from '../transport/cbor-writer.ts'
import { Packing, placesIn } from '../transport/packed.ts'
import type { Call } from './client.ts'

export class Offer {
  /** Of the first command; each has one more than the one before it. */
  readonly sequence: number
  /** Null where it is settled. */
  readonly #calls: (Call | null)[] = []
  /** By place, as `#calls`. */
  readonly #deadlinesMs: number[] = []
  readonly #packing = new Packing()
  #bytes = 0
  /** Commands that somebody waits for. */
  #open = 0
  /** How many times it was offered to a leader, and when last. */
  times = 0
  lastMs = 0

  constructor(sequence: number) {
    this.sequence = sequence
  }

  get bytes(): number {
    return this.#bytes
  }

  get isSettled(): boolean {
    return this.#open === 0
  }

  /** The sequence after that of the last command. */
  get end(): number {
    return this.sequence + this.#calls.length
  }

  /** For one command more of so many bytes. */
  hasRoom(bytes: number): boolean {
    const { length } = this.#calls
    return length === 0 || (this.#bytes + bytes <= RAFT.entryBytesMax && length < RAFT.entryCommandsMax)
  }

  add(call: Call, place: Place, deadlineMs: number): void {
    this.#calls.push(call)
    this.#deadlinesMs.push(deadlineMs)
    this.#packing.add(place)
    this.#bytes += sizeOf(place)
    this.#open++
  }

  /** Whoever waits for this command, or null. */
  callOf(sequence: number): Call | null {
    return this.#calls[sequence - this.sequence] ?? null
  }

  /** The sequence of the first command that somebody waits for. */
  get firstWaiting(): number {
    return this.sequence + this.#calls.findIndex((call) => call !== null)
  }

  /** The sequences of commands that somebody waits for until such a time. */
  waitingUntil(isMeant: (deadlineMs: number) => boolean): number[] {
    const meant: number[] = []
    for (let i = 0; i < this.#calls.length; i++) {
      if (this.#calls[i] !== null && isMeant(this.#deadlinesMs[i]!)) meant.push(this.sequence + i)
    }
    return meant
  }

  /** Nobody waits for this command any more; returns who did. */
  take(sequence: number): Call | null {
    const call = this.callOf(sequence)
    if (call === null) return null
    this.#calls[sequence - this.sequence] = null
    this.#open--
    return call
  }

  /** It goes to a leader, in as few proposals as can be: one, unless some are settled. */
  proposals(session: number, acknowledged: number, nowMs: number): Commands[] {
    if (this.#open === 0) return []
    this.times++
    this.lastMs = nowMs
    const { sequence } = this
    const packed = this.#packing.packed
    const count = this.#calls.length
    if (this.#open === count) return [{ kind: 'commands', session, sequence, acknowledged, count, packed }]
    const places = placesIn(packed, count)
    return this.#runs().map(([start, end]) => ({
      kind: 'commands',
      session,
      sequence: sequence + start,
      acknowledged,
      count: end - start,
      packed: packed.subarray(places[start], places[end]),
    }))
  }

  /** Where commands stand beside each other that somebody waits for. */
  #runs(): [start: number, end: number][] {
    const runs: [number, number][] = []
    for (const [i, call] of this.#calls.entries()) {
      const last = runs.at(-1)
      if (call === null) continue
      if (last?.[1] === i) last[1]++
      else runs.push([i, i + 1])
    }
    return runs
  }
}
