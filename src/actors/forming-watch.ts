/**
 * Forming needs the answer of every voter of a proposal (ADR 6), so one that dies between two messages can hold up all others. Nothing is
 * lost then, but nothing happens either, and a person should hear of it: once for each proposal that waits too long.
 */
import type { PeerId } from '../identity/keys.ts'
import { RAFT } from '../limits.ts'

/** The parts of raft's context that tell how forming goes. */
export interface FormingView {
  readonly nowMs: number
  readonly formation: { readonly status: string; readonly id: string | null; readonly voters: readonly PeerId[] }
  readonly founding: { readonly accepted: ReadonlySet<PeerId> }
}

export class FormingWatch {
  readonly #warn: (missing: readonly PeerId[]) => void
  #proposal: string | null = null
  #sinceMs = 0
  #warned = false

  constructor(warn: (missing: readonly PeerId[]) => void) {
    this.#warn = warn
  }

  /** Called at each change of raft. */
  look({ nowMs, formation, founding }: FormingView): void {
    const proposal = formation.status === 'accepted' ? formation.id : null
    if (proposal !== this.#proposal) {
      this.#proposal = proposal
      this.#sinceMs = nowMs
      this.#warned = false
    }
    if (proposal === null || this.#warned || nowMs - this.#sinceMs < RAFT.formingWarnMs) return
    this.#warned = true
    this.#warn(formation.voters.filter((voter) => !founding.accepted.has(voter)))
  }
}
