/**
 * Raft figure 3 as a checker, dumb on purpose: it looks at every member after every step and remembers all it ever saw.
 */
import type { Entry, LogIndex } from '../../src/machines/raft/messages.ts'
import { type Cluster, type Name, type Node, textsOf } from './cluster.ts'

const textOf = (entry: Entry): string =>
  entry.kind === 'commands' ? `${entry.term} ${textsOf(entry)}` : JSON.stringify(entry)

const majority = (voters: readonly string[]): number => Math.floor(voters.length / 2) + 1

export class SafetyChecker {
  readonly #leaders = new Map<number, Name>()
  /** By index and term: the entry, and the term of the one before it. */
  readonly #entries = new Map<string, string>()
  /** What was applied anywhere, by index; and the highest index ever committed. */
  readonly #applied: string[] = []
  readonly #appliedTerms: number[] = []
  readonly #changes = new Set<string>()
  readonly #committedAtRead = new Map<string, number>()

  get committed(): number {
    return this.#applied.length
  }

  /** How many times the voters changed, in any log. */
  get changes(): number {
    return this.#changes.size
  }

  check(cluster: Cluster): void {
    if (cluster.errors.length > 0) throw cluster.errors[0]
    for (const node of cluster.alive) {
      this.#logMatching(node)
      this.#stateMachineSafety(node)
      this.#majoritiesOverlap(node)
      if (node.role === 'leader') this.#electionSafety(node)
      this.#readsAreFresh(node)
    }
  }

  /** At most one leader in a term; and, when it is first seen, Leader Completeness. */
  #electionSafety(node: Node): void {
    const known = this.#leaders.get(node.term)
    if (known !== undefined && known !== node.name) throw new Error(`two leaders in term ${node.term}`)
    if (known !== undefined) return
    this.#leaders.set(node.term, node.name)
    this.#appliedTerms.forEach((term, place) => {
      if (place >= node.context.log.offset && term < node.term && node.context.log.termAt(place + 1) !== term) {
        throw new Error(`the leader of term ${node.term} lacks committed entry ${place + 1}`)
      }
    })
  }

  /** Two entries of one index and term are the same, and so are all before them: by induction over `previous`. */
  #logMatching({ name, context: { log } }: Node): void {
    let previous: number = log.baseTerm
    for (let index = log.offset + 1; index <= log.lastIndex; index++) {
      const entry = log.entryAt(index)!
      const key = `${index}:${entry.term}`
      const value = `${previous} ${textOf(entry)}`
      const known = this.#entries.get(key)
      if (known === undefined) this.#entries.set(key, value)
      else if (known !== value) throw new Error(`${name} holds another entry ${key}: ${value}, not ${known}`)
      previous = entry.term
    }
  }

  /** Thesis §4.1: of two configurations next to each other in a log, any majority of one meets any majority of the other. */
  #majoritiesOverlap({ name, context: { log } }: Node): void {
    let before: readonly string[] | null = null
    for (let index = log.offset + 1; index <= log.lastIndex; index++) {
      const entry = log.entryAt(index)!
      if (entry.kind !== 'configuration') continue
      const { voters } = entry.configuration
      if (voters.length === 0) throw new Error(`nobody votes from entry ${index} of ${name} on`)
      if (before !== null && majority(before) + majority(voters) <= new Set([...before, ...voters]).size)
        throw new Error(`${name}: ${before} and ${voters} could decide apart`)
      if (before !== null && before.join() !== voters.join()) this.#changes.add(`${index}:${entry.term}`)
      before = voters
    }
  }

  /** Nobody ever applies another entry at an index. */
  #stateMachineSafety({ name, applied, context }: Node): void {
    if (applied.length !== context.commitIndex) throw new Error(`${name} applied ${applied.length} entries`)
    applied.forEach((entry, place) => {
      const text = textOf(entry)
      if (place === this.#applied.length) {
        this.#applied.push(text)
        this.#appliedTerms.push(entry.term)
      } else if (this.#applied[place] !== text) throw new Error(`${name} applied another entry ${place + 1}: ${text}`)
    })
  }

  /** Remembers what a read that is asked now must see. */
  read(cluster: Cluster, name: Name, id: number): void {
    this.#committedAtRead.set(`${name} ${id}`, this.committed)
    cluster.read(name, id)
  }

  #readsAreFresh(node: Node): void {
    for (const { id, index } of node.ofKind('readReady')) {
      const least = this.#committedAtRead.get(`${node.name} ${id}`) ?? 0
      if (index < (least as LogIndex))
        throw new Error(`read ${id} on ${node.name} is answered at ${index}, not ${least}`)
    }
  }
}
